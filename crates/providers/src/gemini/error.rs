//! Errors as Google writes them.

use crate::error::GatewayError;
use crate::json::Writer;

/// Writes `{"error": {…}}`.
pub(crate) fn body(error: &GatewayError<'_>) -> String {
    let mut out = Writer::with_capacity(128 + error.message.len());
    out.object(|out| {
        out.key("error").object(|out| {
            out.key("code").number(error.status.into());
            out.key("message").str(error.message);
            out.key("status").str(status(error.status));
            if !error.code.is_empty() {
                out.key("details")
                    .array(|out| write_reason(error.code, out));
            }
        });
    });
    out.into_string()
}

fn write_reason(code: &str, out: &mut Writer) {
    out.object(|out| {
        out.key("@type")
            .str("type.googleapis.com/google.rpc.ErrorInfo");
        out.key("reason").str(code);
    });
}

fn status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        503 | 529 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}
