//! What a target's refusal means.

mod classify;
mod retry_after;

use std::time::Duration;

pub use classify::classify;
pub(crate) use classify::classify_event;

/// What a target's refusal or failure means, for whoever decides what happens next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FaultClass {
    /// The request is at fault: every target would refuse it.
    CallerFault,
    /// The conversation is longer than this model's context window; another model may take it.
    ContextLength,
    /// The provider refuses to treat this content.
    ContentRefused,
    /// The target does not serve the model, or serves nothing at this path.
    ModelMissing,
    /// The target's credential is missing, wrong, or may not do this.
    Credentials,
    /// The account behind the target's credential has nothing left; waiting does not help.
    Quota,
    /// Too many requests or tokens for now.
    RateLimited,
    /// The provider has too much to do.
    Overloaded,
    /// The provider is not available for now (503).
    Unavailable,
    /// The provider failed.
    ServerError,
    /// The provider took too long.
    Timeout,
}

impl FaultClass {
    /// Names the class, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerFault => "caller_fault",
            Self::ContextLength => "context_length",
            Self::ContentRefused => "content_refused",
            Self::ModelMissing => "model_missing",
            Self::Credentials => "credentials",
            Self::Quota => "quota",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
        }
    }

    /// Tells whether the request itself is at fault, so that its refusal says nothing about the
    /// target and is passed on to the caller.
    pub const fn blames_caller(self) -> bool {
        match self {
            Self::CallerFault | Self::ContextLength | Self::ContentRefused => true,
            Self::ModelMissing
            | Self::Credentials
            | Self::Quota
            | Self::RateLimited
            | Self::Overloaded
            | Self::Unavailable
            | Self::ServerError
            | Self::Timeout => false,
        }
    }

    /// Tells whether another target may well do what this one did not.
    pub const fn may_try_elsewhere(self) -> bool {
        !self.blames_caller()
    }

    /// The HTTP status a client should see when this is all there is to say.
    ///
    /// The gateway's own trouble with a provider, its credential or its account, is 502: the
    /// client could do nothing with the provider's status.
    pub const fn status(self) -> u16 {
        match self {
            Self::CallerFault | Self::ContextLength | Self::ContentRefused => 400,
            Self::ModelMissing => 404,
            Self::RateLimited => 429,
            Self::Credentials | Self::Quota | Self::ServerError => 502,
            Self::Unavailable => 503,
            Self::Timeout => 504,
            Self::Overloaded => 529,
        }
    }
}

/// What a target's refusal says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderFault {
    /// What it means.
    pub class: FaultClass,
    /// How long the provider asks to be left alone; not bounded here.
    pub retry_after: Option<Duration>,
    /// The provider's own words, at most 1 KiB of them; may quote the request. Empty when it gave
    /// none that can be read.
    pub message: String,
}
