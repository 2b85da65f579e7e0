//! Why a command did not do what it was asked, and the exit code that says so.

use std::{fmt::Write as _, io, path::PathBuf, time::Duration};

use serde::Deserialize;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that makes no sense.
    #[error("{message}")]
    Usage { message: String },
    /// A file does not hold what it should.
    #[error("{origin}: {message}")]
    Document { origin: String, message: String },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// Nobody answers at the address.
    #[error("cannot reach the Admin API at {server}: {reason}{hint}")]
    Unreachable {
        server: String,
        reason: String,
        hint: &'static str,
    },
    /// No answer in time.
    #[error("the Admin API at {server} did not answer within {} s", after.as_secs())]
    Timeout { server: String, after: Duration },
    /// Whatever answers there is no Admin API.
    #[error("{server} answers, but not as an Admin API (status {status}): {what}")]
    Strange {
        server: String,
        status: u16,
        what: &'static str,
    },
    /// The Admin API says no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Some of several objects failed; each has been reported.
    #[error("{failed} of {all} failed")]
    Some { failed: usize, all: usize, code: u8 },
    /// The person at the terminal said no.
    #[error("nothing was deleted")]
    Declined,
    /// The data cannot be written to standard output.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    /// The store of `serve` cannot be opened.
    #[error("{}", chain(.0))]
    Store(#[from] ai_gateway_store::OpenError),
    /// `serve` cannot use what it was given.
    #[error("{message}")]
    Serve { message: String },
    /// What the command is about does not exist.
    #[error("{message}")]
    Missing { message: String },
    /// A rehearsal could not be played, or did not come out as it was required to.
    #[error("{message}")]
    Rehearsal { message: String },
}

impl Failure {
    /// Returns the exit code, as `--help` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::Document { .. } => 3,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Strange { .. } => 4,
            Self::Refused(problem) => problem.exit_code(),
            Self::Some { code, .. } => *code,
            Self::Missing { .. } => 6,
            Self::File { .. }
            | Self::Declined
            | Self::Output(_)
            | Self::Store(_)
            | Self::Serve { .. }
            | Self::Rehearsal { .. } => 1,
        }
    }

    /// Says whether the reader of standard output has gone, as `head` does: nothing to report.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// What the Admin API answers when it says no (RFC 9457).
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    pub(crate) status: u16,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<ProblemField>,
}

#[derive(Debug, Deserialize)]
struct ProblemField {
    #[serde(default)]
    pointer: String,
    message: String,
    #[serde(default)]
    suggestion: Option<String>,
}

impl Problem {
    /// Says whether the object that was asked for does not exist.
    pub(crate) fn is_missing_object(&self) -> bool {
        self.status == 404
    }

    fn exit_code(&self) -> u8 {
        match self.status {
            400 | 422 => 3,
            409 | 412 => 5,
            404 => 6,
            401 | 403 => 7,
            _ => 1,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.errors.is_empty() {
            let text = if self.detail.is_empty() {
                &self.title
            } else {
                &self.detail
            };
            write!(f, "{text} ({})", self.status)?;
        } else {
            // The detail sums up the faults that follow, each with its place.
            write!(f, "not valid ({})", self.status)?;
        }
        for field in &self.errors {
            let pointer = match field.pointer.as_str() {
                "" => "/",
                pointer => pointer,
            };
            write!(f, "\n  {pointer}: {}", field.message)?;
            if let Some(suggestion) = &field.suggestion {
                write!(f, "; {suggestion}")?;
            }
        }
        if let (500.., Some(request_id)) = (self.status, &self.request_id) {
            write!(f, "\n  request id: {request_id}")?;
        }
        Ok(())
    }
}

/// Joins an error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        write!(text, ": {cause}").ok();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &serde_json::Value) -> Problem {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn a_refusal_shows_its_detail_and_every_fault_with_its_place() {
        let refused = problem(&serde_json::json!({
            "type": "about:blank", "title": "Unprocessable", "status": 422, "detail": "2 faults",
            "errors": [
                { "pointer": "/targets/0/weight", "message": "must be from 1 to 100" },
                { "pointer": "/algoritm", "message": "unknown field", "suggestion": "did you mean algorithm?" },
            ],
        }));
        assert_eq!(
            refused.to_string(),
            "not valid (422)\n  /targets/0/weight: must be from 1 to 100\n  /algoritm: unknown field; did you mean algorithm?"
        );
    }

    #[test]
    fn each_status_has_its_exit_code() {
        for (status, code) in [
            (400, 3),
            (422, 3),
            (409, 5),
            (412, 5),
            (404, 6),
            (401, 7),
            (403, 7),
            (500, 1),
            (503, 1),
        ] {
            let refused =
                Failure::Refused(Box::new(problem(&serde_json::json!({ "status": status }))));
            assert_eq!(refused.exit_code(), code, "{status}");
        }
    }
}
