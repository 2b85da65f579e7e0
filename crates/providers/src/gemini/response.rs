//! Whole answers.

use std::borrow::Cow;

use crate::exchange::{Exchange, ResponseFault};
use crate::json::{Object, Text, Writer, objects};
use crate::neutral::{Answer, Block, Content, Input, Logprobs, Place, Stop};
use crate::usage::Usage;

use super::{finish_reason, read_usage, stop_of, write_usage};

/// Reads the answer of a generateContent call: its first candidate.
pub(crate) fn read_answer<'a>(answer: &Object<'a>) -> Result<Answer<'a>, ResponseFault> {
    let id = answer.text("responseId");
    let usage = answer
        .object("usageMetadata")
        .map_or_else(Usage::default, |usage| read_usage(&usage));
    let mut read = Answer {
        id: id.clone(),
        model: answer.text("modelVersion"),
        blocks: Vec::new(),
        stop: Stop::Refusal,
        stop_sequence: None,
        usage,
    };
    let candidate = answer
        .get("candidates")
        .and_then(objects)
        .and_then(|candidates| candidates.into_iter().next());
    let Some(candidate) = candidate else {
        // No candidate and a reason why: the prompt was refused.
        return match answer.object("promptFeedback") {
            Some(_) => Ok(read),
            None => Err(ResponseFault::Malformed {
                missing: "candidates",
            }),
        };
    };
    let parts = candidate
        .object("content")
        .and_then(|content| content.get("parts"))
        .and_then(objects)
        .unwrap_or_default();
    let id = id.map_or(Cow::Borrowed("gemini"), Text::into_decoded);
    let mut calls = 0;
    for part in &parts {
        if let Some(content) = read_part(part, &id, &mut calls) {
            read.blocks.push(Block::new(Place::Answer, content));
        }
    }
    let logprobs = candidate.get("logprobsResult").map(Logprobs::Result);
    if let Some(block) = read.blocks.iter_mut().find(|block| block.is_text()) {
        block.logprobs = logprobs;
    }
    let reason = candidate.string("finishReason").unwrap_or_default();
    read.stop = match stop_of(&reason) {
        Stop::End if calls > 0 => Stop::ToolUse,
        stop => stop,
    };
    Ok(read)
}

/// Reads one part; `None` for those that have no counterpart.
pub(super) fn read_part<'a>(part: &Object<'a>, id: &str, calls: &mut usize) -> Option<Content<'a>> {
    if let Some(call) = part.object("functionCall") {
        let content = Content::ToolCall {
            id: call
                .string("id")
                .unwrap_or_else(|| Cow::Owned(format!("call_{id}_{calls}"))),
            name: call.string("name")?,
            input: match call.get("args") {
                Some(raw) => Input::Object(raw),
                None => Input::Quoted(Text::plain("{}")),
            },
        };
        *calls += 1;
        return Some(content);
    }
    let text = part.text("text").filter(|text| !text.is_empty())?;
    if part.bool("thought") == Some(true) {
        let signature = None;
        return Some(Content::Thinking { text, signature });
    }
    Some(Content::Text(text))
}

/// Writes the answer of a generateContent call.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    exchange: &Exchange,
) -> Result<String, ResponseFault> {
    let mut out = Writer::with_capacity(512);
    let mut fault = Ok(());
    out.object(|out| {
        out.key("candidates").array(|out| {
            out.object(|out| {
                out.key("content").object(|out| {
                    out.key("role").str("model");
                    out.key("parts")
                        .array(|out| fault = write_parts(answer, out));
                });
                let scored = answer.blocks.iter().filter_map(|block| block.logprobs);
                Logprobs::write_result(&scored.collect::<Vec<_>>(), out);
                out.key("finishReason").str(finish_reason(answer.stop));
                out.key("index").number(0);
            });
        });
        write_usage(&answer.usage, out.key("usageMetadata"));
        match &answer.model {
            Some(model) => out.key("modelVersion").text(model),
            None => out.key("modelVersion").str(&exchange.served_model),
        };
        match &answer.id {
            Some(id) => out.key("responseId").text(id),
            None => out.key("responseId").str(&exchange.fallback_id),
        };
    });
    fault.map(|()| out.into_string())
}

fn write_parts(answer: &Answer<'_>, out: &mut Writer) -> Result<(), ResponseFault> {
    answer
        .blocks
        .iter()
        .try_for_each(|block| write_part(&block.content, out))
}

fn write_part(content: &Content<'_>, out: &mut Writer) -> Result<(), ResponseFault> {
    match content {
        Content::Text(text) | Content::Refusal(text) => {
            out.object(|out| {
                out.key("text").text(text);
            });
        }
        Content::Thinking { text, .. } => {
            out.object(|out| {
                out.key("text").text(text);
                out.key("thought").bool(true);
            });
        }
        Content::ToolCall { id, name, input } => {
            let Some(input) = input.object() else {
                return Err(ResponseFault::Malformed {
                    missing: "arguments of a tool call that are a JSON object",
                });
            };
            out.object(|out| {
                out.key("functionCall").object(|out| {
                    out.key("id").str(id);
                    out.key("name").str(name);
                    out.key("args").verbatim(&input);
                });
            });
        }
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult { .. }
        | Content::Redacted(_)
        | Content::Unknown { .. } => {}
    }
    Ok(())
}
