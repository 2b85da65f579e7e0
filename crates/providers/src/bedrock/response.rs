//! Whole answers.

use crate::exchange::{Dropped, ResponseFault};
use crate::json::{Object, Text, objects};
use crate::neutral::{Answer, Block, Content, Input, Place};
use crate::usage::Usage;

use super::citation::read_cited;
use super::stop_of;
use super::usage::read_usage;

/// Reads the answer of a Converse call.
pub(crate) fn read_answer<'a>(answer: &Object<'a>) -> Result<Answer<'a>, ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    // Some refusals come with status 200 and without it.
    let message = answer
        .object("output")
        .and_then(|output| output.object("message"))
        .ok_or_else(|| malformed("a message in its output"))?;
    let stop = answer
        .string("stopReason")
        .ok_or_else(|| malformed("stopReason"))?;
    let content = message
        .get("content")
        .and_then(objects)
        .ok_or_else(|| malformed("content"))?;
    let mut blocks = Vec::with_capacity(content.len());
    let mut dropped = Dropped::default();
    for block in &content {
        if let Some(cited) = block.object("citationsContent") {
            blocks.push(read_cited(&cited, &mut dropped));
        } else if let Some(content) = read_block(block)? {
            blocks.push(Block::new(Place::Answer, content));
        }
    }
    Ok(Answer {
        id: None,
        model: None,
        blocks,
        stop: stop_of(&stop),
        stop_sequence: None,
        usage: answer
            .object("usage")
            .map_or_else(Usage::default, |usage| read_usage(&usage)),
        dropped,
    })
}

/// Reads one block; `None` for those that have no counterpart.
fn read_block<'a>(block: &Object<'a>) -> Result<Option<Content<'a>>, ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    if let Some(text) = block.text("text") {
        return Ok(Some(Content::Text(text)));
    }
    if let Some(call) = block.object("toolUse") {
        let text = |name, missing| call.string(name).ok_or_else(|| malformed(missing));
        return Ok(Some(Content::ToolCall {
            id: text("toolUseId", "the id of a tool call")?,
            name: text("name", "the name of a tool call")?,
            input: match call.get("input") {
                Some(raw) => Input::Object(raw),
                None => Input::Quoted(Text::plain("{}")),
            },
        }));
    }
    let Some(reasoning) = block.object("reasoningContent") else {
        return Ok(None);
    };
    if let Some(data) = reasoning.text("redactedContent") {
        return Ok(Some(Content::Redacted(data)));
    }
    let thinking = reasoning.object("reasoningText");
    Ok(thinking.and_then(|thinking| {
        Some(Content::Thinking {
            text: thinking.text("text")?,
            signature: thinking.text("signature").filter(|text| !text.is_empty()),
        })
    }))
}
