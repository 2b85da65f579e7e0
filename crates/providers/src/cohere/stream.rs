//! Streams of events.

use crate::error::ErrorBody;
use crate::json::Object;
use crate::neutral::Event;
use crate::relay::Shown;

use super::citation::read_citation;
use super::response::gave_up_midway;
use super::stop_of;
use super::usage::read_usage;

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// How many tool calls have begun; they come one after the other.
    calls: usize,
    is_finished: bool,
}

impl Reader {
    /// Tells whether the answer has its reason for the end, which is all that proves it whole.
    pub(crate) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Reads one event's data; `None` when it is malformed.
    pub(crate) fn read(&mut self, data: &str, emit: &mut dyn FnMut(Event<'_>)) -> Option<Shown> {
        let data = data.trim();
        if data == "[DONE]" {
            return self.is_finished.then_some(Shown::Anything);
        }
        let event: Object<'_> = serde_json::from_str(data).ok()?;
        let Some(kind) = event.string("type") else {
            // What goes wrong on the way comes without a type.
            emit(Event::Error(ErrorBody::read(data.as_bytes())?));
            return Some(Shown::Anything);
        };
        let delta = event.object("delta").unwrap_or_default();
        let message = delta.object("message").unwrap_or_default();
        match kind.as_ref() {
            "message-start" => emit(Event::Begin {
                id: event.text("id").filter(|id| !id.is_empty()),
                model: None,
            }),
            "content-start" | "content-delta" => {
                if kind == "content-start" {
                    emit(Event::TextPart);
                }
                let content = message.object("content").unwrap_or_default();
                if let Some(text) = content.text("text").filter(|text| !text.is_empty()) {
                    emit(Event::Text(text));
                }
                if let Some(text) = content.text("thinking").filter(|text| !text.is_empty()) {
                    emit(Event::Thinking(text));
                }
            }
            "citation-start" => {
                let citation = message.object("citations").unwrap_or_default();
                for citation in read_citation(&citation).into_iter().flatten() {
                    emit(Event::Citation(citation));
                }
            }
            "tool-plan-delta" => {
                if let Some(plan) = message.text("tool_plan").filter(|plan| !plan.is_empty()) {
                    emit(Event::Thinking(plan));
                }
            }
            "tool-call-start" => self.begin_call(&message.object("tool_calls")?, emit)?,
            "tool-call-delta" => self.call_input(&message.object("tool_calls")?, emit)?,
            "tool-call-end" => {
                let slot = self.calls.checked_sub(1)?;
                emit(Event::ToolEnd { slot });
            }
            "message-end" => self.read_end(&delta, emit)?,
            // Ends of content and citations, and what may come one day.
            _ => {}
        }
        Some(Shown::Anything)
    }

    fn begin_call(&mut self, call: &Object<'_>, emit: &mut dyn FnMut(Event<'_>)) -> Option<()> {
        let slot = self.calls;
        self.calls += 1;
        let name = call.object("function")?.string("name")?;
        emit(Event::ToolBegin {
            slot,
            id: &call.string("id")?,
            name: &name,
        });
        self.call_input(call, emit)
    }

    fn call_input(&self, call: &Object<'_>, emit: &mut dyn FnMut(Event<'_>)) -> Option<()> {
        let slot = self.calls.checked_sub(1)?;
        let piece = call.object("function")?.text("arguments");
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            emit(Event::ToolInput { slot, piece });
        }
        Some(())
    }

    fn read_end(&mut self, delta: &Object<'_>, emit: &mut dyn FnMut(Event<'_>)) -> Option<()> {
        if let Some(usage) = delta.object("usage") {
            emit(Event::Usage(read_usage(&usage)));
        }
        let reason = delta.string("finish_reason")?;
        let Some(stop) = stop_of(&reason) else {
            emit(Event::Error(gave_up_midway(&reason, delta.text("error"))));
            return Some(());
        };
        self.is_finished = true;
        let sequence = None;
        emit(Event::Finish { stop, sequence });
        emit(Event::Done);
        Some(())
    }
}
