//! Errors as OpenAI writes them.

use crate::error::GatewayError;
use crate::json::Writer;

/// Writes `{"error": {…}}`.
pub(crate) fn body(error: &GatewayError<'_>) -> String {
    let mut out = Writer::with_capacity(128 + error.message.len());
    out.object(|out| {
        out.key("error").object(|out| {
            out.key("message").str(error.message);
            out.key("type").str(kind(error));
            match error.param {
                Some(param) => out.key("param").str(param),
                None => out.key("param").null(),
            };
            match error.code {
                "" => out.key("code").null(),
                code => out.key("code").str(code),
            };
        });
    });
    out.into_string()
}

fn kind(error: &GatewayError<'_>) -> &'static str {
    match error.status {
        402 => "insufficient_quota",
        408 | 504 => "timeout_error",
        429 => "rate_limit_error",
        503 => "service_unavailable_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}
