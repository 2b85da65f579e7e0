//! Every way in which the gateway itself answers a request with an error, and whose fault it is.

use std::time::Duration;

use ai_gateway_registry::LimitReached;
use http::StatusCode;

/// Why a request got no answer of a target.
///
/// What [`Display`](std::fmt::Display) says is what the client reads: it names no target, no
/// credential and nothing of the prompt, and says what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The request line or a header breaks a rule of HTTP that the gateway insists on.
    #[error("{reason}")]
    BadRequest {
        /// Which rule, and what to send instead.
        reason: &'static str,
    },
    /// The method is none that a target could be asked with.
    #[error("method {method} is not allowed; use {allow}")]
    MethodNotAllowed {
        /// The client's method.
        method: String,
        /// The methods that are.
        allow: &'static str,
    },
    /// No gateway has this host name, and none is the default.
    #[error(
        "no gateway serves this host; call a host that a gateway lists, or use an API key of the \
         gateway"
    )]
    GatewayNotFound,
    /// The gateway has rules and none of them matches, or it has nothing to route to.
    #[error("no rule of this gateway matches {method} {path}; check the method and the path")]
    RouteNotFound {
        /// The client's method.
        method: String,
        /// The client's path.
        path: String,
    },
    /// A key is needed and there is none.
    #[error(
        "an API key is needed: send it as `Authorization: Bearer …`, `x-api-key` or \
         `x-goog-api-key`"
    )]
    KeyMissing,
    /// The key is unknown.
    #[error("the API key is not valid for this gateway; check it, or ask for a new one")]
    KeyUnknown,
    /// The key was valid once.
    #[error("the API key has expired; ask for a new one")]
    KeyExpired,
    /// The key is valid, but not for this.
    #[error("this API key may not call {path}")]
    NotAllowed {
        /// The client's path.
        path: String,
    },
    /// The body is larger than the gateway holds.
    #[error("the request body is larger than {limit_bytes} bytes; send less")]
    TooLarge {
        /// The bound.
        limit_bytes: usize,
    },
    /// The body came too slowly.
    #[error("the request body stopped coming; send it without a pause")]
    BodyTimeout,
    /// The client left, or broke the framing, before the body was whole.
    #[error("the request body ended early or is not framed as HTTP requires")]
    BodyBroken,
    /// The body is compressed.
    #[error("content encoding {encoding} is not understood; send the body uncompressed")]
    UnsupportedEncoding {
        /// What the client said.
        encoding: String,
    },
    /// The body is not what the path asks for.
    #[error("{message}")]
    InvalidJson {
        /// What is wrong, and where.
        message: String,
    },
    /// Well-formed, but a field has the wrong shape, or cannot be said to the model's provider.
    #[error("{message}")]
    InvalidField {
        /// The field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// The body names no model and no target has a default.
    #[error("name a model in the field `model`: no target of this route has a default")]
    ModelRequired,
    /// No target serves the model.
    #[error("no target serves the model `{model}`; `GET /v1/models` lists those that are served")]
    ModelNotFound {
        /// The model that the client asked for.
        model: String,
    },
    /// Targets serve the model, and none may take traffic now.
    #[error("every target of this route is resting, cooling down or full; try again later")]
    NoTargetAvailable {
        /// When the first of them may be tried again.
        retry_after: Option<Duration>,
    },
    /// A limit of the key or the rule is reached.
    #[error("{0}; try again later, or ask for a higher limit")]
    LimitReached(#[from] LimitReached),
    /// Every target was asked to slow down.
    #[error("every target of this route is rate limited; try again later")]
    RateLimited {
        /// When the first of them may be tried again.
        retry_after: Option<Duration>,
    },
    /// Every attempt failed.
    #[error("the request failed on every target that was tried ({attempts}); try again later")]
    UpstreamFailed {
        /// The status that stands for the last attempt.
        status: StatusCode,
        /// How many targets were asked.
        attempts: usize,
        /// The pause that the last of them asked for.
        retry_after: Option<Duration>,
    },
    /// The deadline passed.
    #[error("no answer came within the time allowed; try again, or ask for less")]
    UpstreamTimeout,
    /// The memory for bodies is full.
    #[error("the gateway holds as many request bodies as it may; try again later")]
    Overloaded,
    /// The gateway stops, and its time to finish is over.
    #[error("the gateway is stopping; try again")]
    Stopping,
    /// The client expects of HTTP what no server here does.
    #[error("the only expectation that can be met is `100-continue`")]
    Expectation,
    /// A defect of the gateway.
    #[error("the gateway failed on this request; its log has the request id")]
    Internal,
}

/// Whose doing a failure is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The caller can mend it.
    Client,
    /// The gateway's operator or its code.
    Gateway,
    /// The targets.
    Target,
}

impl Failure {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest { .. }
            | Self::BodyBroken
            | Self::InvalidJson { .. }
            | Self::InvalidField { .. }
            | Self::ModelRequired => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::GatewayNotFound | Self::RouteNotFound { .. } | Self::ModelNotFound { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::KeyMissing | Self::KeyUnknown | Self::KeyExpired => StatusCode::UNAUTHORIZED,
            Self::NotAllowed { .. } => StatusCode::FORBIDDEN,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UnsupportedEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoTargetAvailable { .. } | Self::Overloaded | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::LimitReached(_) | Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::UpstreamFailed { status, .. } => *status,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest { .. } | Self::BodyBroken => "bad_request",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::GatewayNotFound => "gateway_not_found",
            Self::RouteNotFound { .. } => "route_not_found",
            Self::KeyMissing | Self::KeyUnknown | Self::KeyExpired => "invalid_api_key",
            Self::NotAllowed { .. } => "not_allowed",
            Self::TooLarge { .. } => "request_too_large",
            Self::BodyTimeout => "request_timeout",
            Self::UnsupportedEncoding { .. } => "unsupported_media_type",
            Self::InvalidJson { .. } => "invalid_json",
            Self::InvalidField { .. } => "invalid_field",
            Self::ModelRequired => "model_required",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::NoTargetAvailable { .. } => "no_target_available",
            Self::LimitReached(_) | Self::RateLimited { .. } => "rate_limit_exceeded",
            Self::UpstreamFailed { .. } => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Overloaded => "gateway_overloaded",
            Self::Stopping => "gateway_stopping",
            Self::Expectation => "expectation_failed",
            Self::Internal => "internal_error",
        }
    }

    /// The field of the body that is at fault.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::InvalidField { field, .. } => Some(field),
            Self::ModelRequired | Self::ModelNotFound { .. } => Some("model"),
            _ => None,
        }
    }

    /// When trying again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoTargetAvailable { retry_after }
            | Self::RateLimited { retry_after }
            | Self::UpstreamFailed { retry_after, .. } => *retry_after,
            Self::LimitReached(reached) => Some(reached.retry_after),
            Self::Overloaded | Self::Stopping => Some(SOON),
            _ => None,
        }
    }

    /// Whose doing it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::BadRequest { .. }
            | Self::MethodNotAllowed { .. }
            | Self::GatewayNotFound
            | Self::RouteNotFound { .. }
            | Self::KeyMissing
            | Self::KeyUnknown
            | Self::KeyExpired
            | Self::NotAllowed { .. }
            | Self::TooLarge { .. }
            | Self::BodyTimeout
            | Self::BodyBroken
            | Self::UnsupportedEncoding { .. }
            | Self::InvalidJson { .. }
            | Self::InvalidField { .. }
            | Self::ModelRequired
            | Self::LimitReached(_)
            | Self::Expectation
            | Self::ModelNotFound { .. } => Blame::Client,
            Self::NoTargetAvailable { .. }
            | Self::RateLimited { .. }
            | Self::UpstreamFailed { .. }
            | Self::UpstreamTimeout => Blame::Target,
            Self::Overloaded | Self::Stopping | Self::Internal => Blame::Gateway,
        }
    }
}

/// When a gateway that is full, or the one that takes its place, may have room.
const SOON: Duration = Duration::from_secs(1);
