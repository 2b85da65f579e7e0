//! Converse, of Amazon Bedrock: spoken by targets alone.

mod citation;
mod request;
mod response;
mod stream;
mod usage;

pub(crate) use request::write_request;
pub(crate) use response::read_answer;
pub(crate) use stream::Reader;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::neutral::Stop;

/// Returns the path of a conversation with `model`: its identifier, or a whole ARN, stays one
/// segment.
pub(crate) fn path(model: &str, is_stream: bool) -> String {
    let model = match model {
        "." | ".." => model.replace('.', "%2E"),
        model => utf8_percent_encode(model, SEGMENT).to_string(),
    };
    let call = if is_stream {
        "converse-stream"
    } else {
        "converse"
    };
    format!("/model/{model}/{call}")
}

/// All but what a URL may hold anywhere: what is signed must be what is sent.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a reason for the end means.
fn stop_of(reason: &str) -> Stop {
    match reason {
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::ContextWindow,
        "tool_use" => Stop::ToolUse,
        "stop_sequence" => Stop::Sequence,
        "content_filtered" | "guardrail_intervened" => Stop::Refusal,
        _ => Stop::End,
    }
}

/// Tells a model of Anthropic's, which has settings that Bedrock's other models do not.
fn is_claude(model: &str) -> bool {
    model.contains("claude")
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_model_s_identifier_stays_one_segment() {
        assert_eq!(
            path("us.anthropic.claude-sonnet-4-5-20250929-v1:0", false),
            "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
        );
        assert_eq!(
            path("arn:aws:bedrock:us-east-1:1:inference-profile/../x?y", true),
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2F..%2Fx%3Fy/converse-stream"
        );
        assert_eq!(path("..", false), "/model/%2E%2E/converse");
    }
}
