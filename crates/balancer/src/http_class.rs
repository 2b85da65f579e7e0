//! What an HTTP answer's head says about its target.

use std::time::Duration;

use ai_gateway_health::{FailureKind, Outcome};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

/// Whose credentials a request carries, which decides whose fault a 401 or 403 is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CredentialsOf {
    /// The operator's: a refusal is for the operator to see to.
    #[default]
    Operator,
    /// The caller's: a refusal is the caller's fault.
    Caller,
}

/// What an answer's status and headers say about its target.
///
/// A body may know better: a quota that is spent, a model that is unknown, an overload that came
/// as an event of a stream. A success is one only if the body comes to its end.
pub fn outcome_of(status: StatusCode, headers: &HeaderMap, credentials: CredentialsOf) -> Outcome {
    let retry_after = retry_after(headers);
    match status.as_u16() {
        200..=399 => Outcome::Success,
        401 | 403 if credentials == CredentialsOf::Operator => Outcome::Credentials,
        402 => Outcome::QuotaExhausted,
        408 => Outcome::Failure(FailureKind::Timeout),
        429 => Outcome::RateLimited { retry_after },
        503 => Outcome::Unavailable { retry_after },
        529 => Outcome::Overloaded { retry_after },
        400..=499 => Outcome::CallerFault,
        _ => Outcome::Failure(FailureKind::Status),
    }
}

/// The seconds that a `Retry-After` asks for. A date is not understood, as this crate knows no
/// calendar: hand in what you make of it yourself.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds: f64 = seconds.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, retry_after: &str, expected: Outcome) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = retry_after.parse() {
            headers.insert(RETRY_AFTER, value);
        }
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(
            outcome_of(status, &headers, CredentialsOf::Operator),
            expected
        );
    }

    #[test]
    fn each_status_blames_whom_it_should() {
        let date = Some(Duration::from_millis(1500));
        check(200, "", Outcome::Success);
        check(304, "", Outcome::Success);
        check(400, "", Outcome::CallerFault);
        check(401, "", Outcome::Credentials);
        check(402, "", Outcome::QuotaExhausted);
        check(404, "", Outcome::CallerFault);
        check(408, "", Outcome::Failure(FailureKind::Timeout));
        check(429, "1.5", Outcome::RateLimited { retry_after: date });
        check(429, "-1", Outcome::RateLimited { retry_after: None });
        check(
            429,
            "Wed, 21 Oct 2015 07:28:00 GMT",
            Outcome::RateLimited { retry_after: None },
        );
        check(500, "", Outcome::Failure(FailureKind::Status));
        check(503, "1.5", Outcome::Unavailable { retry_after: date });
        check(529, "", Outcome::Overloaded { retry_after: None });
    }

    #[test]
    fn a_caller_with_a_wrong_key_is_no_fault_of_the_target() {
        let outcome = outcome_of(
            StatusCode::UNAUTHORIZED,
            &HeaderMap::new(),
            CredentialsOf::Caller,
        );
        assert_eq!(outcome, Outcome::CallerFault);
    }
}
