//! What one request was: collected on its way, handed over when it is over.

use std::sync::Arc;
use std::time::Duration;

use crate::TargetMeters;

/// Everything that is counted and logged about one request.
///
/// It holds names and numbers only: no body, no header, no key.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The id that the answer's `x-request-id` carries.
    pub request_id: String,
    /// The request's method, as received.
    pub method: String,
    /// The request's path, without its query.
    pub path: String,
    /// The gateway's name; empty when none was found.
    pub gateway: Arc<str>,
    /// The name of the rule that matched; empty when the gateway has none or none matched.
    pub route: Arc<str>,
    /// The service's name; empty when the request reached none.
    pub service: Arc<str>,
    /// The upstream's name; empty when the request reached none.
    pub upstream: Arc<str>,
    /// The model that the client asked for, if it named one.
    pub asked_model: Option<String>,
    /// The model that the target was asked to serve, if a target was asked.
    pub served_model: Option<Arc<str>>,
    /// Every attempt, in order; empty when no target was asked.
    pub attempts: Vec<AttemptRecord>,
    /// The status that the client got, or would have got: 499 when it left first.
    pub status: u16,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// Whether the answer was an event stream.
    pub is_stream: bool,
    /// How often another target went on with the stream after it had broken off.
    pub continued: u32,
    /// The tokens that the target reported; zeros when it reported none.
    pub usage: TokenUsage,
    /// What those tokens cost, in billionths of a US dollar; `None` where no price is known.
    pub cost_nano_usd: Option<u64>,
    /// From the request's arrival to the first token or body byte for the client.
    pub time_to_first_token: Option<Duration>,
    /// From the request's arrival to the end of the answer.
    pub duration: Duration,
}

impl RequestRecord {
    /// Starts the record of a request that has reached nothing yet.
    pub fn new(request_id: String, method: String, path: String) -> Self {
        let empty: Arc<str> = Arc::from("");
        Self {
            request_id,
            method,
            path,
            gateway: Arc::clone(&empty),
            route: Arc::clone(&empty),
            service: Arc::clone(&empty),
            upstream: empty,
            asked_model: None,
            served_model: None,
            attempts: Vec::new(),
            status: 0,
            outcome: RequestOutcome::Refused,
            is_stream: false,
            continued: 0,
            usage: TokenUsage::default(),
            cost_nano_usd: None,
            time_to_first_token: None,
            duration: Duration::ZERO,
        }
    }
}

/// One try of one target.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The target that was tried.
    pub target: Arc<TargetMeters>,
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// From the pick to the verdict or, for the attempt that answered, to the end of the answer.
    pub duration: Duration,
}

/// Tokens as the target reported them. The totals include the parts named after them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TokenUsage {
    /// Tokens read, cached ones included.
    pub input: u64,
    /// Tokens generated, reasoning included.
    pub output: u64,
    /// Input tokens that came from the provider's cache.
    pub cached_input: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
}

/// How a request ended, for its caller.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RequestOutcome {
    /// A target answered and the whole answer was passed on.
    Success,
    /// A target said that the request itself is at fault, and its answer was passed on.
    CallerFault,
    /// The gateway refused it before any target was asked: no route, no key, a limit.
    Refused,
    /// No target could take it, or each that was tried failed before the first byte.
    Failed,
    /// The answer broke off after its first byte.
    Truncated,
    /// The client left before the end.
    Cancelled,
}

impl RequestOutcome {
    /// The outcome as metrics and the log spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::CallerFault => "caller_fault",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Truncated => "truncated",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AttemptOutcome {
    /// The target answered in full.
    Success,
    /// The target says that the request is at fault.
    CallerFault,
    /// No connection: refused, unreachable, name not found, TLS refused.
    Connect,
    /// The connection broke before the answer was complete.
    Disconnected,
    /// A deadline passed: connection, head, first token or silence within a stream.
    Timeout,
    /// A 5xx status, or its equal inside a stream.
    ServerError,
    /// The answer was not what the dialect allows: HTML, cut JSON, a malformed event.
    Malformed,
    /// The target asks to slow down (429).
    RateLimited,
    /// The target is out of capacity (529 and its like).
    Overloaded,
    /// The target says it is out of service (503).
    Unavailable,
    /// The account has no quota left.
    Quota,
    /// The target refuses our credentials.
    Credentials,
    /// The target does not know the model.
    ModelMissing,
    /// The client left during the attempt.
    Cancelled,
}

impl AttemptOutcome {
    /// Every outcome, in the order of declaration.
    pub(crate) const ALL: [Self; 14] = [
        Self::Success,
        Self::CallerFault,
        Self::Connect,
        Self::Disconnected,
        Self::Timeout,
        Self::ServerError,
        Self::Malformed,
        Self::RateLimited,
        Self::Overloaded,
        Self::Unavailable,
        Self::Quota,
        Self::Credentials,
        Self::ModelMissing,
        Self::Cancelled,
    ];

    /// The outcome as metrics and the log spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::CallerFault => "caller_fault",
            Self::Connect => "connect",
            Self::Disconnected => "disconnected",
            Self::Timeout => "timeout",
            Self::ServerError => "server_error",
            Self::Malformed => "malformed",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Quota => "quota",
            Self::Credentials => "credentials",
            Self::ModelMissing => "model_missing",
            Self::Cancelled => "cancelled",
        }
    }
}
