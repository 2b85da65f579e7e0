//! Whole answers.

use super::item::{Item, Notes, Progress};
use super::{read_usage, write_usage};
use crate::exchange::{Dropped, Exchange, ResponseFault};
use crate::json::{Object, Text, Writer, objects};
use crate::neutral::{Answer, Block, Content, Input, Logprobs, Place, Stop, Unit};
use crate::openai::annotation::{Form, read_annotations};
use crate::usage::Usage;

/// Reads a response.
pub(crate) fn read_answer<'a>(answer: &Object<'a>) -> Result<Answer<'a>, ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    let output = answer
        .get("output")
        .and_then(objects)
        .ok_or_else(|| malformed("output"))?;
    let mut blocks = Vec::with_capacity(output.len());
    let mut dropped = Dropped::default();
    for item in &output {
        read_item(item, &mut blocks, &mut dropped)?;
    }
    Ok(Answer {
        id: answer.text("id"),
        model: answer.text("model"),
        stop: stop_of(answer, &blocks),
        blocks,
        stop_sequence: None,
        usage: answer
            .object("usage")
            .map_or_else(Usage::default, |usage| read_usage(&usage)),
        dropped,
    })
}

fn read_item<'a>(
    item: &Object<'a>,
    blocks: &mut Vec<Block<'a>>,
    dropped: &mut Dropped,
) -> Result<(), ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    let mut push = |content| blocks.push(Block::new(Place::Answer, content));
    match item.string("type").as_deref() {
        Some("message") => {
            for part in item.get("content").and_then(objects).unwrap_or_default() {
                if let Some(text) = part.text("text") {
                    let mut block = Block::new(Place::Answer, Content::Text(text));
                    block.logprobs = part.get("logprobs").and_then(Logprobs::listed);
                    let annotations = part.get("annotations").into_iter();
                    let citations = annotations.flat_map(|raw| read_annotations(raw, Form::Flat));
                    let citations =
                        citations.filter_map(|read| dropped.unless_some("annotations", read));
                    block.citations = citations.collect();
                    blocks.push(block);
                } else if let Some(refusal) = part.text("refusal") {
                    blocks.push(Block::new(Place::Answer, Content::Refusal(refusal)));
                }
            }
        }
        Some("reasoning") => {
            for part in item.get("summary").and_then(objects).unwrap_or_default() {
                if let Some(text) = part.text("text") {
                    let signature = None;
                    push(Content::Thinking { text, signature });
                }
            }
        }
        Some("function_call") => push(Content::ToolCall {
            id: item
                .string("call_id")
                .ok_or_else(|| malformed("the id of a tool call"))?,
            name: item
                .string("name")
                .ok_or_else(|| malformed("the name of a tool call"))?,
            input: Input::Quoted(item.text("arguments").unwrap_or_else(|| Text::plain(""))),
        }),
        // Tools that the provider runs by itself.
        _ => {}
    }
    Ok(())
}

/// Why a response ended.
pub(super) fn stop_of(response: &Object<'_>, blocks: &[Block<'_>]) -> Stop {
    let reason = response
        .object("incomplete_details")
        .and_then(|details| details.string("reason"));
    let has = |wanted: fn(&Content<'_>) -> bool| blocks.iter().any(|block| wanted(&block.content));
    match reason.as_deref() {
        Some("content_filter") => Stop::Refusal,
        Some(_) => Stop::Length,
        None if has(|content| matches!(content, Content::ToolCall { .. })) => Stop::ToolUse,
        None if has(|content| matches!(content, Content::Refusal(_))) => Stop::Refusal,
        None => Stop::End,
    }
}

/// The part of a response that its every state has.
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    pub(super) created: u64,
    pub(super) model: &'a str,
    pub(super) stop: Option<Stop>,
}

impl Head<'_> {
    /// Whether and why the answer is less than it would have been.
    fn shortened(&self) -> Option<&'static str> {
        match self.stop {
            Some(Stop::Length | Stop::ContextWindow) => Some("max_output_tokens"),
            Some(Stop::Refusal) => Some("content_filter"),
            Some(Stop::End | Stop::Sequence | Stop::ToolUse | Stop::Pause) | None => None,
        }
    }

    pub(super) fn status(&self) -> &'static str {
        match (self.stop, self.shortened()) {
            (None, _) => "in_progress",
            (Some(_), None) => "completed",
            (Some(_), Some(_)) => "incomplete",
        }
    }

    pub(super) fn write(
        &self,
        usage: Option<&Usage>,
        output: impl FnOnce(&mut Writer),
        out: &mut Writer,
    ) {
        out.object(|out| {
            out.key("id").str(self.id);
            out.key("object").str("response");
            out.key("created_at").number(self.created);
            out.key("status").str(self.status());
            out.key("error").null();
            match self.shortened() {
                Some(reason) => out.key("incomplete_details").object(|out| {
                    out.key("reason").str(reason);
                }),
                None => out.key("incomplete_details").null(),
            };
            out.key("instructions").null();
            out.key("metadata").object(|_| {});
            out.key("model").str(self.model);
            out.key("output").array(output);
            out.key("parallel_tool_calls").bool(true);
            out.key("tool_choice").str("auto");
            out.key("tools").array(|_| {});
            match usage {
                Some(usage) => write_usage(usage, out.key("usage")),
                None => {
                    out.key("usage").null();
                }
            }
        });
    }
}

/// Writes a response.
pub(crate) fn write_answer(answer: &Answer<'_>, exchange: &Exchange) -> String {
    let mut out = Writer::with_capacity(1024);
    let id = format!("resp_{}", exchange.fallback_id);
    let model = answer.model.as_ref().map(Text::decoded);
    let head = Head {
        id: &id,
        created: exchange.created,
        model: model.as_deref().unwrap_or(&exchange.served_model),
        stop: Some(answer.stop),
    };
    let notes: Vec<_> = answer.blocks.iter().map(notes_of).collect();
    let output = |out: &mut Writer| {
        let items = answer.blocks.iter().zip(&notes).filter_map(item_of);
        for (index, item) in items.enumerate() {
            let id = item.id(&exchange.fallback_id, index);
            item.write(&id, Progress::Done, out);
        }
    };
    head.write(Some(&answer.usage), output, &mut out);
    out.into_string()
}

fn notes_of(block: &Block<'_>) -> Notes {
    let mut notes = Notes::default();
    notes.add_logprobs(block.logprobs);
    if let (Content::Text(text), false) = (&block.content, block.citations.is_empty()) {
        let text = text.decoded();
        for citation in &block.citations {
            let span = citation.span.within(&text, Unit::Chars);
            notes.add_citation(citation, (span.start, span.end));
        }
    }
    notes
}

fn item_of<'b>((block, notes): (&'b Block<'_>, &'b Notes)) -> Option<Item<'b>> {
    match &block.content {
        Content::Text(text) => Some(Item::Text(text.clone(), notes)),
        Content::Refusal(text) => Some(Item::Refusal(text.clone())),
        Content::Thinking { text, .. } => Some(Item::Thinking(text.clone())),
        Content::ToolCall { id, name, input } => Some(Item::Call {
            id,
            name,
            arguments: input.quoted(),
        }),
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult { .. }
        | Content::Redacted(_)
        | Content::Unknown { .. } => None,
    }
}
