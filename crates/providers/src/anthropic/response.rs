//! Whole answers.

use crate::anthropic::citation::{read_citation, write_cited};
use crate::exchange::{Dropped, Exchange, ResponseFault};
use crate::json::{Object, Text, Writer, objects};
use crate::neutral::{Answer, Block, Content, Input, Place};
use crate::usage::Usage;

use super::{read_usage, stop_of, stop_reason, write_usage};

/// Reads the answer of a messages call.
pub(crate) fn read_answer<'a>(answer: &Object<'a>) -> Result<Answer<'a>, ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    let content = answer
        .get("content")
        .and_then(objects)
        .ok_or_else(|| malformed("content"))?;
    let stop = answer
        .string("stop_reason")
        .ok_or_else(|| malformed("stop_reason"))?;
    let mut blocks = Vec::with_capacity(content.len());
    let mut dropped = Dropped::default();
    for object in content {
        let Some(content) = read_block(&object)? else {
            continue;
        };
        let mut block = Block::new(Place::Answer, content);
        let citations = object.get("citations").and_then(objects);
        let citations = citations.iter().flatten().map(read_citation);
        block.citations = citations
            .filter_map(|citation| dropped.unless_some("citations", citation))
            .collect();
        blocks.push(block);
    }
    Ok(Answer {
        id: answer.text("id"),
        model: answer.text("model"),
        blocks,
        stop: stop_of(&stop),
        stop_sequence: answer.text("stop_sequence"),
        usage: answer
            .object("usage")
            .map_or_else(Usage::default, |usage| read_usage(&usage)),
        dropped,
    })
}

/// Reads one block; `None` for those that are no business of the client's: calls of tools that
/// the provider runs by itself, and their results.
fn read_block<'a>(block: &Object<'a>) -> Result<Option<Content<'a>>, ResponseFault> {
    let text = |name, missing| block.text(name).ok_or(ResponseFault::Malformed { missing });
    let kind = block.string("type").unwrap_or_default();
    Ok(match kind.as_ref() {
        "text" => Some(Content::Text(text("text", "the text of a block")?)),
        "tool_use" => Some(Content::ToolCall {
            id: text("id", "the id of a tool call")?.into_decoded(),
            name: text("name", "the name of a tool call")?.into_decoded(),
            input: match block.get("input") {
                Some(raw) => Input::Object(raw),
                None => Input::Quoted(Text::plain("{}")),
            },
        }),
        "thinking" => Some(Content::Thinking {
            text: text("thinking", "the text of thinking")?,
            signature: block.text("signature"),
        }),
        "redacted_thinking" => Some(Content::Redacted(text("data", "redacted thinking")?)),
        _ => None,
    })
}

/// Writes the answer of a messages call.
pub(crate) fn write_answer(
    answer: &Answer<'_>,
    exchange: &Exchange,
) -> Result<String, ResponseFault> {
    let mut out = Writer::with_capacity(512);
    let mut fault = Ok(());
    out.object(|out| {
        match &answer.id {
            Some(id) => out.key("id").text(id),
            None => out.key("id").str(&format!("msg_{}", exchange.fallback_id)),
        };
        out.key("type").str("message");
        out.key("role").str("assistant");
        match &answer.model {
            Some(model) => out.key("model").text(model),
            None => out.key("model").str(&exchange.served_model),
        };
        out.key("content").array(|out| {
            for block in &answer.blocks {
                if let (Content::Text(text), false) = (&block.content, block.citations.is_empty()) {
                    write_cited(text, &block.citations, out);
                } else if fault.is_ok() {
                    fault = write_block(&block.content, out);
                }
            }
        });
        out.key("stop_reason").str(stop_reason(answer.stop));
        match &answer.stop_sequence {
            Some(sequence) => out.key("stop_sequence").text(sequence),
            None => out.key("stop_sequence").null(),
        };
        write_usage(&answer.usage, out.key("usage"));
    });
    fault.map(|()| out.into_string())
}

fn write_block(content: &Content<'_>, out: &mut Writer) -> Result<(), ResponseFault> {
    let mut field = |kind: &str, name: &str, text: &Text<'_>| {
        out.object(|out| {
            out.key("type").str(kind);
            out.key(name).text(text);
        });
    };
    match content {
        Content::Text(text) | Content::Refusal(text) => field("text", "text", text),
        Content::Redacted(data) => field("redacted_thinking", "data", data),
        Content::Thinking { text, signature } => {
            out.object(|out| {
                out.key("type").str("thinking");
                out.key("thinking").text(text);
                match signature {
                    Some(signature) => out.key("signature").text(signature),
                    None => out.key("signature").str(""),
                };
            });
        }
        Content::ToolCall { id, name, input } => {
            let Some(input) = input.object() else {
                return Err(ResponseFault::Malformed {
                    missing: "arguments of a tool call that are a JSON object",
                });
            };
            out.object(|out| {
                out.key("type").str("tool_use");
                out.key("id").str(id);
                out.key("name").str(name);
                out.key("input").verbatim(&input);
            });
        }
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult { .. }
        | Content::Unknown { .. } => {}
    }
    Ok(())
}
