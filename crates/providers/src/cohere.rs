//! Cohere's chat, version 2: spoken by targets alone.

mod citation;
mod request;
mod response;
mod stream;
mod usage;

pub(crate) use request::write_request;
pub(crate) use response::read_answer;
pub(crate) use stream::Reader;

use crate::neutral::Stop;

/// What a reason for the end means; `None` for one that is a failure.
fn stop_of(reason: &str) -> Option<Stop> {
    match reason {
        "MAX_TOKENS" => Some(Stop::Length),
        "TOOL_CALL" => Some(Stop::ToolUse),
        "STOP_SEQUENCE" => Some(Stop::Sequence),
        "ERROR" | "ERROR_TOXIC" | "ERROR_LIMIT" | "TIMEOUT" => None,
        _ => Some(Stop::End),
    }
}
