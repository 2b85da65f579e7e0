//! OpenAI's chat completions.

mod adapt;
pub(crate) mod annotation;
pub(crate) mod error;
mod request;
mod response;
mod stream;
mod usage;

pub(crate) use adapt::{adapt_request, usage_option};
pub(crate) use request::shared;
pub(crate) use request::{read_request, write_request, write_tool, write_turn};
pub(crate) use response::{read_answer, write_answer};
pub(crate) use stream::{Reader, Writer};
pub(crate) use usage::{read_usage, write_usage};

use crate::neutral::Stop;

/// What OpenAI calls the reason for the end.
pub(crate) const fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence | Stop::Pause => "stop",
        Stop::Length | Stop::ContextWindow => "length",
        Stop::ToolUse => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}

/// What a reason for the end means; the values of servers that speak the dialect their own way
/// included.
pub(crate) fn stop_of(reason: &str) -> Stop {
    match reason {
        "length" | "model_length" | "max_tokens" => Stop::Length,
        "tool_calls" | "function_call" => Stop::ToolUse,
        "content_filter" => Stop::Refusal,
        _ => Stop::End,
    }
}

/// Tells a model of OpenAI that reasons, which refuses `max_tokens` and sampling parameters.
pub(crate) fn is_reasoning_model(model: &str) -> bool {
    let model = model.rsplit('/').next().unwrap_or(model);
    let is_o = model
        .strip_prefix('o')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_o || (model.starts_with("gpt-5") && !model.starts_with("gpt-5-chat"))
}
