//! What went wrong with a call, as the caller reads it (RFC 9457).

use std::borrow::Cow;

use ai_gateway_model::{Fault, Faults, RecordFault, RecordFaultCause, used_by};
use ai_gateway_store::{AnswerError, CommitError};
use http::StatusCode;
use serde_json::{Value, json};

/// What went wrong with a call.
#[derive(Debug)]
pub(crate) struct Problem {
    /// For programs; part of the API.
    pub(crate) code: Code,
    /// For people.
    pub(crate) detail: Cow<'static, str>,
    pub(crate) faults: Vec<Fault>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            faults: Vec::new(),
        }
    }

    /// The document was understood, and cannot be.
    pub(crate) fn invalid(faults: &Faults) -> Self {
        Self {
            code: Code::Invalid,
            detail: sum_up(faults.as_slice()).into(),
            faults: faults.as_slice().to_vec(),
        }
    }

    pub(crate) fn not_found(what: impl std::fmt::Display, reference: &str) -> Self {
        let detail = format!("no {what} named {reference}");
        Self::new(Code::NotFound, detail)
    }

    pub(crate) fn stale(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::RevisionMismatch, detail)
    }

    /// The configuration with the change in it would not hold together.
    fn of_records(records: &[RecordFault]) -> Self {
        let Some(first) = records.first() else {
            return Self::internal();
        };
        match &first.cause {
            RecordFaultCause::NameTaken => {
                let detail = format!("{} name {} is taken", first.kind, first.name);
                Self::new(Code::NameTaken, detail)
            }
            RecordFaultCause::InUse { by } => {
                let detail = format!("{} is being used by {}", first.kind, used_by(by));
                Self::new(Code::InUse, detail)
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
            _ => Self::new(Code::NotFound, first.to_string()),
        }
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            Code::Internal,
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
            "type": format!("urn:ai-gateway:problem:{}", self.code.as_str()),
            "title": self.code.status().canonical_reason().unwrap_or("Error"),
            "status": self.code.status().as_u16(),
            "detail": self.detail,
            "code": self.code.as_str(),
            "request_id": request_id,
            "errors": faults.collect::<Value>(),
            "error": self.detail,
        })
    }
}

/// The kinds of problems, by the names that programs know them by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    InvalidJson,
    IncompleteBody,
    InvalidParameter,
    NameMismatch,
    InvalidIdempotencyKey,
    InvalidHost,
    InvalidPath,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    BodyTimeout,
    NameTaken,
    InUse,
    RequestInProgress,
    RevisionMismatch,
    BodyTooLarge,
    UnsupportedMediaType,
    Invalid,
    IdempotencyKeyReused,
    Internal,
    StoreUnavailable,
    NotLive,
    Timeout,
}

impl Code {
    /// All of them, by status.
    const ALL: [Self; 24] = [
        Self::InvalidJson,
        Self::IncompleteBody,
        Self::InvalidParameter,
        Self::NameMismatch,
        Self::InvalidIdempotencyKey,
        Self::InvalidHost,
        Self::InvalidPath,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::NameTaken,
        Self::InUse,
        Self::RequestInProgress,
        Self::RevisionMismatch,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::IdempotencyKeyReused,
        Self::Internal,
        Self::StoreUnavailable,
        Self::NotLive,
        Self::Timeout,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::IncompleteBody => "incomplete_body",
            Self::InvalidParameter => "invalid_parameter",
            Self::NameMismatch => "name_mismatch",
            Self::InvalidIdempotencyKey => "invalid_idempotency_key",
            Self::InvalidHost => "invalid_host",
            Self::InvalidPath => "invalid_path",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::NameTaken => "name_taken",
            Self::InUse => "in_use",
            Self::RequestInProgress => "request_in_progress",
            Self::RevisionMismatch => "revision_mismatch",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Invalid => "invalid",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::Internal => "internal",
            Self::StoreUnavailable => "store_unavailable",
            Self::NotLive => "not_live",
            Self::Timeout => "timeout",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidJson
            | Self::IncompleteBody
            | Self::InvalidParameter
            | Self::NameMismatch
            | Self::InvalidIdempotencyKey
            | Self::InvalidHost
            | Self::InvalidPath => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::NameTaken | Self::InUse | Self::RequestInProgress => StatusCode::CONFLICT,
            Self::RevisionMismatch => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::StoreUnavailable | Self::NotLive | Self::Timeout => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

/// Lists the codes of problem documents, each with its status.
pub fn problem_codes() -> impl Iterator<Item = (&'static str, StatusCode)> {
    Code::ALL
        .into_iter()
        .map(|code| (code.as_str(), code.status()))
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
        Self::new(Code::StoreUnavailable, detail)
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        tracing::error!(error = %error, "an idempotency key could not be looked up");
        Self::new(
            Code::StoreUnavailable,
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
