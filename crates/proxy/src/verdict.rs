//! What came of an attempt: whom it counts against, and whether another target is asked.

use std::time::Duration;

use ai_gateway_providers::{FaultClass, ProviderFault, ResponseFault, StreamFault};
use ai_gateway_registry::{FailureKind, Outcome};
use ai_gateway_telemetry::AttemptOutcome;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::whole::Unread;

/// Why an attempt brought no answer that could be relayed.
#[derive(Debug)]
pub(crate) enum Setback {
    /// No connection, or not within its deadline.
    Connect {
        /// It was the deadline.
        is_timeout: bool,
    },
    /// The connection broke before the answer's head.
    Disconnected,
    /// The head did not come in time.
    HeadTimeout,
    /// The first token did not come in time.
    FirstTokenTimeout,
    /// The whole request's time is up.
    Deadline,
    /// The target answered with an error.
    Refused(Refusal),
    /// The target answered as no model's provider does: a redirect, another protocol.
    NotAnAnswer,
    /// A plain answer that is cut, or not the dialect's.
    BadAnswer(ResponseFault),
    /// A body that is too large, stalled or cut.
    Unread(Unread),
    /// A stream that failed before its first meaningful event.
    Stream(StreamFault),
}

/// A target's error answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) fault: ProviderFault,
}

/// What to do about a [`Setback`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Verdict {
    /// What the target's health is told.
    pub(crate) outcome: Outcome,
    /// What the log and the counters say.
    pub(crate) recorded: AttemptOutcome,
    /// Where the request goes next.
    pub(crate) next: Next,
}

/// Where a request goes after a [`Setback`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// To another target: it may well do better.
    Elsewhere,
    /// To a target whose model takes a longer conversation, else back to the client.
    Larger,
    /// Back to the client, with the target's own words: the request itself is at fault.
    ToClient,
}

/// Whether the same target may do better a moment later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    /// No: it would fail again, or be as long about it.
    No,
    /// What went wrong is usually over in a moment.
    Soon,
    /// It said itself when.
    WhenCool,
}

impl Setback {
    /// The status that the client is told when nothing better came of the request.
    ///
    /// What a target says of the gateway's own credentials or account would be taken for something
    /// about the client's: that is 502.
    pub(crate) fn status(&self) -> StatusCode {
        let of_class = |class: FaultClass| {
            StatusCode::from_u16(class.status()).unwrap_or(StatusCode::BAD_GATEWAY)
        };
        match self {
            Self::Refused(refusal) if refusal.status.is_server_error() => refusal.status,
            Self::Refused(refusal) => of_class(refusal.fault.class),
            Self::Stream(fault) => of_class(fault.class()),
            Self::BadAnswer(fault) => of_class(fault.class()),
            Self::HeadTimeout
            | Self::FirstTokenTimeout
            | Self::Deadline
            | Self::Unread(Unread::Stalled) => StatusCode::GATEWAY_TIMEOUT,
            Self::Connect { .. } | Self::Disconnected | Self::NotAnAnswer | Self::Unread(_) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// Whether its target may be tried once more by the same request. One that was silent until
    /// a timeout never: the second time would be as long.
    pub(crate) fn again(&self) -> Again {
        match self {
            Self::Connect { is_timeout: false }
            | Self::Disconnected
            | Self::Unread(Unread::Broken)
            | Self::Stream(StreamFault::Truncated) => Again::Soon,
            Self::Refused(refusal) => match (refusal.fault.class, refusal.fault.retry_after) {
                (FaultClass::ServerError | FaultClass::Timeout, _) => Again::Soon,
                (class, Some(_)) if !class.blames_caller() => Again::WhenCool,
                _ => Again::No,
            },
            Self::Stream(StreamFault::ErrorEvent { class, .. })
            | Self::BadAnswer(ResponseFault::Error { class, .. }) => match class {
                FaultClass::ServerError | FaultClass::Timeout => Again::Soon,
                _ => Again::No,
            },
            Self::Connect { is_timeout: true }
            | Self::HeadTimeout
            | Self::FirstTokenTimeout
            | Self::Deadline
            | Self::NotAnAnswer
            | Self::BadAnswer(_)
            | Self::Unread(Unread::TooLarge | Unread::Stalled | Unread::NoRoom)
            | Self::Stream(_) => Again::No,
        }
    }

    /// Judges the setback. Only what is the target's own doing counts against it.
    pub(crate) fn verdict(&self) -> Verdict {
        let failed = |kind, recorded| Verdict {
            outcome: Outcome::Failure(kind),
            recorded,
            next: Next::Elsewhere,
        };
        match self {
            Self::Connect { is_timeout: false } => {
                failed(FailureKind::Connect, AttemptOutcome::Connect)
            }
            Self::Connect { is_timeout: true } => {
                failed(FailureKind::Connect, AttemptOutcome::Timeout)
            }
            Self::Disconnected => failed(FailureKind::Connect, AttemptOutcome::Disconnected),
            Self::HeadTimeout | Self::FirstTokenTimeout | Self::Deadline => {
                failed(FailureKind::Timeout, AttemptOutcome::Timeout)
            }
            Self::Stream(StreamFault::ErrorEvent { class, .. })
            | Self::BadAnswer(ResponseFault::Error { class, .. }) => of_fault(*class, None),
            Self::NotAnAnswer
            | Self::BadAnswer(_)
            | Self::Unread(Unread::TooLarge | Unread::NoRoom) => {
                failed(FailureKind::Malformed, AttemptOutcome::Malformed)
            }
            Self::Unread(Unread::Stalled) => failed(FailureKind::Stream, AttemptOutcome::Timeout),
            Self::Unread(Unread::Broken) => {
                failed(FailureKind::Stream, AttemptOutcome::Disconnected)
            }
            Self::Refused(refusal) => of_fault(refusal.fault.class, refusal.fault.retry_after),
            Self::Stream(StreamFault::Truncated) => {
                failed(FailureKind::Stream, AttemptOutcome::Disconnected)
            }
            Self::Stream(_) => failed(FailureKind::Malformed, AttemptOutcome::Malformed),
        }
    }
}

fn of_fault(class: FaultClass, retry_after: Option<Duration>) -> Verdict {
    let elsewhere = |outcome, recorded| Verdict {
        outcome,
        recorded,
        next: Next::Elsewhere,
    };
    match class {
        FaultClass::CallerFault | FaultClass::ContextLength | FaultClass::ContentRefused => {
            Verdict {
                outcome: Outcome::CallerFault,
                recorded: AttemptOutcome::CallerFault,
                next: if class == FaultClass::ContextLength {
                    Next::Larger
                } else {
                    Next::ToClient
                },
            }
        }
        FaultClass::ModelMissing => elsewhere(Outcome::ModelMissing, AttemptOutcome::ModelMissing),
        FaultClass::Credentials => elsewhere(Outcome::Credentials, AttemptOutcome::Credentials),
        FaultClass::Quota => elsewhere(Outcome::QuotaExhausted, AttemptOutcome::Quota),
        FaultClass::RateLimited => elsewhere(
            Outcome::RateLimited { retry_after },
            AttemptOutcome::RateLimited,
        ),
        FaultClass::Overloaded => elsewhere(
            Outcome::Overloaded { retry_after },
            AttemptOutcome::Overloaded,
        ),
        FaultClass::Unavailable => elsewhere(
            Outcome::Unavailable { retry_after },
            AttemptOutcome::Unavailable,
        ),
        FaultClass::Timeout => elsewhere(
            Outcome::Failure(FailureKind::Timeout),
            AttemptOutcome::Timeout,
        ),
        // A class that is not known here yet is the target's doing until someone says otherwise.
        FaultClass::ServerError | _ => elsewhere(
            Outcome::Failure(FailureKind::Status),
            AttemptOutcome::ServerError,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [FaultClass; 11] = [
        FaultClass::CallerFault,
        FaultClass::ContextLength,
        FaultClass::ContentRefused,
        FaultClass::ModelMissing,
        FaultClass::Credentials,
        FaultClass::Quota,
        FaultClass::RateLimited,
        FaultClass::Overloaded,
        FaultClass::Unavailable,
        FaultClass::ServerError,
        FaultClass::Timeout,
    ];

    #[test]
    fn what_blames_the_caller_is_neutral_and_goes_to_no_target_like_it_and_nothing_else_does() {
        for class in ALL {
            let verdict = of_fault(class, None);
            let is_callers = class.blames_caller();
            assert_eq!(verdict.next != Next::Elsewhere, is_callers, "{class:?}");
            assert_eq!(
                verdict.outcome == Outcome::CallerFault,
                is_callers,
                "{class:?}"
            );
            assert_eq!(verdict.outcome.is_retryable(), !is_callers, "{class:?}");
        }
    }

    #[test]
    fn only_what_a_target_does_itself_is_a_failure_of_it() {
        let counted = |class| matches!(of_fault(class, None).outcome, Outcome::Failure(_));
        let failures: Vec<_> = ALL.into_iter().filter(|class| counted(*class)).collect();
        assert_eq!(failures, [FaultClass::ServerError, FaultClass::Timeout]);
    }

    fn refused(class: FaultClass, retry_after: Option<Duration>) -> Setback {
        Setback::Refused(Refusal {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            fault: ProviderFault {
                class,
                retry_after,
                message: String::new(),
            },
        })
    }

    #[test]
    fn only_what_is_usually_momentary_is_tried_again_soon() {
        let soon = |class| refused(class, None).again() == Again::Soon;
        let momentary: Vec<_> = ALL.into_iter().filter(|class| soon(*class)).collect();
        assert_eq!(momentary, [FaultClass::ServerError, FaultClass::Timeout]);
        for silent in [
            Setback::Connect { is_timeout: true },
            Setback::HeadTimeout,
            Setback::FirstTokenTimeout,
            Setback::Unread(Unread::Stalled),
        ] {
            assert_eq!(silent.again(), Again::No, "{silent:?}");
        }
        for broken in [
            Setback::Connect { is_timeout: false },
            Setback::Disconnected,
            Setback::Stream(StreamFault::Truncated),
        ] {
            assert_eq!(broken.again(), Again::Soon, "{broken:?}");
        }
    }

    #[test]
    fn a_target_that_says_when_is_tried_again_then_unless_the_caller_is_at_fault() {
        let wait = Some(Duration::from_secs(1));
        for class in ALL {
            let again = refused(class, wait).again();
            assert_eq!(again == Again::No, class.blames_caller(), "{class:?}");
        }
    }

    #[test]
    fn what_is_said_of_the_gateways_own_account_is_no_status_for_the_client() {
        for (class, status) in [
            (FaultClass::Credentials, StatusCode::UNAUTHORIZED),
            (FaultClass::Credentials, StatusCode::FORBIDDEN),
            (FaultClass::Quota, StatusCode::PAYMENT_REQUIRED),
        ] {
            let fault = ProviderFault {
                class,
                retry_after: None,
                message: String::new(),
            };
            let refusal = Refusal {
                status,
                headers: HeaderMap::new(),
                body: Bytes::new(),
                fault,
            };
            assert_eq!(Setback::Refused(refusal).status(), StatusCode::BAD_GATEWAY);
        }
    }
}
