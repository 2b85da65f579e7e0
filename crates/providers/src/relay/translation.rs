//! Events of one dialect into events of another.

mod cited;

use bytes::Bytes;

use crate::dialect::Dialect;
use crate::error::ErrorBody;
use crate::exchange::Exchange;
use crate::json::Text;
use crate::neutral::{Event, Stop, ToolNames};
use crate::{anthropic, gemini, openai, responses};

use self::cited::Cited;

/// Writes events for the client.
#[derive(Clone, Debug)]
pub(crate) struct Translation {
    writer: Writer,
    tool_names: ToolNames,
    format_tool: Option<String>,
    /// The call that stands in for a form of the answer's text.
    format_slot: Option<usize>,
    cited: Cited,
    /// Whether the next part goes on with the one at hand, which another target began.
    goes_on: bool,
    is_done: bool,
    error: Option<ErrorBody>,
}

#[derive(Clone, Debug)]
enum Writer {
    OpenAi(openai::Writer),
    Anthropic(anthropic::Writer),
    Gemini(gemini::Writer),
    Responses(responses::Writer),
}

impl Translation {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            writer: match exchange.client {
                Dialect::OpenAiChat | Dialect::BedrockConverse | Dialect::CohereChat => {
                    Writer::OpenAi(openai::Writer::new(exchange))
                }
                Dialect::AnthropicMessages => Writer::Anthropic(anthropic::Writer::new(exchange)),
                Dialect::GeminiGenerate => Writer::Gemini(gemini::Writer::new(exchange)),
                Dialect::OpenAiResponses => Writer::Responses(responses::Writer::new(exchange)),
            },
            tool_names: exchange.tool_names.clone(),
            format_tool: exchange.format_tool.clone(),
            format_slot: None,
            cited: Cited::new(exchange.client, exchange.target),
            goes_on: false,
            is_done: false,
            error: None,
        }
    }

    /// Goes on where another target's answer broke off: its names of tools hold from here.
    pub(crate) fn take_over(&mut self, exchange: &Exchange) {
        self.tool_names = exchange.tool_names.clone();
        self.format_tool.clone_from(&exchange.format_tool);
        self.end_text();
        self.cited.take_over(exchange.target);
        self.goes_on = true;
    }

    /// Writes what an event is in the client's dialect. Nothing follows an error or the end.
    pub(crate) fn write(&mut self, event: Event<'_>) {
        if self.is_done || self.error.is_some() {
            return;
        }
        match &event {
            Event::Text(text) | Event::ScoredText(text, _) => self.cited.add_text(text),
            Event::Citation(_) | Event::Begin { .. } | Event::Usage(_) => {}
            _ => self.end_text(),
        }
        match event {
            Event::Citation(citation) => {
                if let Some(citation) = self.cited.add(citation) {
                    self.forward(Event::Citation(citation));
                }
            }
            Event::TextPart => {
                self.cited.begin_part();
                if !std::mem::take(&mut self.goes_on) {
                    self.forward(Event::TextPart);
                }
            }
            Event::Error(said) => self.error = Some(said),
            Event::Done => {
                self.is_done = true;
                self.forward(Event::Done);
            }
            Event::ToolBegin { slot, name, .. } if self.format_tool.as_deref() == Some(name) => {
                self.format_slot = Some(slot);
            }
            Event::ToolBegin { slot, id, name } => {
                let name = self.tool_names.own(name).to_owned();
                self.forward(Event::ToolBegin {
                    slot,
                    id,
                    name: &name,
                });
            }
            Event::ToolInput { slot, piece } if self.format_slot == Some(slot) => {
                self.forward(Event::Text(piece));
            }
            Event::ToolEnd { slot } if self.format_slot == Some(slot) => {}
            Event::Finish {
                stop: Stop::ToolUse,
                ..
            } if self.format_slot.is_some() => self.forward(Event::Finish {
                stop: Stop::End,
                sequence: None,
            }),
            event => self.forward(event),
        }
    }

    /// Says what the text so far is from, where that waited for its end.
    fn end_text(&mut self) {
        for citation in self.cited.take_waiting() {
            self.forward(Event::Citation(citation));
        }
    }

    pub(crate) fn take_written(&mut self) -> Option<Bytes> {
        let written = match &mut self.writer {
            Writer::OpenAi(writer) => writer.take_written(),
            Writer::Anthropic(writer) => writer.take_written(),
            Writer::Gemini(writer) => writer.take_written(),
            Writer::Responses(writer) => writer.take_written(),
        };
        (!written.is_empty()).then(|| Bytes::from(written))
    }

    pub(super) const fn take_error(&mut self) -> Option<ErrorBody> {
        self.error.take()
    }

    /// Tells whether the answer can't be written in the client's dialect.
    pub(super) const fn is_broken(&self) -> bool {
        match &self.writer {
            Writer::OpenAi(_) | Writer::Anthropic(_) | Writer::Responses(_) => false,
            Writer::Gemini(writer) => writer.has_broken_call(),
        }
    }

    /// Tells whether more is held back than may be.
    pub(super) fn holds_too_much(&self) -> bool {
        let held = match &self.writer {
            Writer::OpenAi(writer) => writer.held_bytes(),
            Writer::Anthropic(writer) => writer.held_bytes(),
            Writer::Gemini(writer) => writer.held_bytes(),
            Writer::Responses(writer) => writer.held_bytes(),
        };
        held + self.cited.held_bytes() > HELD_LIMIT_BYTES
    }

    fn forward(&mut self, event: Event<'_>) {
        match &mut self.writer {
            Writer::OpenAi(writer) => writer.write(event),
            Writer::Anthropic(writer) => writer.write(event),
            Writer::Gemini(writer) => writer.write(event),
            Writer::Responses(writer) => writer.write(event),
        }
    }
}

/// The most that is held back of one stream: thinking until it is signed, calls of tools that come
/// side by side.
const HELD_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// A growing string, as JSON escapes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldText(String);

impl HeldText {
    pub(crate) fn push(&mut self, piece: &Text<'_>) {
        self.0.push_str(piece.escaped());
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies what is held.
    pub(crate) fn text(&self) -> Text<'static> {
        Text::from_escaped(&self.0)
    }

    pub(crate) fn take(&mut self) -> Text<'static> {
        Text::from_escaped(&std::mem::take(&mut self.0))
    }
}
