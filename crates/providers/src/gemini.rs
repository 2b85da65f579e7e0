//! Google's generateContent.

mod adapt;
pub(crate) mod error;
mod grounding;
pub(crate) mod path;
mod request;
mod response;
mod stream;
mod usage;

pub(crate) use adapt::adapt_request;
pub(crate) use request::{read_request, write_request};
pub(crate) use response::{read_answer, write_answer};
pub(crate) use stream::{Reader, Writer};
use usage::Counts;
pub(crate) use usage::{read_usage, write_usage};

use std::borrow::Cow;

use crate::neutral::Stop;

/// What Google calls the reason for the end.
pub(crate) const fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence | Stop::Pause | Stop::ToolUse => "STOP",
        Stop::Length | Stop::ContextWindow => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    }
}

/// What a reason for the end means. That tools are called is not said by it.
pub(crate) fn stop_of(reason: &str) -> Stop {
    match reason {
        "MAX_TOKENS" => Stop::Length,
        "SAFETY" | "PROHIBITED_CONTENT" | "BLOCKLIST" | "SPII" | "RECITATION" | "LANGUAGE"
        | "MODEL_ARMOR" => Stop::Refusal,
        reason if reason.starts_with("IMAGE_") => Stop::Refusal,
        _ => Stop::End,
    }
}

/// Spells a field's name the usual way: Google reads `max_output_tokens` as `maxOutputTokens`, and
/// its own clients write either.
fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut rest = part.chars();
        camel.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(rest.as_str());
    }
    Cow::Owned(camel)
}
