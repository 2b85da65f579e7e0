//! What went wrong with a call, as the caller reads it (RFC 9457).

use std::borrow::Cow;

use ai_gateway_model::{Fault, Faults, RecordFault, RecordFaultCause, used_by};
use ai_gateway_store::{AnswerError, CommitError};
use http::StatusCode;
use serde_json::{Value, json};

/// What went wrong with a call.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// For programs; part of the API.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) detail: Cow<'static, str>,
    pub(crate) faults: Vec<Fault>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            faults: Vec::new(),
        }
    }

    /// The document was understood, and cannot be.
    pub(crate) fn invalid(faults: &Faults) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid",
            detail: sum_up(faults.as_slice()).into(),
            faults: faults.as_slice().to_vec(),
        }
    }

    pub(crate) fn not_found(what: impl std::fmt::Display, reference: &str) -> Self {
        let detail = format!("no {what} named {reference}");
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn stale(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "revision_mismatch", detail)
    }

    /// The configuration with the change in it would not hold together.
    fn of_records(records: &[RecordFault]) -> Self {
        let Some(first) = records.first() else {
            return Self::internal();
        };
        match &first.cause {
            RecordFaultCause::NameTaken => {
                let detail = format!("{} name {} is taken", first.kind, first.name);
                Self::conflict("name_taken", detail)
            }
            RecordFaultCause::InUse { by } => {
                let detail = format!("{} is being used by {}", first.kind, used_by(by));
                Self::conflict("in_use", detail)
            }
            RecordFaultCause::Invalid(_) => {
                let mut faults = Faults::default();
                for record in records {
                    if let RecordFaultCause::Invalid(found) = &record.cause {
                        faults.extend(found.as_slice().iter().cloned());
                    }
                }
                Self::invalid(&faults)
            }
            _ => Self::new(StatusCode::NOT_FOUND, "not_found", first.to_string()),
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the gateway could not answer this; its log says why",
        )
    }

    /// Returns the answer's body.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        let faults = self.faults.iter().map(|fault| {
            json!({
                "pointer": fault.pointer,
                "message": fault.message,
                "suggestion": fault.suggestion,
            })
        });
        json!({
            "type": format!("urn:ai-gateway:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            "errors": faults.collect::<Value>(),
            "error": self.detail,
        })
    }
}

impl From<CommitError<Self>> for Problem {
    fn from(error: CommitError<Self>) -> Self {
        let detail = match error {
            CommitError::Rejected(problem) => return problem,
            CommitError::Invalid(records) => return Self::of_records(&records),
            CommitError::ReadOnly(_) | CommitError::Broken(_) => {
                "the store is damaged: what is configured is served, and nothing can be changed"
            }
            CommitError::Full(_) => "the disk of the store is full: nothing was changed",
            CommitError::Closed => "the gateway is shutting down: nothing was changed",
            _ => "the store cannot be written now: nothing was changed",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        tracing::error!(error = %error, "an idempotency key could not be looked up");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "the store cannot be used now: nothing was changed",
        )
    }
}

/// Words faults in one line. What does not say where it is gets its pointer.
fn sum_up(faults: &[Fault]) -> String {
    let line = |fault: &Fault| {
        if fault.message.starts_with("must") && !fault.pointer.is_empty() {
            format!("{}: {}", fault.pointer, fault.message)
        } else {
            fault.message.clone()
        }
    };
    let mut lines: Vec<String> = faults.iter().take(MAX_LINES).map(line).collect();
    if faults.len() > MAX_LINES {
        lines.push(format!("and {} more", faults.len() - MAX_LINES));
    }
    lines.join("; ")
}

/// The rest is in `errors`.
const MAX_LINES: usize = 5;
