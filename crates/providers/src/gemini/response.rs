//! Whole answers.

use std::borrow::Cow;

use crate::exchange::{Dropped, Exchange, ResponseFault};
use crate::gemini::grounding::{Support, read_grounding, write_grounding};
use crate::json::{Object, Text, Writer, objects};
use crate::neutral::{Answer, Block, Content, Input, Logprobs, Place, Stop, Unit};
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
        dropped: Dropped::default(),
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
    // Which block came of each part.
    let mut places = Vec::with_capacity(parts.len());
    for part in &parts {
        places.push(read.blocks.len());
        if let Some(content) = read_part(part, &id, &mut calls) {
            read.blocks.push(Block::new(Place::Answer, content));
        }
    }
    read_citations(&candidate, &places, &mut read);
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

/// Reads what the text is from; `places` are the blocks that came of each part.
fn read_citations<'a>(candidate: &Object<'a>, places: &[usize], read: &mut Answer<'a>) {
    let (citations, has_others) = read_grounding(candidate);
    if has_others {
        read.dropped.note("groundingMetadata");
    }
    for (part, citation) in citations {
        let part = part.and_then(|part| usize::try_from(part).ok());
        let place = part.and_then(|part| places.get(part)).copied();
        let mut blocks = read.blocks.iter_mut().skip(place.unwrap_or(0));
        if let Some(block) = blocks.find(|block| block.is_text()) {
            block.citations.push(citation);
        }
    }
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
                write_citations(answer, out);
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

/// Writes what each part's text is from.
fn write_citations(answer: &Answer<'_>, out: &mut Writer) {
    let mut supports = Vec::new();
    let parts = answer.blocks.iter().filter(|block| is_written(block));
    for (part, block) in parts.enumerate() {
        let (Content::Text(text), false) = (&block.content, block.citations.is_empty()) else {
            continue;
        };
        let text = text.decoded();
        supports.extend(block.citations.iter().map(|citation| {
            let span = citation.span.within(&text, Unit::Bytes);
            let (start, end) = (span.start, span.end);
            Support {
                part,
                start,
                end,
                citation,
            }
        }));
    }
    write_grounding(&supports, out);
}

/// Whether a block becomes a part.
const fn is_written(block: &Block<'_>) -> bool {
    matches!(
        block.content,
        Content::Text(_)
            | Content::Refusal(_)
            | Content::Thinking { .. }
            | Content::ToolCall { .. }
    )
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
