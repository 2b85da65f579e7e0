//! Streams of events.

use crate::json::Object;
use crate::neutral::Event;
use crate::relay::Shown;
use crate::usage::Usage;

use super::citation::read_citation;
use super::stop_of;
use super::usage::read_usage;

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The tool calls that are open: the provider's index, and the slot.
    open: Vec<(u64, usize)>,
    calls: usize,
    /// The provider's index of the block of text at hand, which may begin without a word of it.
    text: Option<u64>,
    is_finished: bool,
}

impl Reader {
    /// Tells whether the answer has its reason for the end, which is all that proves it whole.
    pub(crate) const fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Reads one event of the given kind; `None` when it is malformed.
    pub(crate) fn read(
        &mut self,
        kind: &str,
        data: &str,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<Shown> {
        let event: Object<'_> = serde_json::from_str(data).ok()?;
        let index = event.number("contentBlockIndex").unwrap_or(0);
        match kind {
            "messageStart" => emit(Event::Begin {
                id: None,
                model: None,
            }),
            "contentBlockStart" => {
                let call = event
                    .object("start")
                    .and_then(|start| start.object("toolUse"));
                if let Some(call) = call {
                    let slot = self.calls;
                    self.calls += 1;
                    emit(Event::ToolBegin {
                        slot,
                        id: &call.string("toolUseId")?,
                        name: &call.string("name")?,
                    });
                    self.open.push((index, slot));
                }
            }
            "contentBlockDelta" => self.read_delta(index, &event.object("delta")?, emit),
            "contentBlockStop" => {
                if let Some(at) = self.open.iter().position(|(open, _)| *open == index) {
                    let (_, slot) = self.open.swap_remove(at);
                    emit(Event::ToolEnd { slot });
                }
            }
            "messageStop" => {
                self.is_finished = true;
                emit(Event::Finish {
                    stop: stop_of(&event.string("stopReason")?),
                    sequence: None,
                });
            }
            "metadata" => {
                if let Some(usage) = event.object("usage") {
                    let complete = true;
                    emit(Event::Usage(Usage {
                        complete,
                        ..read_usage(&usage)
                    }));
                }
                if self.is_finished {
                    emit(Event::Done);
                }
            }
            // What may come one day.
            _ => {}
        }
        Some(Shown::Anything)
    }

    fn read_delta(&mut self, index: u64, delta: &Object<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        if let Some(text) = delta.text("text").filter(|text| !text.is_empty()) {
            if self.text.replace(index) != Some(index) {
                emit(Event::TextPart);
            }
            emit(Event::Text(text));
            return;
        }
        if let Some(citation) = delta.object("citation") {
            if let Some(citation) = read_citation(&citation) {
                emit(Event::Citation(citation));
            }
            return;
        }
        if let Some(call) = delta.object("toolUse") {
            let open = self.open.iter().find(|(open, _)| *open == index);
            if let (Some((_, slot)), Some(piece)) = (open, call.text("input")) {
                emit(Event::ToolInput { slot: *slot, piece });
            }
            return;
        }
        let Some(reasoning) = delta.object("reasoningContent") else {
            return;
        };
        let given = |name| reasoning.text(name).filter(|text| !text.is_empty());
        if let Some(text) = given("text") {
            emit(Event::Thinking(text));
        } else if let Some(signature) = given("signature") {
            emit(Event::Signature(signature));
        } else if let Some(data) = given("redactedContent") {
            emit(Event::Redacted(data));
        }
    }
}
