//! Anthropic's messages.

mod abilities;
mod adapt;
mod citation;
pub(crate) mod error;
mod request;
mod response;
mod stream;
mod usage;

pub(crate) use abilities::Abilities;
pub(crate) use adapt::adapt_request;
pub(crate) use request::{JSON_ONLY, Settings, read_request, write_request};
pub(crate) use response::{read_answer, write_answer};
pub(crate) use stream::{Reader, Writer};
pub(crate) use usage::{read_usage, write_usage};

use crate::neutral::Stop;

/// What Anthropic calls the reason for the end.
pub(crate) const fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Sequence => "stop_sequence",
        Stop::Pause => "pause_turn",
        Stop::Length => "max_tokens",
        Stop::ContextWindow => "model_context_window_exceeded",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "refusal",
    }
}

/// What a reason for the end means.
pub(crate) fn stop_of(reason: &str) -> Stop {
    match reason {
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::ContextWindow,
        "tool_use" => Stop::ToolUse,
        "stop_sequence" => Stop::Sequence,
        "pause_turn" => Stop::Pause,
        "refusal" => Stop::Refusal,
        _ => Stop::End,
    }
}
