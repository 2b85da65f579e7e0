//! From the Responses API.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::ErrorBody;
use crate::json::{Hole, Object, Shape, Text};
use crate::neutral::{Citation, Event, Logprobs, Stop};
use crate::openai::annotation::{Form, read_annotation};
use crate::relay::Shown;
use crate::responses::read_usage;
use crate::responses::response::stop_of;

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The provider's index of each call, in the order of the calls.
    calls: Vec<u64>,
    has_refusal: bool,
    shape: Shape,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(borrow, default)]
    sequence_number: Option<&'a RawValue>,
    #[serde(default)]
    output_index: u64,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    obfuscation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

impl<'a> Wire<'a> {
    /// What a piece of text differs in from the next.
    fn values(&self) -> [(Hole, Option<&'a str>); 3] {
        [
            (Hole::Count, self.sequence_number.map(RawValue::get)),
            (Hole::Token, self.delta.map(RawValue::get)),
            (Hole::Padding, self.obfuscation.map(RawValue::get)),
        ]
    }

    /// A piece of text, and how likely its tokens were where that is said.
    fn text(&self) -> Option<Event<'a>> {
        let text = self.delta.and_then(Text::of)?;
        Some(match self.logprobs.and_then(Logprobs::listed) {
            Some(logprobs) => Event::ScoredText(text, logprobs),
            None => Event::Text(text),
        })
    }

    /// A page of the web that text is from; `None` for what else an annotation may say.
    fn citation(&self) -> Option<Citation<'a>> {
        read_annotation(&Object::of(self.annotation?)?, Form::Flat)
    }
}

impl Reader {
    /// Reads one event's data; `None` when it is malformed.
    pub(crate) fn read(&mut self, data: &str, emit: &mut dyn FnMut(Event<'_>)) -> Option<Shown> {
        let data = data.trim();
        if let Some(token) = self.shape.read(data, |_, _| {}) {
            if let Some(text) = Text::of_literal(token) {
                emit(Event::Text(text));
            }
            return Some(Shown::Anything);
        }
        self.shape.forget();
        // Some end the stream as chat completions do; the answer is whole without it.
        if data == "[DONE]" {
            return Some(Shown::Anything);
        }
        if !data.starts_with('{') {
            return None;
        }
        self.take(data, &serde_json::from_str(data).ok()?, emit)?;
        Some(Shown::Anything)
    }

    fn take(
        &mut self,
        data: &str,
        event: &Wire<'_>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<()> {
        let delta = || event.delta.and_then(Text::of);
        match event.kind.get().trim_matches('"') {
            "response.created" | "response.in_progress" => {
                let response = Object::of(event.response?)?;
                emit(Event::Begin {
                    id: response.text("id"),
                    model: response.text("model"),
                });
            }
            "response.output_text.delta" => {
                let text = event.text()?;
                if let Event::Text(_) = text {
                    self.shape.learn(data, event.values());
                }
                emit(text);
            }
            "response.content_part.added" => emit(Event::TextPart),
            "response.output_text.annotation.added" => {
                if let Some(citation) = event.citation() {
                    emit(Event::Citation(citation));
                }
            }
            "response.refusal.delta" => {
                self.has_refusal = true;
                emit(Event::Refusal(delta()?));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                emit(Event::Thinking(delta()?));
            }
            "response.output_item.added" => {
                self.begin(event.output_index, &Object::of(event.item?)?, emit)?;
            }
            "response.function_call_arguments.delta" => {
                let slot = self.slot(event.output_index)?;
                let piece = delta()?;
                emit(Event::ToolInput { slot, piece });
            }
            "response.output_item.done" => {
                if let Some(slot) = self.slot(event.output_index) {
                    emit(Event::ToolEnd { slot });
                }
            }
            "response.completed" | "response.incomplete" => {
                self.finish(&Object::of(event.response?)?, emit);
            }
            "response.failed" => {
                let response = event.response?;
                emit(Event::Error(ErrorBody::read(response.get().as_bytes())?));
            }
            "error" => emit(Event::Error(ErrorBody::read(data.as_bytes())?)),
            _ => {}
        }
        Some(())
    }

    fn slot(&self, index: u64) -> Option<usize> {
        self.calls.iter().position(|call| *call == index)
    }

    fn begin(
        &mut self,
        index: u64,
        item: &Object<'_>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<()> {
        if item.string("type")? == "function_call" {
            self.calls.push(index);
            emit(Event::ToolBegin {
                slot: self.calls.len() - 1,
                id: &item.string("call_id")?,
                name: &item.string("name")?,
            });
        }
        Some(())
    }

    fn finish(&self, response: &Object<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        if let Some(usage) = response.object("usage") {
            emit(Event::Usage(read_usage(&usage)));
        }
        let stop = match stop_of(response, &[]) {
            Stop::End if !self.calls.is_empty() => Stop::ToolUse,
            Stop::End if self.has_refusal => Stop::Refusal,
            stop => stop,
        };
        emit(Event::Finish {
            stop,
            sequence: None,
        });
        emit(Event::Done);
    }
}
