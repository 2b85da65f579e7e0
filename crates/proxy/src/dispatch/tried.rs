//! What has been tried for one request, and what the client is told when nothing came of it.

use std::time::Duration;

use ai_gateway_providers::{EncodeError, FaultClass};
use ai_gateway_registry::{NoTarget, NoTargetReason};
use http::Response;
use tokio::time::Instant;

use crate::body::Body;
use crate::failure::Failure;
use crate::intake::Call;
use crate::verdict::{Refusal, Setback};

/// What has been tried for one request, and what came of it.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) attempts: usize,
    last: Option<Setback>,
    rate_limited: usize,
    model_missing: usize,
    /// When the first of the targets that asked for a pause is to be asked again.
    back_at: Option<Instant>,
    /// A target was passed over because neither it nor the client names a model.
    pub(super) lacks_model: bool,
    /// The first target's dialect that has no words for the request.
    pub(super) unsayable: Option<EncodeError>,
    /// The conversation was too long for a model.
    pub(super) too_long: Option<TooLong>,
}

/// A conversation that is longer than a model's context window.
pub(super) struct TooLong {
    /// The largest window, in tokens, that was too small.
    pub(super) window: u32,
    /// What the client gets when no model has a larger one.
    pub(super) refusal: Option<Response<Body>>,
}

impl Tried {
    pub(super) fn add(&mut self, setback: Setback) {
        self.attempts += 1;
        if let Setback::Refused(Refusal { fault, .. }) = &setback {
            self.rate_limited += usize::from(fault.class == FaultClass::RateLimited);
            self.model_missing += usize::from(fault.class == FaultClass::ModelMissing);
            let back_at = fault.retry_after.and_then(|wait| {
                // A pause of centuries is no pause that ends.
                Instant::now().checked_add(wait)
            });
            self.back_at = earliest(self.back_at, back_at);
        }
        self.last = Some(setback);
    }

    /// What the client is told when no target is left, or no time.
    pub(super) fn failure(
        self,
        nothing_left: Option<NoTarget>,
        call: &Call,
        deadline: Instant,
    ) -> Failure {
        let Some(last) = self.last else {
            return match (self.unsayable, nothing_left) {
                (Some(EncodeError { field, message }), _) => {
                    Failure::InvalidField { field, message }
                }
                (None, _) if self.lacks_model => Failure::ModelRequired,
                (None, Some(nothing)) => no_target(&nothing, call),
                (None, None) => Failure::Internal,
            };
        };
        let now = Instant::now();
        let asked_for = self
            .back_at
            .map(|at| at.saturating_duration_since(now).max(LEAST_WAIT));
        let retry_after = earliest(asked_for, nothing_left.and_then(|no| no.retry_after));
        if now >= deadline {
            Failure::UpstreamTimeout
        } else if self.rate_limited == self.attempts {
            Failure::RateLimited { retry_after }
        } else if self.model_missing == self.attempts {
            model_not_found(call)
        } else {
            let status = last.status();
            Failure::UpstreamFailed {
                status,
                attempts: self.attempts,
                retry_after,
            }
        }
    }
}

pub(super) fn no_target(nothing: &NoTarget, call: &Call) -> Failure {
    if nothing.reason == NoTargetReason::Model {
        model_not_found(call)
    } else {
        Failure::NoTargetAvailable {
            retry_after: nothing.retry_after,
        }
    }
}

fn model_not_found(call: &Call) -> Failure {
    match call.model() {
        Some(model) => Failure::ModelNotFound {
            model: model.to_owned(),
        },
        None => Failure::ModelRequired,
    }
}

fn earliest<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Half of `pause` to all of it, by a number that differs from request to request.
pub(super) fn jittered(pause: Duration, number: u64) -> Duration {
    let part = u32::try_from(number % PARTS).unwrap_or(0);
    pause / 2 + pause / 2 * part / 1000
}

const PARTS: u64 = 1001;
/// Nobody is told to come back at once.
const LEAST_WAIT: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jittered_pause_is_half_of_it_to_all_of_it() {
        let pause = Duration::from_millis(100);
        let pauses: Vec<_> = (0..1001).map(|number| jittered(pause, number)).collect();
        assert_eq!(pauses.first(), Some(&(pause / 2)));
        assert_eq!(pauses.last(), Some(&pause));
        assert!(pauses.is_sorted());
    }
}
