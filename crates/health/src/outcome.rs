//! What became of a request, as far as its target is to blame.

use core::time::Duration;

/// What became of a request that was sent to a target.
///
/// | outcome | failures in a row | success rate | what else |
/// |---|---|---|---|
/// | [`Success`](Self::Success) | back to zero | counts as passed | |
/// | [`Failure`](Self::Failure) | one more | counts as failed | |
/// | [`Unavailable`](Self::Unavailable) | one more, or none with a `retry_after` | counts as failed | cools for `retry_after` |
/// | [`Overloaded`](Self::Overloaded) | none | counts as failed | cools |
/// | [`RateLimited`](Self::RateLimited) | none | none | cools |
/// | [`QuotaExhausted`](Self::QuotaExhausted) | none | none | out until enabled again, or 15 minutes |
/// | [`Credentials`](Self::Credentials) | none, a counter of its own | none | out at the third |
/// | [`ModelMissing`](Self::ModelMissing), [`CallerFault`](Self::CallerFault), [`Cancelled`](Self::Cancelled) | none, and clears nothing | none | |
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The answer was complete, to the end of its stream.
    Success,
    /// The target failed in a way that counts against it.
    Failure(FailureKind),
    /// The target asks for fewer requests: HTTP 429.
    RateLimited {
        /// How long the target asks to be left alone; `None` backs off by 1 s, 2 s, … 60 s.
        retry_after: Option<Duration>,
    },
    /// The target has too much to do: HTTP 529, or an error event that says so.
    Overloaded {
        /// How long the target asks to be left alone; `None` backs off by 1 s, 2 s, … 30 s.
        retry_after: Option<Duration>,
    },
    /// The target does not serve for now: HTTP 503.
    Unavailable {
        /// How long the target asks to be left alone; `None` makes this an ordinary failure.
        retry_after: Option<Duration>,
    },
    /// The account behind the target is spent: HTTP 402, or a 429 that names the quota.
    QuotaExhausted,
    /// The target refused the operator's credentials: HTTP 401 or 403.
    Credentials,
    /// The target does not know the model: says nothing about its health.
    ModelMissing,
    /// The caller's request was at fault: HTTP 400, 404, 413, 422 and their like.
    CallerFault,
    /// The caller went away.
    Cancelled,
}

/// How a target failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FailureKind {
    /// No connection: refused, unresolved, no TLS, or too slow to come about.
    Connect,
    /// A status that means the target broke: HTTP 500, 502, 504 and their like.
    Status,
    /// An answer that cannot be understood.
    Malformed,
    /// No answer, or no first token, in time.
    Timeout,
    /// A stream that broke off, stalled or reported an error after its first byte.
    Stream,
}

impl FailureKind {
    /// The kind's name in logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Status => "status",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Stream => "stream",
        }
    }
}

impl Outcome {
    /// The failure that this outcome counts as, towards the failures in a row.
    pub(crate) const fn counted(self) -> Option<FailureKind> {
        match self {
            Self::Failure(kind) => Some(kind),
            Self::Unavailable { retry_after: None } => Some(FailureKind::Status),
            Self::Success
            | Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::Unavailable { .. }
            | Self::QuotaExhausted
            | Self::Credentials
            | Self::ModelMissing
            | Self::CallerFault
            | Self::Cancelled => None,
        }
    }

    /// Whether the success rate takes this outcome as passed, as failed, or not at all.
    pub(crate) const fn sample(self) -> Option<bool> {
        match self {
            Self::Success => Some(true),
            Self::Failure(_) | Self::Overloaded { .. } | Self::Unavailable { .. } => Some(false),
            Self::RateLimited { .. }
            | Self::QuotaExhausted
            | Self::Credentials
            | Self::ModelMissing
            | Self::CallerFault
            | Self::Cancelled => None,
        }
    }

    /// Whether the outcome says nothing about the target.
    pub const fn is_neutral(self) -> bool {
        matches!(
            self,
            Self::ModelMissing | Self::CallerFault | Self::Cancelled
        )
    }

    /// Whether another target, or the same one later, may well do better.
    ///
    /// True of everything but a success, the caller's own fault and a caller who left. Whether
    /// a retry is still possible (nothing sent on, time and budget left) is for the caller to say.
    pub const fn is_retryable(self) -> bool {
        !matches!(self, Self::Success | Self::CallerFault | Self::Cancelled)
    }
}
