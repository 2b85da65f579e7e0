//! From Google's dialect.

use serde_json::value::RawValue;

use crate::error::ErrorBody;
use crate::exchange::Exchange;
use crate::gemini::grounding::read_grounding;
use crate::gemini::response::read_part;
use crate::gemini::{Counts, read_usage, stop_of};
use crate::json::{Hole, Object, Shape, Text, objects};
use crate::neutral::{Content, Event, Input, Logprobs, Stop};
use crate::relay::Shown;
use crate::usage::Usage;

/// Reads the events of one stream.
#[derive(Debug)]
pub(crate) struct Reader {
    calls: usize,
    is_finished: bool,
    /// Whether a part came that no other dialect has.
    has_hidden_part: bool,
    id: String,
    shape: Shape,
}

impl Reader {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            calls: 0,
            is_finished: false,
            has_hidden_part: false,
            id: exchange.fallback_id.clone(),
            shape: Shape::default(),
        }
    }

    /// Tells whether the answer has its reason for the end, which is all that proves it whole.
    pub(crate) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Tells whether the answer has a part that is neither text nor thinking nor a call.
    pub(crate) const fn has_hidden_part(&self) -> bool {
        self.has_hidden_part
    }

    /// Reads one event's data; `None` when it is malformed.
    pub(crate) fn read(&mut self, data: &str, emit: &mut dyn FnMut(Event<'_>)) -> Option<Shown> {
        let data = data.trim();
        let mut counts = Counts::default();
        let token = self
            .shape
            .read(data, |name, value| counts.take(name, value));
        if let Some(token) = token {
            if let Some(text) = Text::of_literal(token) {
                emit(Event::Text(text));
            }
            if let Some(usage) = counts.usage() {
                self.usage(usage, emit);
            }
            return Some(Shown::Anything);
        }
        self.shape.forget();
        if !data.starts_with('{') {
            emit(Event::Error(ErrorBody::read(data.as_bytes())?));
            return Some(Shown::Anything);
        }
        let chunk: Object<'_> = serde_json::from_str(data).ok()?;
        if chunk.get("error").is_some() {
            emit(Event::Error(ErrorBody::read(data.as_bytes())?));
            return Some(Shown::Anything);
        }
        let id = chunk.text("responseId");
        emit(Event::Begin {
            id,
            model: chunk.text("modelVersion"),
        });
        match chunk.get("candidates") {
            Some(candidates) => {
                if let Some(candidate) = objects(candidates)?.into_iter().next()
                    && let Some(token) = self.read_candidate(&candidate, emit)
                {
                    let counts = chunk.get("usageMetadata").map(RawValue::get);
                    let values = [(Hole::Token, Some(token)), (Hole::Counts, counts)];
                    self.shape.learn(data, values);
                }
            }
            None => {
                let blocked = chunk.object("promptFeedback");
                if blocked.is_some_and(|feedback| feedback.get("blockReason").is_some()) {
                    self.finish(Stop::Refusal, emit);
                }
            }
        }
        if let Some(usage) = chunk.object("usageMetadata") {
            self.usage(read_usage(&usage), emit);
        }
        Some(Shown::Anything)
    }

    /// Every event counts anew; the counts of the last stand.
    fn usage(&self, usage: Usage, emit: &mut dyn FnMut(Event<'_>)) {
        let complete = self.is_finished;
        emit(Event::Usage(Usage { complete, ..usage }));
    }

    /// Reads what a candidate brings; returns the literal of its text when that is all.
    fn read_candidate<'a>(
        &mut self,
        candidate: &Object<'a>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<&'a str> {
        let parts = candidate
            .object("content")
            .and_then(|content| content.get("parts"))
            .and_then(objects)
            .unwrap_or_default();
        let mut logprobs = candidate.get("logprobsResult").map(Logprobs::Result);
        for part in &parts {
            let slot = self.calls;
            match read_part(part, &self.id, &mut self.calls) {
                Some(Content::Text(text)) => emit(match logprobs.take() {
                    Some(logprobs) => Event::ScoredText(text, logprobs),
                    None => Event::Text(text),
                }),
                Some(Content::Thinking { text, .. }) => emit(Event::Thinking(text)),
                Some(Content::ToolCall { id, name, input }) => {
                    emit(Event::ToolBegin {
                        slot,
                        id: &id,
                        name: &name,
                    });
                    let piece = match &input {
                        Input::Object(raw) => Text::plain(raw.get()),
                        Input::Quoted(text) => text.clone(),
                    };
                    emit(Event::ToolInput { slot, piece });
                    emit(Event::ToolEnd { slot });
                }
                _ => self.has_hidden_part |= part.get("text").is_none(),
            }
        }
        if let Some(logprobs) = logprobs {
            emit(Event::ScoredText(Text::EMPTY, logprobs));
        }
        // They count the bytes of all text so far.
        let (citations, _) = read_grounding(candidate);
        for (_, citation) in citations {
            emit(Event::Citation(citation));
        }
        if let Some(reason) = candidate.string("finishReason") {
            // The call may have come in an earlier event.
            let stop = match stop_of(&reason) {
                Stop::End if self.calls > 0 => Stop::ToolUse,
                stop => stop,
            };
            self.finish(stop, emit);
        }
        text_alone(candidate, &parts)
    }

    fn finish(&mut self, stop: Stop, emit: &mut dyn FnMut(Event<'_>)) {
        self.is_finished = true;
        emit(Event::Finish {
            stop,
            sequence: None,
        });
    }
}

/// The literal of a candidate's text, when it brings a piece of that and nothing else.
fn text_alone<'a>(candidate: &Object<'a>, parts: &[Object<'a>]) -> Option<&'a str> {
    let is_plain =
        |(name, _): (&str, &RawValue)| matches!(name, "content" | "index" | "safetyRatings");
    let [part] = parts else { return None };
    let mut fields = part.iter();
    match (fields.next(), fields.next()) {
        (Some(("text", raw)), None) if candidate.iter().all(is_plain) => {
            Text::of(raw).map(|_| raw.get())
        }
        _ => None,
    }
}
