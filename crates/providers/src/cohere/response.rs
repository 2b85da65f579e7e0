//! Whole answers.

use crate::error::ErrorBody;
use crate::exchange::{Dropped, ResponseFault};
use crate::fault::FaultClass;
use crate::json::{Object, Text, objects};
use crate::neutral::{Answer, Block, Content, Input, Place};
use crate::usage::Usage;

use super::citation::read_citation;
use super::stop_of;
use super::usage::read_usage;

/// Reads the answer of a chat call.
pub(crate) fn read_answer<'a>(answer: &Object<'a>) -> Result<Answer<'a>, ResponseFault> {
    let malformed = |missing| ResponseFault::Malformed { missing };
    let message = answer
        .object("message")
        .ok_or_else(|| malformed("a message"))?;
    let reason = answer
        .string("finish_reason")
        .ok_or_else(|| malformed("finish_reason"))?;
    let Some(stop) = stop_of(&reason) else {
        return Err(gave_up(&reason));
    };
    let mut blocks = Vec::with_capacity(2);
    let new = |content| Block::new(Place::Answer, content);
    if let Some(plan) = message.text("tool_plan").filter(|plan| !plan.is_empty()) {
        blocks.push(new(thinking(plan)));
    }
    let content = message.get("content").and_then(objects).unwrap_or_default();
    // Which block came of each part.
    let mut places = Vec::with_capacity(content.len());
    for part in &content {
        places.push(blocks.len());
        if let Some(text) = part.text("thinking").filter(|text| !text.is_empty()) {
            blocks.push(new(thinking(text)));
        } else if let Some(text) = part.text("text").filter(|text| !text.is_empty()) {
            blocks.push(new(Content::Text(text)));
        }
    }
    let mut dropped = Dropped::default();
    let citations = message.get("citations").and_then(objects);
    for object in citations.iter().flatten() {
        let part = object.number("content_index");
        let part = part.and_then(|part| usize::try_from(part).ok());
        let place = part.and_then(|part| places.get(part)).copied();
        let mut blocks = blocks.iter_mut().skip(place.unwrap_or(0));
        let read = read_citation(object).into_iter();
        let read = read.filter_map(|citation| dropped.unless_some("citations", citation));
        if let Some(block) = blocks.find(|block: &&mut Block<'_>| block.is_text()) {
            block.citations.extend(read);
        }
    }
    let calls = message.get("tool_calls").and_then(objects);
    for call in calls.iter().flatten() {
        let call = read_call(call);
        let call = call.ok_or_else(|| malformed("a tool call's id, name or arguments"))?;
        blocks.push(new(call));
    }
    Ok(Answer {
        id: answer.text("id").filter(|id| !id.is_empty()),
        model: None,
        blocks,
        stop,
        stop_sequence: None,
        usage: answer
            .object("usage")
            .map_or_else(Usage::default, |usage| read_usage(&usage)),
        dropped,
    })
}

/// What a model means to do with tools is thought, not said.
fn thinking(text: Text<'_>) -> Content<'_> {
    Content::Thinking {
        text,
        signature: None,
    }
}

fn read_call<'a>(call: &Object<'a>) -> Option<Content<'a>> {
    let function = call.object("function")?;
    Some(Content::ToolCall {
        id: call.string("id")?,
        name: function.string("name")?,
        input: match function.text("arguments") {
            Some(arguments) => Input::Quoted(arguments),
            None => Input::Quoted(Text::plain("{}")),
        },
    })
}

fn gave_up(reason: &str) -> ResponseFault {
    let class = match reason {
        "TIMEOUT" => FaultClass::Timeout,
        _ => FaultClass::ServerError,
    };
    ResponseFault::Error {
        class,
        message: format!("the answer ended with {reason}"),
    }
}

/// The same in a stream.
pub(super) fn gave_up_midway(reason: &str, message: Option<Text<'_>>) -> ErrorBody {
    let message = message.map_or_else(
        || format!("the answer ended with {reason}"),
        |message| message.decoded().into_owned(),
    );
    let kind = match reason {
        "TIMEOUT" => "timeout",
        _ => "",
    };
    ErrorBody {
        message,
        kind: kind.to_owned(),
        ..ErrorBody::default()
    }
}
