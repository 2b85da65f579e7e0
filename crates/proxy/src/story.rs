//! What is told of a request once it is over, collected on its way.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_providers::{Stamp, Usage};
use ai_gateway_registry::Admission;
use ai_gateway_telemetry::{
    AttemptOutcome, AttemptRecord, InFlight, RequestOutcome, RequestRecord, TargetMeters,
    Telemetry, TokenUsage,
};
use http::StatusCode;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::failure::{Blame, Failure};

/// A request from its arrival to its end.
///
/// Told exactly once: by [`end`](Self::end), or when it is dropped, which is how it goes when the
/// client leaves, in whatever phase, when the gateway stops, and when it panics.
#[derive(Debug)]
pub(crate) struct Story {
    record: RequestRecord,
    arrived: Instant,
    telemetry: Telemetry,
    /// The attempt under way.
    attempt: Option<(Arc<TargetMeters>, Instant)>,
    /// Another under way beside it.
    second: Option<(Arc<TargetMeters>, Instant)>,
    admissions: Vec<Admission>,
    clock: Clock,
    ending: CancellationToken,
    is_told: bool,
    _in_flight: InFlight,
}

impl Story {
    /// Begins when a request's head has been read.
    pub(crate) fn begin(
        telemetry: &Telemetry,
        clock: Clock,
        request_id: String,
        head: &http::request::Parts,
        ending: CancellationToken,
    ) -> Self {
        Self {
            record: RequestRecord::new(
                request_id,
                head.method.to_string(),
                head.uri.path().to_owned(),
            ),
            arrived: Instant::now(),
            telemetry: telemetry.clone(),
            attempt: None,
            second: None,
            admissions: Vec::new(),
            clock,
            ending,
            is_told: false,
            _in_flight: telemetry.request_started(),
        }
    }

    pub(crate) fn arrived(&self) -> Instant {
        self.arrived
    }

    /// The time since the gateway's start, as what it counts by the second is told.
    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Is cancelled when the gateway stops and the time to finish is over.
    pub(crate) fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.record.request_id
    }

    /// What is known of the request so far.
    pub(crate) fn record(&mut self) -> &mut RequestRecord {
        &mut self.record
    }

    /// Notes that a target is being asked.
    pub(crate) fn attempting(&mut self, target: &Arc<TargetMeters>) {
        self.attempt = Some((Arc::clone(target), Instant::now()));
    }

    /// Notes that a second target is being asked beside the first.
    pub(crate) fn attempting_second(&mut self, target: &Arc<TargetMeters>) {
        self.second = Some((Arc::clone(target), Instant::now()));
    }

    /// Makes the second attempt the one of which something is noted next.
    pub(crate) fn turn_to_second(&mut self) {
        std::mem::swap(&mut self.attempt, &mut self.second);
    }

    /// Notes that the other of two attempts was cancelled, because one brought the answer.
    pub(crate) fn lost(&mut self) {
        self.turn_to_second();
        self.attempted(AttemptOutcome::Cancelled);
    }

    /// Notes what came of the attempt under way; a second one beside it goes on in its place.
    pub(crate) fn attempted(&mut self, outcome: AttemptOutcome) {
        if let Some((target, since)) = self.attempt.take() {
            let duration = since.elapsed();
            self.record.attempts.push(AttemptRecord {
                target,
                outcome,
                duration,
            });
        }
        self.attempt = self.second.take();
    }

    /// How many targets were asked.
    pub(crate) fn attempts(&self) -> usize {
        self.record.attempts.len()
    }

    /// Notes that the first byte of the answer is there for the client.
    pub(crate) fn first_token(&mut self) {
        self.record.time_to_first_token = Some(self.arrived.elapsed());
    }

    /// Adds the tokens that `target` reported, and what they cost.
    pub(crate) fn used(&mut self, usage: &Usage, target: &Endpoint) {
        for admission in &self.admissions {
            admission.used_tokens(usage.total(), self.clock.monotonic());
        }
        let so_far = self.record.usage;
        self.record.usage = TokenUsage {
            input: so_far.input.saturating_add(usage.input),
            output: so_far.output.saturating_add(usage.output),
            cached_input: so_far.cached_input.saturating_add(usage.cached_read),
            reasoning: so_far.reasoning.saturating_add(usage.reasoning),
        };
        let model = self.record.served_model.as_deref();
        let cost = model.and_then(|model| target.cost_nano_usd(model, usage));
        self.record.cost_nano_usd = match (self.record.cost_nano_usd, cost) {
            (Some(so_far), Some(more)) => Some(so_far.saturating_add(more)),
            (so_far, more) => so_far.or(more),
        };
    }

    /// What an answer is marked with where its target does not do so.
    pub(crate) fn stamp(&self) -> Stamp<'_> {
        Stamp {
            created: Clock::wall_ms() / 1000,
            request_id: &self.record.request_id,
        }
    }

    /// Keeps what counts the request against its limits until it is over.
    pub(crate) fn admitted(&mut self, admissions: Vec<Admission>) {
        self.admissions = admissions;
    }

    /// Tells the story of a request that the gateway answered with an error.
    pub(crate) fn refuse(mut self, failure: &Failure) {
        let outcome = match failure.blame() {
            Blame::Client => RequestOutcome::Refused,
            Blame::Target | Blame::Gateway => RequestOutcome::Failed,
        };
        self.tell(failure.status(), outcome);
    }

    /// Tells the story of a request that the gateway answered with an error after its head.
    pub(crate) fn refuse_in_stream(mut self) {
        self.tell(StatusCode::OK, RequestOutcome::Failed);
    }

    /// Tells the story of a stream that broke off and that no other target went on with.
    pub(crate) fn broke_off(mut self) {
        self.attempted(AttemptOutcome::Cancelled);
        self.tell(StatusCode::OK, RequestOutcome::Truncated);
    }

    /// Tells the story.
    pub(crate) fn end(mut self, status: StatusCode, outcome: RequestOutcome) {
        self.tell(status, outcome);
    }

    fn tell(&mut self, status: StatusCode, outcome: RequestOutcome) {
        self.is_told = true;
        self.record.status = status.as_u16();
        self.record.outcome = outcome;
        self.record.duration = self.arrived.elapsed();
        self.telemetry.record(&self.record);
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if !self.is_told {
            self.attempted(AttemptOutcome::Cancelled);
            self.attempted(AttemptOutcome::Cancelled);
            let (status, outcome) = if std::thread::panicking() {
                (StatusCode::INTERNAL_SERVER_ERROR, RequestOutcome::Failed)
            } else if self.ending.is_cancelled() {
                (StatusCode::SERVICE_UNAVAILABLE, RequestOutcome::Failed)
            } else {
                (client_closed_request(), RequestOutcome::Cancelled)
            };
            self.tell(status, outcome);
        }
    }
}

/// 499, as nginx logs a client that left before its answer.
pub(crate) fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}
