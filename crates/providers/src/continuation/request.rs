//! The client's request, for whoever goes on with its answer.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::dialect::{Dialect, Surface};
use crate::exchange::{EncodeError, read_request};
use crate::intake::Intake;
use crate::json::{Object, Sort, Text, Writer, items};
use crate::neutral::{Reasoning, Request, Role, ToolChoice};

/// Tells whether another target may go on with the answer to a request should it break off: the
/// answer is one, of plain text as far as the request says, and the client has not begun it
/// itself.
pub fn may_be_continued(intake: &Intake, body: &[u8]) -> bool {
    let surface = intake.surface();
    if !surface.is_conversation() || !intake.is_stream() {
        return false;
    }
    let request = std::str::from_utf8(body)
        .ok()
        .and_then(|text| read_request(surface.dialect(), text).ok());
    request.is_some_and(|request| asks_for_text(&request))
}

fn asks_for_text(request: &Request<'_>) -> bool {
    let is_forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Any | ToolChoice::Named(_))
    );
    let asks_for_chances = request.logprobs.asked_by.is_some() || request.logprobs.top.is_some();
    let asks_for_more = request
        .openai_only
        .iter()
        .any(|(name, _)| MORE_THAN_TEXT.contains(&name.as_ref()));
    let is_begun = request
        .turns
        .last()
        .is_none_or(|turn| turn.role == Role::Assistant);
    request.format.is_none()
        && matches!(request.reasoning, None | Some(Reasoning::Off))
        && !is_forced
        && !asks_for_chances
        && !asks_for_more
        && !is_begun
}

/// Fields with which an answer has parts that belong to its pieces of text.
const MORE_THAN_TEXT: [&str; 2] = ["audio", "web_search_options"];

/// Writes the request with `beginning` as the last thing said, and `tokens` less for the rest.
///
/// # Errors
///
/// The bound on output tokens leaves nothing, or the conversation is in no list.
pub(super) fn begun(
    surface: Surface,
    body: &[u8],
    beginning: &Text<'_>,
    tokens: u64,
) -> Result<Bytes, EncodeError> {
    let fields: Object<'_> = serde_json::from_slice(body)
        .map_err(|_| EncodeError::new("body", "must be a JSON object"))?;
    let mut out = Writer::with_capacity(body.len() + beginning.literal().len() + 64);
    let mut fault = None;
    out.object(|out| {
        for (name, raw) in fields.iter() {
            out.key(name);
            let written = match (surface.dialect(), name) {
                (Dialect::OpenAiChat | Dialect::AnthropicMessages, "messages")
                | (Dialect::GeminiGenerate, "contents")
                | (Dialect::OpenAiResponses, "input") => {
                    write_turns(surface.dialect(), name, raw, beginning, out)
                }
                (_, "max_tokens" | "max_completion_tokens" | "max_output_tokens") => {
                    write_bound(name, raw, tokens, out)
                }
                (Dialect::GeminiGenerate, "generationConfig" | "generation_config") => {
                    write_config(raw, tokens, out)
                }
                _ => {
                    out.raw(raw);
                    Ok(())
                }
            };
            fault = fault.take().or(written.err());
        }
    });
    match fault {
        Some(fault) => Err(fault),
        None => Ok(out.into_bytes()),
    }
}

fn write_turns(
    dialect: Dialect,
    name: &str,
    raw: &RawValue,
    beginning: &Text<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let is_text = Sort::of(raw) == Sort::String;
    let turns = match items(raw) {
        Some(turns) => turns,
        None if is_text => Vec::new(),
        None => return Err(EncodeError::new(name, "must be an array")),
    };
    out.array(|out| {
        if is_text {
            out.object(|out| {
                out.key("role").str("user");
                out.key("content").raw(raw);
            });
        }
        for turn in turns {
            out.raw(turn);
        }
        out.object(|out| match dialect {
            Dialect::GeminiGenerate => {
                out.key("role").str("model");
                out.key("parts").array(|out| {
                    out.object(|out| {
                        out.key("text").text(beginning);
                    });
                });
            }
            Dialect::OpenAiResponses => {
                out.key("type").str("message");
                out.key("role").str("assistant");
                out.key("content").array(|out| {
                    out.object(|out| {
                        out.key("type").str("output_text");
                        out.key("text").text(beginning);
                    });
                });
            }
            _ => {
                out.key("role").str("assistant");
                out.key("content").text(beginning);
            }
        });
    });
    Ok(())
}

fn write_config(raw: &RawValue, tokens: u64, out: &mut Writer) -> Result<(), EncodeError> {
    let Some(config) = Object::of(raw) else {
        out.raw(raw);
        return Ok(());
    };
    let mut written = Ok(());
    out.object(|out| {
        for (name, raw) in config.iter() {
            out.key(name);
            match name {
                "maxOutputTokens" | "max_output_tokens" => {
                    written = write_bound(name, raw, tokens, out);
                }
                _ => {
                    out.raw(raw);
                }
            }
        }
    });
    written
}

fn write_bound(
    name: &str,
    raw: &RawValue,
    tokens: u64,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let Ok(bound) = raw.get().parse::<u64>() else {
        out.raw(raw);
        return Ok(());
    };
    match bound.checked_sub(tokens).filter(|left| *left > 0) {
        Some(left) => {
            out.number(left);
            Ok(())
        }
        None => {
            out.null();
            Err(EncodeError::new(name, "is reached already"))
        }
    }
}
