//! Ends a streamed answer for everybody who keeps an account of it: lease, log, counters.

use ai_gateway_providers::{Exchange, GatewayError, Usage};
use ai_gateway_registry::{FailureKind, Outcome};
use ai_gateway_telemetry::{AttemptOutcome, RequestOutcome};
use bytes::Bytes;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::endpoint::Lease;
use crate::relay::{Break, BrokenStream};
use crate::story::{Story, client_closed_request};

/// What is still to be done when a stream ends.
pub(crate) struct Settlement {
    exchange: Exchange,
    request_id: String,
    ending: CancellationToken,
    open: Option<Open>,
}

struct Open {
    lease: Lease,
    story: Story,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// Whole.
    Complete,
    /// Not whole, and the client was told.
    Broken(Break),
    /// The client left before the end.
    ClientGone,
}

impl Settlement {
    /// The lease and the story end with the stream.
    pub(crate) fn new(exchange: Exchange, lease: Lease, story: Story) -> Self {
        Self {
            exchange,
            request_id: story.request_id().to_owned(),
            ending: story.ending().clone(),
            open: Some(Open { lease, story }),
        }
    }

    /// Ends the stream when the gateway's time to finish is over.
    pub(crate) fn ending(&self) -> CancellationToken {
        self.ending.clone()
    }

    /// The client's dialect's way to say that a stream broke.
    pub(crate) fn error_event(&self, why: Break) -> Bytes {
        let (status, code, message) = match why {
            Break::Fault(BrokenStream::ErrorEvent | BrokenStream::Refusal) => (
                502,
                "upstream_failed",
                "the model's provider failed in the middle of the answer",
            ),
            Break::Fault(BrokenStream::Malformed) => (
                502,
                "upstream_failed",
                "the model's provider sent something that is no part of an answer",
            ),
            Break::Fault(BrokenStream::Truncated) | Break::Disconnected => (
                502,
                "upstream_failed",
                "the answer broke off before it was whole; ask again",
            ),
            Break::Stopping => (
                503,
                "gateway_stopping",
                "the gateway is stopping and could not finish the answer; ask again",
            ),
            Break::Silent => (504, "upstream_timeout", "the answer stalled; ask again"),
            Break::Deadline => (
                504,
                "upstream_timeout",
                "the answer was not whole within the time allowed",
            ),
        };
        self.exchange.stream_error_event(&GatewayError {
            status,
            code,
            message,
            param: None,
            request_id: Some(&self.request_id),
        })
    }

    /// Gives the lease back after a part of the answer, and hands the story over to whoever gets
    /// another target to go on with it; `None` when the stream was ended already.
    pub(crate) fn hand_over(&mut self, why: Break, usage: &Usage) -> Option<Story> {
        let Open {
            mut lease,
            mut story,
        } = self.open.take()?;
        story.used(usage, &lease);
        lease.tokens(usage.input, usage.output);
        let (outcome, recorded) = blame(why);
        lease.finish(outcome);
        story.attempted(recorded);
        Some(story)
    }

    /// Gives the lease back and tells the story; does nothing the second time.
    pub(crate) fn settle(&mut self, ending: Ending, usage: &Usage) {
        let Some(Open {
            mut lease,
            mut story,
        }) = self.open.take()
        else {
            return;
        };
        story.used(usage, &lease);
        lease.tokens(usage.input, usage.output);
        let (outcome, recorded, ended) = match ending {
            Ending::Complete => (
                Outcome::Success,
                AttemptOutcome::Success,
                RequestOutcome::Success,
            ),
            Ending::ClientGone => (
                Outcome::Cancelled,
                AttemptOutcome::Cancelled,
                RequestOutcome::Cancelled,
            ),
            Ending::Broken(why) => {
                let (outcome, recorded) = blame(why);
                (outcome, recorded, RequestOutcome::Truncated)
            }
        };
        lease.finish(outcome);
        story.attempted(recorded);
        let status = match ending {
            Ending::ClientGone => client_closed_request(),
            Ending::Complete | Ending::Broken(_) => StatusCode::OK,
        };
        story.end(status, ended);
    }
}

/// What a broken stream says of its target.
fn blame(why: Break) -> (Outcome, AttemptOutcome) {
    let failed = |recorded| (Outcome::Failure(FailureKind::Stream), recorded);
    match why {
        Break::Fault(BrokenStream::ErrorEvent) => failed(AttemptOutcome::ServerError),
        Break::Fault(BrokenStream::Refusal) => (Outcome::CallerFault, AttemptOutcome::CallerFault),
        Break::Fault(BrokenStream::Malformed) => failed(AttemptOutcome::Malformed),
        Break::Fault(BrokenStream::Truncated) | Break::Disconnected => {
            failed(AttemptOutcome::Disconnected)
        }
        Break::Silent => failed(AttemptOutcome::Timeout),
        // Events still came: the answer was longer than the operator allows.
        Break::Deadline => (Outcome::Cancelled, AttemptOutcome::Timeout),
        Break::Stopping => (Outcome::Cancelled, AttemptOutcome::Cancelled),
    }
}
