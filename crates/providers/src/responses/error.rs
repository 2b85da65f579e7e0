//! Errors in the middle of a stream; others are as chat completions write them.

use crate::error::GatewayError;
use crate::json::Writer;

/// Writes the event of a response that has failed.
pub(crate) fn event(error: &GatewayError<'_>) -> String {
    let mut out = Writer::with_capacity(256 + error.message.len());
    out.frame("event: response.failed\ndata: ");
    out.object(|out| {
        out.key("type").str("response.failed");
        out.key("sequence_number").number(0);
        out.key("response").object(|out| {
            out.key("id")
                .str(&format!("resp_{}", error.request_id.unwrap_or("failed")));
            out.key("object").str("response");
            out.key("status").str("failed");
            out.key("error").object(|out| {
                let code = if error.code.is_empty() {
                    "server_error"
                } else {
                    error.code
                };
                out.key("code").str(code);
                out.key("message").str(error.message);
            });
            out.key("output").array(|_| {});
        });
    });
    out.frame("\n\n");
    out.into_string()
}
