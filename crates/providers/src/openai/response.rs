//! Whole answers.

use serde_json::value::RawValue;

use crate::exchange::{Dropped, Exchange, ResponseFault};
use crate::json::{Object, Text, Writer, items, objects};
use crate::neutral::{Answer, Block, Content, Input, Logprobs, Place, Stop, Unit};
use crate::openai::annotation::{Form, read_annotations, write_annotation};
use crate::usage::Usage;

use super::{finish_reason, read_usage, stop_of, write_usage};

/// Reads the answer of a chat completion: its first choice, for no other was asked for.
pub(crate) fn read_answer<'a>(answer: &Object<'a>) -> Result<Answer<'a>, ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    let choice = answer
        .get("choices")
        .and_then(objects)
        .and_then(|choices| choices.into_iter().next())
        .ok_or_else(|| malformed("choices"))?;
    let message = choice
        .object("message")
        .ok_or_else(|| malformed("a message in its choice"))?;
    let mut blocks = Vec::with_capacity(2);
    read_text(&message, &mut blocks);
    let mut dropped = Dropped::default();
    let logprobs = choice.get("logprobs").and_then(read_logprobs);
    let annotations = message.get("annotations").into_iter();
    let citations: Vec<_> = annotations
        .flat_map(|raw| read_annotations(raw, Form::Nested))
        .filter_map(|citation| dropped.unless_some("annotations", citation))
        .collect();
    if let Some(block) = blocks.iter_mut().find(|block| block.is_text()) {
        block.logprobs = logprobs;
        block.citations = citations;
    }
    let mut has_calls = false;
    for raw in message
        .get("tool_calls")
        .and_then(items)
        .unwrap_or_default()
    {
        let call = Object::of(raw).ok_or_else(|| malformed("a tool call"))?;
        blocks.push(Block::new(Place::Answer, read_call(&call)?));
        has_calls = true;
    }
    let refused = message.text("refusal").filter(|text| !text.is_empty());
    let is_refused = refused.is_some();
    blocks.extend(refused.map(|text| Block::new(Place::Answer, Content::Refusal(text))));
    let reason = choice.string("finish_reason").unwrap_or_default();
    let stop = match stop_of(&reason) {
        // Some say `stop`, or nothing, where tools are called.
        Stop::End if has_calls => Stop::ToolUse,
        Stop::End if is_refused => Stop::Refusal,
        stop => stop,
    };
    Ok(Answer {
        id: answer.text("id").filter(|id| !id.is_empty()),
        model: answer.text("model").filter(|model| !model.is_empty()),
        blocks,
        stop,
        stop_sequence: None,
        usage: answer
            .object("usage")
            .map_or_else(Usage::default, |usage| read_usage(&usage)),
        dropped,
    })
}

fn read_text<'a>(message: &Object<'a>, blocks: &mut Vec<Block<'a>>) {
    let mut push = |content| blocks.push(Block::new(Place::Answer, content));
    let thinking = message
        .text("reasoning_content")
        .or_else(|| message.text("reasoning"));
    if let Some(text) = thinking.filter(|text| !text.is_empty()) {
        let signature = None;
        push(Content::Thinking { text, signature });
    }
    if let Some(text) = message.text("content") {
        if !text.is_empty() {
            push(Content::Text(text));
        }
        return;
    }
    // Some servers answer in parts, as requests may be written.
    let parts = message.get("content").and_then(items).unwrap_or_default();
    for part in parts.into_iter().filter_map(Object::of) {
        if let Some(text) = part.text("text").filter(|text| !text.is_empty()) {
            push(Content::Text(text));
        }
    }
}

/// How likely the tokens of the text were: those of a refusal have no counterpart elsewhere.
pub(super) fn read_logprobs(raw: &RawValue) -> Option<Logprobs<'_>> {
    Logprobs::listed(Object::of(raw)?.get("content")?)
}

fn read_call<'a>(call: &Object<'a>) -> Result<Content<'a>, ResponseFault> {
    let missing = |missing| ResponseFault::Malformed { missing };
    let function = call
        .object("function")
        .ok_or_else(|| missing("the function of a tool call"))?;
    Ok(Content::ToolCall {
        id: call
            .string("id")
            .filter(|id| !id.is_empty())
            .ok_or_else(|| missing("the id of a tool call"))?,
        name: function
            .string("name")
            .ok_or_else(|| missing("the name of a tool call"))?,
        input: match function.get("arguments") {
            // Some servers send the object itself.
            Some(raw) => Text::of(raw).map_or(Input::Object(raw), Input::Quoted),
            None => Input::Quoted(Text::plain("{}")),
        },
    })
}

/// Writes the answer of a chat completion.
pub(crate) fn write_answer(answer: &Answer<'_>, exchange: &Exchange) -> String {
    let mut out = Writer::with_capacity(512);
    out.object(|out| {
        match &answer.id {
            Some(id) => out.key("id").text(id),
            None => out
                .key("id")
                .str(&format!("chatcmpl-{}", exchange.fallback_id)),
        };
        out.key("object").str("chat.completion");
        out.key("created").number(exchange.created);
        match &answer.model {
            Some(model) => out.key("model").text(model),
            None => out.key("model").str(&exchange.served_model),
        };
        out.key("choices").array(|out| {
            out.object(|out| {
                out.key("index").number(0);
                out.key("message").object(|out| write_message(answer, out));
                let scored = answer.blocks.iter().filter_map(|block| block.logprobs);
                write_logprobs(&scored.collect::<Vec<_>>(), out);
                out.key("finish_reason").str(finish_reason(answer.stop));
            });
        });
        write_usage(&answer.usage, out.key("usage"));
    });
    out.into_string()
}

/// Writes how likely tokens were; `null` for none.
pub(super) fn write_logprobs(pieces: &[Logprobs<'_>], out: &mut Writer) {
    out.key("logprobs");
    if pieces.is_empty() {
        out.null();
        return;
    }
    out.object(|out| {
        out.key("content").array(|out| {
            pieces.iter().for_each(|piece| piece.write_listed(out));
        });
        out.key("refusal").null();
    });
}

fn write_message(answer: &Answer<'_>, out: &mut Writer) {
    let contents = || answer.blocks.iter().map(|block| &block.content);
    let texts = contents().filter_map(|content| match content {
        Content::Text(text) => Some(text),
        _ => None,
    });
    out.key("role").str("assistant");
    match Text::join(texts, "") {
        Some(text) => out.key("content").text(&text),
        None => out.key("content").null(),
    };
    let refusals = contents().filter_map(|content| match content {
        Content::Refusal(text) => Some(text),
        _ => None,
    });
    match Text::join(refusals, "") {
        Some(text) => out.key("refusal").text(&text),
        None => out.key("refusal").null(),
    };
    write_annotations(answer, out);
    write_thinking(answer, out);
    let has_calls = contents().any(|content| matches!(content, Content::ToolCall { .. }));
    if !has_calls {
        return;
    }
    out.key("tool_calls").array(|out| {
        for content in contents() {
            let Content::ToolCall { id, name, input } = content else {
                continue;
            };
            out.object(|out| {
                out.key("id").str(id);
                out.key("type").str("function");
                out.key("function").object(|out| {
                    out.key("name").str(name);
                    out.key("arguments").text(&input.quoted());
                });
            });
        }
    });
}

/// Writes what the text is from, where that is known, by the characters of all of it.
fn write_annotations(answer: &Answer<'_>, out: &mut Writer) {
    if answer.blocks.iter().all(|block| block.citations.is_empty()) {
        return;
    }
    out.key("annotations").array(|out| {
        let mut before = 0;
        for block in &answer.blocks {
            let Content::Text(text) = &block.content else {
                continue;
            };
            let text = text.decoded();
            for citation in &block.citations {
                let span = citation.span.within(&text, Unit::Chars);
                let span = (before + span.start, before + span.end);
                write_annotation(citation, span, Form::Nested, out);
            }
            before += Unit::Chars.of(&text);
        }
    });
}

/// Writes thinking twice: as text, which many clients show, and as the blocks that the provider
/// wants back, signatures and all.
fn write_thinking(answer: &Answer<'_>, out: &mut Writer) {
    let contents = || answer.blocks.iter().map(|block| &block.content);
    let texts = contents().filter_map(|content| match content {
        Content::Thinking { text, .. } => Some(text),
        _ => None,
    });
    if let Some(text) = Text::join(texts, "") {
        out.key("reasoning_content").text(&text);
    }
    let is_block = |content: &&Content<'_>| {
        matches!(
            content,
            Content::Thinking {
                signature: Some(_),
                ..
            } | Content::Redacted(_)
        )
    };
    if contents().all(|content| !is_block(&content)) {
        return;
    }
    out.key("thinking_blocks").array(|out| {
        for content in contents() {
            match content {
                Content::Thinking {
                    text,
                    signature: Some(signature),
                } => {
                    out.object(|out| write_thinking_block(text, signature, out));
                }
                Content::Redacted(data) => {
                    out.object(|out| write_redacted_block(data, out));
                }
                _ => {}
            }
        }
    });
}

pub(super) fn write_thinking_block(text: &Text<'_>, signature: &Text<'_>, out: &mut Writer) {
    out.key("type").str("thinking");
    out.key("thinking").text(text);
    out.key("signature").text(signature);
}

pub(super) fn write_redacted_block(data: &Text<'_>, out: &mut Writer) {
    out.key("type").str("redacted_thinking");
    out.key("data").text(data);
}
