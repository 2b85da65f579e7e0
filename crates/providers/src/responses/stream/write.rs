//! Into the Responses API.

use crate::exchange::Exchange;
use crate::json::{self, Text};
use crate::neutral::{Citation, Event, Logprobs, Span, Stop, Unit};
use crate::relay::HeldText;
use crate::responses::item::{Item, Notes, Progress};
use crate::responses::response::Head;
use crate::usage::Usage;

/// Writes the events of one stream.
///
/// The last event repeats the whole answer, which is kept for it.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    out: json::Writer,
    base_id: String,
    created: u64,
    model: String,
    sequence: u64,
    has_begun: bool,
    items: Vec<Kept>,
    usage: Usage,
    finish: Option<Stop>,
}

/// An item as far as it has come.
#[derive(Clone, Debug)]
struct Kept {
    kind: Kind,
    content: HeldText,
    notes: Notes,
    is_done: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Kind {
    Text,
    Refusal,
    Thinking,
    Call {
        slot: usize,
        id: String,
        name: String,
    },
}

impl Kept {
    /// The item with the given content.
    fn item<'k>(&'k self, content: Text<'k>) -> Item<'k> {
        match &self.kind {
            Kind::Text => Item::Text(content, &self.notes),
            Kind::Refusal => Item::Refusal(content),
            Kind::Thinking => Item::Thinking(content),
            Kind::Call { id, name, .. } => Item::Call {
                id,
                name,
                arguments: content,
            },
        }
    }
}

impl Kind {
    /// The names of the events for a piece and for the whole, and the field of the whole.
    const fn events(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Text => (
                "response.output_text.delta",
                "response.output_text.done",
                "text",
            ),
            Self::Refusal => ("response.refusal.delta", "response.refusal.done", "refusal"),
            Self::Thinking => (
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "text",
            ),
            Self::Call { .. } => (
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "arguments",
            ),
        }
    }

    /// The names of the events that begin and end a part, and the field that counts parts.
    const fn part_events(&self) -> Option<(&'static str, &'static str, &'static str)> {
        match self {
            Self::Text | Self::Refusal => Some((
                "response.content_part.added",
                "response.content_part.done",
                "content_index",
            )),
            Self::Thinking => Some((
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_part.done",
                "summary_index",
            )),
            Self::Call { .. } => None,
        }
    }
}

impl Writer {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            out: json::Writer::default(),
            base_id: exchange.fallback_id.clone(),
            created: exchange.created,
            model: exchange.served_model.clone(),
            sequence: 0,
            has_begun: false,
            items: Vec::new(),
            usage: Usage::default(),
            finish: None,
        }
    }

    pub(crate) fn take_written(&mut self) -> String {
        std::mem::take(&mut self.out).into_string()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        let held = |kept: &Kept| kept.content.len() + kept.notes.len();
        self.items.iter().map(held).sum()
    }

    pub(crate) fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { model, .. } => self.begin(model.as_ref()),
            Event::Text(text) => self.text(Kind::Text, &text, None),
            Event::ScoredText(text, logprobs) => self.text(Kind::Text, &text, Some(logprobs)),
            Event::Refusal(text) => self.text(Kind::Refusal, &text, None),
            Event::Thinking(text) => self.text(Kind::Thinking, &text, None),
            Event::ToolBegin { slot, id, name } => {
                self.end_texts();
                self.add(Kind::Call {
                    slot,
                    id: id.to_owned(),
                    name: name.to_owned(),
                });
            }
            Event::ToolInput { slot, piece } => {
                if let Some(at) = self.call(slot) {
                    self.piece(at, &piece, None);
                }
            }
            Event::ToolEnd { slot } => {
                if let Some(at) = self.call(slot) {
                    self.end_item(at);
                }
            }
            Event::Usage(usage) => self.usage = usage,
            Event::Finish { stop, .. } => {
                self.finish.get_or_insert(stop);
            }
            Event::Done => self.done(),
            Event::Citation(citation) => self.citation(&citation),
            Event::TextPart | Event::Signature(_) | Event::Redacted(_) | Event::Error(_) => {}
        }
    }

    fn event(&mut self, kind: &str, fields: impl FnOnce(&mut json::Writer)) {
        self.out.frame("event: ").frame(kind).frame("\ndata: ");
        let sequence = self.sequence;
        self.out.object(|out| {
            out.key("type").str(kind);
            out.key("sequence_number").number(sequence);
            fields(out);
        });
        self.out.frame("\n\n");
        self.sequence += 1;
    }

    fn begin(&mut self, model: Option<&Text<'_>>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        if let Some(model) = model {
            self.model = model.decoded().into_owned();
        }
        for kind in ["response.created", "response.in_progress"] {
            self.response(kind, None);
        }
    }

    /// Writes an event with the response as it stands.
    fn response(&mut self, kind: &str, stop: Option<Stop>) {
        let mut response = json::Writer::with_capacity(512 + self.held_bytes());
        let id = format!("resp_{}", self.base_id);
        let head = Head {
            id: &id,
            created: self.created,
            model: &self.model,
            stop,
        };
        let output = |out: &mut json::Writer| {
            for (index, kept) in self.items.iter().enumerate() {
                let item = kept.item(kept.content.text());
                item.write(&item.id(&self.base_id, index), Progress::Done, out);
            }
        };
        head.write(stop.map(|_| &self.usage), output, &mut response);
        let response = response.into_string();
        self.event(kind, |out| {
            out.key("response").verbatim(&response);
        });
    }

    fn text(&mut self, kind: Kind, text: &Text<'_>, logprobs: Option<Logprobs<'_>>) {
        let open = self
            .items
            .iter()
            .rposition(|kept| !kept.is_done && kept.kind == kind);
        let at = match open {
            Some(at) => at,
            None => {
                self.end_texts();
                self.add(kind)
            }
        };
        self.piece(at, text, logprobs);
    }

    fn call(&self, slot: usize) -> Option<usize> {
        self.items.iter().position(
            |kept| matches!(kept.kind, Kind::Call { slot: of, .. } if of == slot && !kept.is_done),
        )
    }

    /// Begins an item and returns its place.
    fn add(&mut self, kind: Kind) -> usize {
        self.begin(None);
        let index = self.items.len();
        let kept = Kept {
            kind,
            content: HeldText::default(),
            notes: Notes::default(),
            is_done: false,
        };
        let part = kept.kind.part_events();
        let empty = kept.item(Text::plain(""));
        let id = empty.id(&self.base_id, index);
        self.event("response.output_item.added", |out| {
            out.key("output_index").number(index as u64);
            empty.write(&id, Progress::Begun, out.key("item"));
        });
        if let Some((added, _, counter)) = part {
            self.event(added, |out| {
                out.key("item_id").str(&id);
                out.key("output_index").number(index as u64);
                out.key(counter).number(0);
                empty.write_part(out.key("part"));
            });
        }
        self.items.push(kept);
        index
    }

    fn piece(&mut self, at: usize, text: &Text<'_>, logprobs: Option<Logprobs<'_>>) {
        let Some(kept) = self.items.get_mut(at) else {
            return;
        };
        kept.content.push(text);
        kept.notes.add_logprobs(logprobs);
        let (delta, ..) = kept.kind.events();
        let counter = kept.kind.part_events().map(|(.., counter)| counter);
        let id = kept.item(Text::plain("")).id(&self.base_id, at);
        self.event(delta, |out| {
            out.key("item_id").str(&id);
            out.key("output_index").number(at as u64);
            if let Some(counter) = counter {
                out.key(counter).number(0);
            }
            out.key("delta").text(text);
            if let Some(logprobs) = logprobs {
                out.key("logprobs").array(|out| logprobs.write_listed(out));
            }
        });
    }

    /// Adds a citation to the item that holds the beginning of what it is for.
    fn citation(&mut self, citation: &Citation<'_>) {
        let Span::Chars(span) = &citation.span else {
            return;
        };
        let mut before = 0;
        for (at, kept) in self.items.iter_mut().enumerate() {
            if kept.kind != Kind::Text {
                continue;
            }
            let length = Unit::Chars.of(&kept.content.text().decoded());
            if span.start >= before + length {
                before += length;
                continue;
            }
            let end = (span.end - before).min(length);
            let (index, annotation) = kept
                .notes
                .add_citation(citation, (span.start - before, end));
            let id = kept.item(Text::EMPTY).id(&self.base_id, at);
            self.event("response.output_text.annotation.added", |out| {
                out.key("item_id").str(&id);
                out.key("output_index").number(at as u64);
                out.key("content_index").number(0);
                out.key("annotation_index").number(index);
                out.key("annotation").verbatim(&annotation);
            });
            return;
        }
    }

    /// Ends the items of text; calls may go on side by side.
    fn end_texts(&mut self) {
        for at in 0..self.items.len() {
            let is_text = self
                .items
                .get(at)
                .is_some_and(|kept| !matches!(kept.kind, Kind::Call { .. }));
            if is_text {
                self.end_item(at);
            }
        }
    }

    fn end_item(&mut self, at: usize) {
        let Some(kept) = self.items.get_mut(at).filter(|kept| !kept.is_done) else {
            return;
        };
        kept.is_done = true;
        if kept.content.is_empty() && matches!(kept.kind, Kind::Call { .. }) {
            kept.content.push(&Text::plain("{}"));
        }
        let content = kept.content.text();
        let (_, done, field) = kept.kind.events();
        let part = kept.kind.part_events();
        let item = kept.item(content.clone());
        let id = item.id(&self.base_id, at);
        let mut whole = json::Writer::with_capacity(256);
        item.write(&id, Progress::Done, &mut whole);
        let whole = whole.into_string();
        let mut whole_part = json::Writer::with_capacity(256);
        item.write_part(&mut whole_part);
        let whole_part = whole_part.into_string();
        let mut logprobs = json::Writer::default();
        kept.notes.write_logprobs(&mut logprobs);
        self.event(done, |out| {
            out.key("item_id").str(&id);
            out.key("output_index").number(at as u64);
            if let Some((.., counter)) = part {
                out.key(counter).number(0);
            }
            out.key(field).text(&content);
            if !logprobs.is_empty() {
                out.verbatim(logprobs.as_str());
            }
        });
        if let Some((_, done, counter)) = part {
            self.event(done, |out| {
                out.key("item_id").str(&id);
                out.key("output_index").number(at as u64);
                out.key(counter).number(0);
                out.key("part").verbatim(&whole_part);
            });
        }
        self.event("response.output_item.done", |out| {
            out.key("output_index").number(at as u64);
            out.key("item").verbatim(&whole);
        });
    }

    fn done(&mut self) {
        self.begin(None);
        for at in 0..self.items.len() {
            self.end_item(at);
        }
        let stop = self.finish.unwrap_or(Stop::End);
        let kind = match stop {
            Stop::Length | Stop::ContextWindow | Stop::Refusal => "response.incomplete",
            Stop::End | Stop::Sequence | Stop::ToolUse | Stop::Pause => "response.completed",
        };
        self.response(kind, Some(stop));
    }
}
