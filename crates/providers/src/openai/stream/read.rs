//! From OpenAI's dialect.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ErrorBody;
use crate::exchange::Exchange;
use crate::json::{Hole, Object, Shape, Text};
use crate::neutral::{Event, Logprobs, Stop};
use crate::openai::annotation::{Form, read_annotations};
use crate::openai::response::read_logprobs;
use crate::openai::{read_usage, stop_of};
use crate::relay::Shown;

/// Reads the events of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    /// For each choice seen, whether it has its reason for the end.
    choices: Vec<(u64, bool)>,
    calls: Vec<Call>,
    has_refusal: bool,
    id_base: String,
    shape: Shape,
}

/// A tool call as far as it is known.
#[derive(Debug)]
struct Call {
    /// The provider's index for it.
    index: u64,
    id: Option<String>,
    name: Option<String>,
    has_begun: bool,
    /// Pieces of its input that came before its name, as escaped text.
    early: String,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    obfuscation: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

impl Choice<'_> {
    /// Tells whether it is of the first answer and brings no more than a piece of its text.
    fn is_text_alone(&self) -> bool {
        self.index == 0
            && self.finish_reason.is_none()
            && self.logprobs.is_none()
            && self.delta.as_ref().is_some_and(|delta| {
                delta.reasoning_content.is_none()
                    && delta.reasoning.is_none()
                    && delta.refusal.is_none()
                    && delta.annotations.is_none()
                    && delta.tool_calls.is_none()
            })
    }
}

#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<CallDelta<'a>>>,
}

#[derive(Deserialize)]
struct CallDelta<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function: Option<FunctionDelta<'a>>,
}

#[derive(Default, Deserialize)]
struct FunctionDelta<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// A string with something in it.
fn text(raw: Option<&RawValue>) -> Option<Text<'_>> {
    raw.and_then(Text::of).filter(|text| !text.is_empty())
}

impl Reader {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            choices: Vec::new(),
            calls: Vec::new(),
            has_refusal: false,
            id_base: exchange.fallback_id.clone(),
            shape: Shape::default(),
        }
    }

    /// Tells whether every choice seen has its reason for the end.
    pub(crate) fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|(_, is_finished)| *is_finished)
    }

    /// Reads one event's data; `None` when it is malformed.
    pub(crate) fn read(&mut self, data: &str, emit: &mut dyn FnMut(Event<'_>)) -> Option<Shown> {
        let data = data.trim();
        if let Some(token) = self.shape.read(data, |_, _| {}) {
            if let Some(text) = Text::of_literal(token) {
                emit(Event::Text(text));
            }
            return Some(Shown::Anything);
        }
        if data == "[DONE]" {
            return self.read_done(emit);
        }
        if !data.starts_with('{') {
            // Some wrap their errors once more; nothing else is not an object.
            let said = ErrorBody::read(data.as_bytes())?;
            emit(Event::Error(said));
            return Some(Shown::Anything);
        }
        let chunk: Chunk<'_> = serde_json::from_str(data).ok()?;
        if chunk.error.is_some() {
            emit(Event::Error(ErrorBody::read(data.as_bytes())?));
            return Some(Shown::Anything);
        }
        let choices = chunk.choices.unwrap_or_default();
        self.learn(
            data,
            &choices,
            chunk.usage.or(chunk.error),
            chunk.obfuscation,
        );
        let shown = match (choices.is_empty(), chunk.usage) {
            (true, Some(_)) => Shown::UsageOnly,
            _ => Shown::Anything,
        };
        if !choices.is_empty() {
            emit(Event::Begin {
                id: text(chunk.id),
                model: text(chunk.model),
            });
        }
        let usage = chunk.usage.and_then(Object::of);
        if let Some(usage) = usage {
            emit(Event::Usage(read_usage(&usage)));
        }
        for choice in choices {
            self.read_choice(choice, emit);
        }
        Some(shown)
    }

    /// Learns the shape of an event that brings a piece of text and nothing else.
    fn learn(
        &mut self,
        data: &str,
        choices: &[Choice<'_>],
        other: Option<&RawValue>,
        padding: Option<&RawValue>,
    ) {
        self.shape.forget();
        if let ([choice], None) = (choices, other)
            && choice.is_text_alone()
            && let Some(delta) = &choice.delta
            && let Some(token) = text(delta.content)
        {
            let padding = padding.map(RawValue::get);
            let values = [
                (Hole::Token, Some(token.literal())),
                (Hole::Padding, padding),
            ];
            self.shape.learn(data, values);
        }
    }

    /// The end. One that comes before anything else ends no answer.
    fn read_done(&mut self, emit: &mut dyn FnMut(Event<'_>)) -> Option<Shown> {
        if self.choices.is_empty() {
            return None;
        }
        if !self.is_finished() {
            let stop = self.corrected(Stop::End);
            let sequence = None;
            emit(Event::Finish { stop, sequence });
        }
        emit(Event::Done);
        Some(Shown::Anything)
    }

    fn read_choice(&mut self, choice: Choice<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let is_first = choice.index == 0;
        let reason = choice
            .finish_reason
            .and_then(Text::of)
            .filter(|reason| !reason.is_empty());
        match self
            .choices
            .iter_mut()
            .find(|(index, _)| *index == choice.index)
        {
            Some((_, is_finished)) => *is_finished |= reason.is_some(),
            None => self.choices.push((choice.index, reason.is_some())),
        }
        let delta = choice.delta.unwrap_or_default();
        let logprobs = choice.logprobs.and_then(read_logprobs);
        self.read_texts(&delta, logprobs, emit);
        for call in delta.tool_calls.unwrap_or_default() {
            // Only a request in OpenAI's own dialect can ask for several answers; it passes
            // through, and the calls of its other answers need not be told apart.
            self.read_call(&call, emit);
        }
        if let (true, Some(reason)) = (is_first, reason) {
            let stop = self.corrected(stop_of(&reason.decoded()));
            let sequence = None;
            emit(Event::Finish { stop, sequence });
        }
    }

    fn read_texts(
        &mut self,
        delta: &Delta<'_>,
        logprobs: Option<Logprobs<'_>>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        if let Some(thinking) = text(delta.reasoning_content.or(delta.reasoning)) {
            emit(Event::Thinking(thinking));
        }
        match (delta.content.and_then(Text::of), logprobs) {
            (Some(content), None) if !content.is_empty() => emit(Event::Text(content)),
            (_, None) => {}
            (content, Some(logprobs)) => {
                let content = content.unwrap_or(Text::EMPTY);
                emit(Event::ScoredText(content, logprobs));
            }
        }
        let annotations = delta.annotations.into_iter();
        let citations = annotations.flat_map(|raw| read_annotations(raw, Form::Nested));
        for citation in citations.flatten() {
            emit(Event::Citation(citation));
        }
        if let Some(refusal) = text(delta.refusal) {
            self.has_refusal = true;
            emit(Event::Refusal(refusal));
        }
    }

    /// Some say `stop`, or nothing, where tools are called or the answer is refused.
    fn corrected(&self, stop: Stop) -> Stop {
        match stop {
            Stop::End if self.calls.iter().any(|call| call.has_begun) => Stop::ToolUse,
            Stop::End if self.has_refusal => Stop::Refusal,
            stop => stop,
        }
    }

    fn read_call(&mut self, delta: &CallDelta<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let id = text(delta.id).map(|id| id.into_decoded().into_owned());
        let function = delta.function.as_ref();
        let name = text(function.and_then(|function| function.name));
        let input = text(function.and_then(|function| function.arguments));
        let slot = self.slot_of(delta.index, id.as_deref(), name.is_some());
        let fallback = format_args!("call_{}_{slot}", self.id_base).to_string();
        let Some(call) = self.calls.get_mut(slot) else {
            return;
        };
        if call.id.is_none() {
            call.id = id;
        }
        if call.name.is_none() {
            call.name = name.map(|name| name.into_decoded().into_owned());
        }
        if !call.has_begun {
            let Some(name) = &call.name else {
                call.early
                    .push_str(input.as_ref().map_or("", Text::escaped));
                return;
            };
            call.has_begun = true;
            let id = call.id.as_deref().unwrap_or(&fallback);
            emit(Event::ToolBegin { slot, id, name });
            if !call.early.is_empty() {
                let piece = Text::from_escaped(&std::mem::take(&mut call.early));
                emit(Event::ToolInput { slot, piece });
            }
        }
        if let Some(piece) = input {
            emit(Event::ToolInput { slot, piece });
        }
    }

    /// Finds the call that a piece belongs to, or begins one.
    ///
    /// The index decides, but some leave it out or give each call the same: an identifier of its
    /// own, together with a name, begins a call of its own.
    fn slot_of(&mut self, index: Option<u64>, id: Option<&str>, has_name: bool) -> usize {
        let known = match index {
            Some(index) => self.calls.iter().rposition(|call| call.index == index),
            None => self.calls.len().checked_sub(1),
        };
        let begins = |call: &Call| has_name && id.is_some() && call.id.as_deref() != id;
        match known {
            Some(slot)
                if self
                    .calls
                    .get(slot)
                    .is_some_and(|call| !(call.has_begun && begins(call))) =>
            {
                slot
            }
            _ => {
                self.calls.push(Call {
                    index: index.unwrap_or(self.calls.len() as u64),
                    id: None,
                    name: None,
                    has_begun: false,
                    early: String::new(),
                });
                self.calls.len() - 1
            }
        }
    }
}
