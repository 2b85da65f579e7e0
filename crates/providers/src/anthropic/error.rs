//! Errors as Anthropic writes them.

use crate::error::GatewayError;
use crate::json::Writer;

/// Writes `{"type": "error", …}`.
pub(crate) fn body(error: &GatewayError<'_>) -> String {
    let mut out = Writer::with_capacity(128 + error.message.len());
    out.object(|out| {
        out.key("type").str("error");
        out.key("error").object(|out| {
            out.key("type").str(kind(error.status));
            out.key("message").str(error.message);
        });
        if let Some(id) = error.request_id {
            out.key("request_id").str(id);
        }
    });
    out.into_string()
}

/// The type follows from the status: other dialects' types mean other things.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        424 | 500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}
