//! Writes the heads of answers, and turns failures into answers. Nowhere else does either.

use std::time::Duration;

use ai_gateway_providers::{
    Dialect, GatewayError, estimate_tokens, render_error, render_error_event, render_token_count,
};
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::endpoint::Lease;
use crate::failure::Failure;
use crate::story::Story;

/// How a request was served, for the headers that say so.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// The model, as the target was asked for it.
    pub(crate) model: String,
    /// The model that the client asked for, when that is another.
    pub(crate) substituted: Option<String>,
    /// The request's fields that the target's dialect has no words for, and those of a whole answer
    /// that the client's has none for.
    pub(crate) dropped: Vec<String>,
    /// The attempts made, this one included.
    pub(crate) attempts: usize,
}

/// The head of a target's answer.
pub(crate) fn head(
    status: u16,
    upstream: &HeaderMap,
    lease: &Lease,
    served: &Served,
    story: &Story,
) -> http::response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    head.headers = HeaderMap::with_capacity(USUAL_HEADERS);
    for (name, value) in upstream {
        if is_passed_back(name) {
            head.headers.append(name, value.clone());
        }
    }
    if let Some(id) = upstream
        .get(X_REQUEST_ID)
        .or_else(|| upstream.get("request-id"))
    {
        head.headers.insert(X_UPSTREAM_REQUEST_ID, id.clone());
    }
    mark_served(&mut head.headers, lease, served);
    mark(&mut head.headers, story.request_id());
    head
}

fn is_passed_back(name: &HeaderName) -> bool {
    PASSED_BACK.contains(name)
        || PASSED_BACK_PREFIXES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
}

/// Puts head and body together.
pub(crate) fn finish(mut head: http::response::Parts, body: Body) -> Response<Body> {
    if head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
    {
        head.headers
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx and its like would gather events into full buffers.
        head.headers
            .insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    Response::from_parts(head, body)
}

/// A target's error that is the caller's own fault, in the client's envelope.
pub(crate) fn refusal(mut head: http::response::Parts, body: Bytes) -> Response<Body> {
    head.headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    Response::from_parts(head, Body::whole(body))
}

/// The gateway's own error, in the client's dialect.
pub(crate) fn failure(
    failure: &Failure,
    client: Dialect,
    request_id: &str,
    attempts: usize,
) -> Response<Body> {
    let message = failure.to_string();
    let body = render_error(
        client,
        &GatewayError {
            status: failure.status().as_u16(),
            code: failure.code(),
            message: &message,
            param: failure.param(),
            request_id: Some(request_id),
        },
    );
    let mut response = json(failure.status(), body, request_id);
    let headers = response.headers_mut();
    headers.insert(X_GATEWAY_ATTEMPTS, HeaderValue::from(attempts));
    if let Some(wait) = failure.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    match failure {
        Failure::MethodNotAllowed { allow, .. } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
            // What follows a CONNECT is not meant for this server.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // What is left of the body would be taken for the next request.
        Failure::TooLarge { .. }
        | Failure::Overloaded
        | Failure::Stopping
        | Failure::Expectation
        | Failure::BodyTimeout
        | Failure::BodyBroken
        | Failure::BadRequest { .. } => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        // The targets have been tried; the client's own retries would multiply with the gateway's.
        Failure::UpstreamFailed { .. } | Failure::UpstreamTimeout => {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        _ => {}
    }
    response
}

/// The gateway's own error as the event that ends a stream.
pub(crate) fn failure_event(failure: &Failure, client: Dialect, request_id: &str) -> Bytes {
    let message = failure.to_string();
    render_error_event(
        client,
        &GatewayError {
            status: failure.status().as_u16(),
            code: failure.code(),
            message: &message,
            param: failure.param(),
            request_id: Some(request_id),
        },
    )
}

/// The head of a stream for which no target answers yet, and its body.
pub(crate) fn waiting(body: Body, request_id: &str) -> Response<Body> {
    let (mut head, ()) = Response::new(()).into_parts();
    head.headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    mark(&mut head.headers, request_id);
    finish(head, body)
}

/// How many tokens a request has, as far as the gateway can tell, marked as no more than that.
pub(crate) fn estimate(body: &[u8], request_id: &str) -> Response<Body> {
    let count = render_token_count(estimate_tokens(body));
    let mut response = json(StatusCode::OK, count, request_id);
    let headers = response.headers_mut();
    headers.insert(
        X_GATEWAY_ESTIMATED,
        HeaderValue::from_static("input_tokens"),
    );
    response
}

/// An answer of the gateway's own.
pub(crate) fn json(status: StatusCode, body: Bytes, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    mark(headers, request_id);
    response
}

/// Plain text, for probes.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn mark(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(X_REQUEST_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn mark_served(headers: &mut HeaderMap, lease: &Lease, served: &Served) {
    headers.insert(X_GATEWAY_TARGET, lease.name_header().clone());
    headers.insert(X_GATEWAY_PROVIDER, lease.provider_header().clone());
    headers.insert(X_SELECTED_PROVIDER, lease.provider_header().clone());
    headers.insert(X_GATEWAY_ATTEMPTS, count(served.attempts));
    if let Ok(model) = HeaderValue::from_str(&served.model) {
        headers.insert(X_GATEWAY_MODEL, model);
    }
    if let Some(asked) = &served.substituted
        && let Ok(value) = HeaderValue::from_str(&format!("{asked}; served={}", served.model))
    {
        headers.insert(X_GATEWAY_MODEL_SUBSTITUTED, value);
    }
    if !served.dropped.is_empty()
        && let Ok(value) = HeaderValue::from_str(&served.dropped.join(", "))
    {
        headers.insert(X_GATEWAY_DROPPED, value);
    }
}

/// A number as a header's value; nearly always it is one.
fn count(number: usize) -> HeaderValue {
    match number {
        1 => HeaderValue::from_static("1"),
        _ => HeaderValue::from(number),
    }
}

/// Rounded up: whoever comes back a moment too early is sent away again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

const JSON: &str = "application/json";
/// What an answer has when its target sends rate limits along: room for them from the start.
const USUAL_HEADERS: usize = 20;
/// The header that names a request, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
const X_GATEWAY_TARGET: HeaderName = HeaderName::from_static("x-gateway-target");
const X_GATEWAY_PROVIDER: HeaderName = HeaderName::from_static("x-gateway-provider");
const X_SELECTED_PROVIDER: HeaderName = HeaderName::from_static("x-selected-provider");
const X_GATEWAY_MODEL: HeaderName = HeaderName::from_static("x-gateway-model");
const X_GATEWAY_ATTEMPTS: HeaderName = HeaderName::from_static("x-gateway-attempts");
const X_GATEWAY_MODEL_SUBSTITUTED: HeaderName =
    HeaderName::from_static("x-gateway-model-substituted");
const X_GATEWAY_ESTIMATED: HeaderName = HeaderName::from_static("x-gateway-estimated");
const X_GATEWAY_DROPPED: HeaderName = HeaderName::from_static("x-gateway-dropped");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The headers of a target that the client gets; all others stay here. A list of what is allowed:
/// one of what is not would miss the next cookie or credential.
const PASSED_BACK: [HeaderName; 5] = [
    CONTENT_TYPE,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    X_SHOULD_RETRY,
    HeaderName::from_static("openai-processing-ms"),
];
const PASSED_BACK_PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];
