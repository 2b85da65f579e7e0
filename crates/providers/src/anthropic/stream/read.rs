//! From Anthropic's dialect.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::anthropic::citation::read_citation;
use crate::anthropic::stop_of;
use crate::anthropic::usage::update;
use crate::error::ErrorBody;
use crate::json::{Hole, Object, Shape, Text};
use crate::neutral::Event;
use crate::relay::Shown;
use crate::usage::Usage;

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The blocks that are open, by the provider's index.
    open: Vec<(u64, Open)>,
    /// The blocks that were begun.
    blocks: usize,
    calls: usize,
    usage: Usage,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    /// Text or thinking, which need no more to be known.
    Plain,
    Call {
        slot: usize,
    },
    /// A block of a kind that is no business of the client's.
    Hidden,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: &'a RawValue,
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    citation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stop_sequence: Option<&'a RawValue>,
}

fn text(raw: Option<&RawValue>) -> Option<Text<'_>> {
    raw.and_then(Text::of).filter(|text| !text.is_empty())
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
        if !data.starts_with('{') {
            return None;
        }
        let event: Wire<'_> = serde_json::from_str(data).ok()?;
        match event.kind.get() {
            "\"content_block_delta\"" => {
                let delta = event.delta?;
                if let Some(token) = self.read_delta(event.index, &delta, emit) {
                    self.shape.learn(data, [(Hole::Token, Some(token))]);
                }
            }
            "\"content_block_start\"" => {
                self.read_start(event.index, &event.content_block?, emit)?;
            }
            "\"content_block_stop\"" => {
                if let Some(at) = self.position(event.index)
                    && let (_, Open::Call { slot }) = self.open.swap_remove(at)
                {
                    emit(Event::ToolEnd { slot });
                }
            }
            "\"message_start\"" => {
                let message = Object::of(event.message?)?;
                emit(Event::Begin {
                    id: message.text("id").filter(|id| !id.is_empty()),
                    model: message.text("model").filter(|model| !model.is_empty()),
                });
                if let Some(usage) = message.object("usage") {
                    update(&mut self.usage, &usage);
                    emit(Event::Usage(self.usage));
                }
            }
            "\"message_delta\"" => self.read_end(&event.delta?, event.usage, emit),
            "\"message_stop\"" => emit(Event::Done),
            "\"error\"" => emit(Event::Error(ErrorBody::read(data.as_bytes())?)),
            // Pings, and what may come one day.
            _ => {}
        }
        Some(Shown::Anything)
    }

    /// Tells whether the answer so far is one block, of text or thinking, that is still open.
    pub(crate) fn is_in_only_text(&self) -> bool {
        self.blocks == 1 && matches!(self.open.as_slice(), [(0, Open::Plain)])
    }

    fn position(&self, index: u64) -> Option<usize> {
        self.open.iter().position(|(open, _)| *open == index)
    }

    fn read_start(
        &mut self,
        index: u64,
        block: &Block<'_>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<()> {
        let open = match block.kind?.get() {
            "\"text\"" => {
                emit(Event::TextPart);
                if let Some(text) = text(block.text) {
                    emit(Event::Text(text));
                }
                Open::Plain
            }
            "\"thinking\"" => {
                if let Some(text) = text(block.thinking) {
                    emit(Event::Thinking(text));
                }
                Open::Plain
            }
            "\"redacted_thinking\"" => {
                emit(Event::Redacted(text(block.data)?));
                Open::Plain
            }
            "\"tool_use\"" => {
                let slot = self.calls;
                self.calls += 1;
                emit(Event::ToolBegin {
                    slot,
                    id: &text(block.id)?.into_decoded(),
                    name: &text(block.name)?.into_decoded(),
                });
                Open::Call { slot }
            }
            _ => Open::Hidden,
        };
        self.open.push((index, open));
        self.blocks += 1;
        Some(())
    }

    /// Reads a piece of a block, and returns the literal of a piece of text.
    fn read_delta<'a>(
        &self,
        index: u64,
        delta: &Delta<'a>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Option<&'a str> {
        let open = self
            .position(index)
            .and_then(|at| self.open.get(at))
            .map_or(Open::Plain, |(_, open)| *open);
        match open {
            Open::Hidden => {}
            Open::Call { slot } => {
                if let Some(piece) = text(delta.partial_json) {
                    emit(Event::ToolInput { slot, piece });
                }
            }
            Open::Plain => {
                if let Some(text) = text(delta.text) {
                    emit(Event::Text(text));
                    return delta.text.map(RawValue::get);
                }
                if let Some(text) = text(delta.thinking) {
                    emit(Event::Thinking(text));
                } else if let Some(signature) = text(delta.signature) {
                    emit(Event::Signature(signature));
                } else if let Some(citation) = delta.citation.and_then(Object::of)
                    && let Some(citation) = read_citation(&citation)
                {
                    emit(Event::Citation(citation));
                }
            }
        }
        None
    }

    fn read_end(
        &mut self,
        delta: &Delta<'_>,
        usage: Option<&RawValue>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        if let Some(usage) = usage.and_then(Object::of) {
            update(&mut self.usage, &usage);
            self.usage.complete = true;
            emit(Event::Usage(self.usage));
        }
        if let Some(reason) = text(delta.stop_reason) {
            emit(Event::Finish {
                stop: stop_of(&reason.decoded()),
                sequence: delta.stop_sequence.and_then(Text::of),
            });
        }
    }
}
