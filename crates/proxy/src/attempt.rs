//! One attempt at one target, up to the point from which its answer may be relayed.

mod held;

use std::time::Duration;

use ai_gateway_providers::{Exchange, Usage, classify};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use crate::client::{Outgoing, SendError, Source};
use crate::connect::{self, Pool};
use crate::settings::BodyLimits;
use crate::verdict::{Refusal, Setback};
use crate::whole::{self, Pauses};

use self::held::hold;
pub(crate) use self::held::{Begun, CommitPoint};

/// How long each phase may take. The phases run one after the other; [`deadline`](Self::deadline)
/// ends them all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptLimits {
    /// From sending the request to the head of the answer.
    pub(crate) head: Duration,
    /// From sending the request to the first meaningful event of a stream.
    pub(crate) first_token: Duration,
    /// Between two pieces of the answer.
    pub(crate) idle: Duration,
    /// The end of the whole request's time.
    pub(crate) deadline: Instant,
    /// When a stream begins to be passed on.
    pub(crate) commit: CommitPoint,
    /// How much of an answer is held.
    pub(crate) bodies: BodyLimits,
}

/// An answer that may be relayed.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The target's headers, unfiltered.
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
}

pub(crate) enum AnswerBody {
    /// All of it, in the client's dialect.
    Whole {
        bytes: Bytes,
        usage: Usage,
        /// What of it the client's dialect has no words for.
        dropped: Vec<String>,
    },
    /// A stream that has reached its commit point.
    Stream(Box<Begun>),
    /// Passed through as it comes; the gateway knows nothing of its form.
    Opaque(Source),
}

/// What form of answer is expected of a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    /// JSON of the target's dialect.
    Plain,
    /// An event stream of the target's dialect.
    Stream,
    /// Whatever comes.
    Opaque,
}

/// Sends `request` and reads its answer up to the commit point: the last byte of a plain answer,
/// what [`CommitPoint`] says of a stream.
///
/// Dropping the future closes the connection to the target, which is how it learns that nobody
/// waits any more.
pub(crate) async fn attempt(
    pool: &Pool,
    request: &Outgoing,
    exchange: &Exchange,
    expected: Expected,
    limits: &AttemptLimits,
) -> Result<Answer, Setback> {
    let sent_at = Instant::now();
    let wait = match expected {
        Expected::Stream => limits.head.min(limits.first_token),
        Expected::Plain | Expected::Opaque => limits.head,
    };
    let head_by = (sent_at + wait).min(limits.deadline);
    let response = match tokio::time::timeout_at(head_by, pool.request(request)).await {
        Err(_) if head_by == limits.deadline => return Err(Setback::Deadline),
        Err(_) => return Err(Setback::HeadTimeout),
        Ok(Err(error @ SendError::Connect(_))) => {
            tracing::debug!(error = %chain(&error), "no connection to the target");
            return Err(Setback::Connect {
                is_timeout: connect::is_timeout(&error),
            });
        }
        Ok(Err(error)) => {
            tracing::debug!(error = %chain(&error), "the target broke off before its answer");
            return Err(Setback::Disconnected);
        }
        Ok(Ok(response)) => response,
    };
    let (mut head, source) = response.into_parts();
    if !head.status.is_success() {
        return Err(refusal(head, source, exchange, limits).await);
    }
    let body = match expected {
        Expected::Opaque => AnswerBody::Opaque(source),
        Expected::Plain => plain(source, exchange, limits).await?,
        // A target may answer whole although a stream was asked for; that is no stream to cut.
        Expected::Stream if !has_type(&head.headers, exchange.stream_type()) => {
            return Err(Setback::NotAnAnswer);
        }
        Expected::Stream => {
            let begun = hold(source, exchange, limits, sent_at).await?;
            AnswerBody::Stream(Box::new(begun))
        }
    };
    if matches!(body, AnswerBody::Stream(_)) {
        // What the client gets, whatever framing it came in.
        if !has_type(&head.headers, EVENT_STREAM) {
            let events = HeaderValue::from_static(EVENT_STREAM);
            head.headers.insert(CONTENT_TYPE, events);
        }
    }
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}

/// Reads an error answer and says what it means. What is beyond the bound is not needed for that.
async fn refusal(
    head: http::response::Parts,
    source: Source,
    exchange: &Exchange,
    limits: &AttemptLimits,
) -> Setback {
    if head.status.is_redirection() || head.status.is_informational() {
        // Followed, it would carry the credential to wherever the answer says.
        return Setback::NotAnAnswer;
    }
    // An error that cannot be read still has its status.
    let body = whole::read(source, limits.bodies.error_bytes, Pauses(ERROR_IDLE))
        .await
        .unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let fault = classify(exchange.target(), head.status.as_u16(), header, &body);
    Setback::Refused(Refusal {
        status: head.status,
        headers: head.headers,
        body,
        fault,
    })
}

async fn plain(
    source: Source,
    exchange: &Exchange,
    limits: &AttemptLimits,
) -> Result<AnswerBody, Setback> {
    let read = whole::read(source, limits.bodies.response_bytes, Pauses(limits.idle));
    let body = match tokio::time::timeout_at(limits.deadline, read).await {
        Err(_) => return Err(Setback::Deadline),
        Ok(Err(unread)) => return Err(Setback::Unread(unread)),
        Ok(Ok(body)) => body,
    };
    let answer = exchange.response(body).map_err(Setback::BadAnswer)?;
    Ok(AnswerBody::Whole {
        bytes: answer.body,
        usage: answer.usage,
        dropped: answer.dropped,
    })
}

fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with(expected))
}

/// An error names its cause and a few links of the chain below it, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// How long the body of an error may pause: it is worth little.
const ERROR_IDLE: Duration = Duration::from_secs(2);
/// The media type of every client's streams.
const EVENT_STREAM: &str = "text/event-stream";
