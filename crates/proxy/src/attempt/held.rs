//! Holds a stream back until its commit point.

use std::collections::VecDeque;

use ai_gateway_model::Commit;
use ai_gateway_providers::{Exchange, StreamRelay};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::AttemptLimits;
use crate::client::Source;
use crate::relay::TAIL;
use crate::verdict::Setback;
use crate::whole::Unread;

/// When a stream begins to be passed on: before that another target may take over unseen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitPoint {
    /// What the operator wants, counted from the first token.
    pub(crate) commit: Commit,
    /// The bytes with which it begins at the latest. Without a first token in so many it begins
    /// too: what a model has to say does not come behind that much else.
    pub(crate) hold_bytes: usize,
}

/// A stream from its commit point on.
pub(crate) struct Begun {
    pub(crate) source: Source,
    pub(crate) events: StreamRelay,
    /// What has been read and not yet sent.
    pub(crate) ready: VecDeque<Bytes>,
}

/// Reads a stream up to its commit point.
///
/// Until the first token the wait is bounded from `sent_at`; after it no pause may be longer than
/// `limits.idle`, and an answer that is proven whole has [`TAIL`] left for what may follow.
pub(super) async fn hold(
    source: Source,
    exchange: &Exchange,
    limits: &AttemptLimits,
    sent_at: Instant,
) -> Result<Begun, Setback> {
    let mut begun = Begun {
        source,
        events: exchange.stream(),
        ready: VecDeque::new(),
    };
    let mut phase = Phase::Silent {
        until: sent_at + limits.first_token,
    };
    let mut held = 0;
    loop {
        let (by, at_timeout) = phase.wait(limits);
        let Ok(frame) = timeout_at(by, begun.source.frame()).await else {
            return at_timeout.map_or(Ok(begun), Err);
        };
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                held += data.len();
                let pushed = begun.events.push(data, &mut begun.ready);
                pushed.map_err(Setback::Stream)?;
            }
            Some(Err(_)) if matches!(phase, Phase::Whole { .. }) => return Ok(begun),
            Some(Err(_)) => return Err(Setback::Unread(Unread::Broken)),
            None => {
                let ended = begun.events.end(&mut begun.ready);
                ended.map_err(Setback::Stream)?;
                return Ok(begun);
            }
        }
        phase = phase.after(&begun.events);
        if held > limits.commit.hold_bytes || phase.is_past(limits.commit.commit, held) {
            return Ok(begun);
        }
    }
}

/// How far a stream that is held has come.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing of the answer itself.
    Silent {
        /// When the first token has to be there.
        until: Instant,
    },
    /// Tokens come.
    Speaking {
        /// When the first came.
        since: Instant,
    },
    /// The answer is proven whole.
    Whole {
        /// Since when.
        since: Instant,
    },
}

impl Phase {
    /// Until when the next piece is waited for, and what it means that none came: a setback, or
    /// nothing but that the stream begins.
    fn wait(self, limits: &AttemptLimits) -> (Instant, Option<Setback>) {
        let idle = Instant::now() + limits.idle;
        let (by, setback) = match (self, limits.commit.commit) {
            (Self::Silent { until }, _) => (until, Some(Setback::FirstTokenTimeout)),
            (Self::Whole { since }, _) => (since + TAIL, None),
            (Self::Speaking { since }, Commit::After(time)) if since + time < idle => {
                (since + time, None)
            }
            (Self::Speaking { .. }, _) => (idle, Some(Setback::Unread(Unread::Stalled))),
        };
        match setback {
            Some(_) if limits.deadline <= by => (limits.deadline, Some(Setback::Deadline)),
            setback => (by, setback),
        }
    }

    fn after(self, events: &StreamRelay) -> Self {
        match self {
            Self::Silent { .. } | Self::Speaking { .. } if events.is_whole() => Self::Whole {
                since: Instant::now(),
            },
            Self::Silent { .. } if events.has_meaningful_event() => Self::Speaking {
                since: Instant::now(),
            },
            same => same,
        }
    }

    /// Whether the stream has reached what `commit` asks for, with `held` bytes of it.
    fn is_past(self, commit: Commit, held: usize) -> bool {
        match (self, commit) {
            (Self::Silent { .. }, _) | (_, Commit::Complete) => false,
            (Self::Speaking { since }, Commit::After(time)) => since.elapsed() >= time,
            (Self::Speaking { .. }, Commit::Bytes(bytes)) => held >= bytes as usize,
            (Self::Speaking { .. }, Commit::FirstToken) | (Self::Whole { .. }, _) => true,
        }
    }
}
