//! Into Anthropic's dialect.

use std::collections::VecDeque;

use crate::anthropic::citation::write_citation;
use crate::anthropic::{stop_reason, write_usage};
use crate::exchange::Exchange;
use crate::json::{self, Text};
use crate::neutral::{Citation, Event, Stop};
use crate::relay::HeldText;
use crate::usage::Usage;

/// Writes the events of one stream.
///
/// Only one block is open at a time. While a tool call is open, whatever belongs to another block
/// is held back until the call ends, so that calls that come side by side stay whole.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    out: json::Writer,
    fallback_id: String,
    model: String,
    has_begun: bool,
    open: Option<Kind>,
    index: u64,
    waiting: VecDeque<Waiting>,
    usage: Usage,
    finish: Option<(Stop, Option<Text<'static>>)>,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Text,
    Thinking,
    Call { slot: usize },
}

/// A block that is held back.
#[derive(Clone, Debug)]
struct Waiting {
    kind: Kind,
    /// The identifier and name of a call.
    call: Option<(String, String)>,
    content: HeldText,
    is_ended: bool,
}

impl Writer {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            out: json::Writer::default(),
            fallback_id: exchange.fallback_id.clone(),
            model: exchange.served_model.clone(),
            has_begun: false,
            open: None,
            index: 0,
            waiting: VecDeque::new(),
            usage: Usage::default(),
            finish: None,
        }
    }

    pub(crate) fn take_written(&mut self) -> String {
        std::mem::take(&mut self.out).into_string()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.waiting
            .iter()
            .map(|waiting| waiting.content.len())
            .sum()
    }

    pub(crate) fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { id, model } => self.begin(id.as_ref(), model.as_ref()),
            Event::Text(text) | Event::ScoredText(text, _) | Event::Refusal(text) => {
                if !text.is_empty() {
                    self.text(Kind::Text, &text);
                }
            }
            Event::TextPart => {
                if self.open == Some(Kind::Text) {
                    self.close_block();
                }
            }
            Event::Citation(citation) => self.citation(&citation),
            Event::Thinking(text) => self.text(Kind::Thinking, &text),
            Event::Signature(signature) => {
                if self.open == Some(Kind::Thinking) {
                    self.delta("signature_delta", "signature", &signature);
                }
            }
            Event::Redacted(data) => self.redacted(&data),
            Event::ToolBegin { slot, id, name } => self.begin_call(slot, id, name),
            Event::ToolInput { slot, piece } => self.call_input(slot, &piece),
            Event::ToolEnd { slot } => self.end_call(slot),
            Event::Usage(usage) => self.usage = usage,
            Event::Finish { stop, sequence } => {
                let sequence = sequence.map(|text| Text::from_escaped(text.escaped()));
                self.finish.get_or_insert((stop, sequence));
            }
            Event::Done => self.done(),
            Event::Error(_) => {}
        }
    }

    fn event(&mut self, kind: &str, fields: impl FnOnce(&mut json::Writer)) {
        self.out
            .frame("event: ")
            .frame(kind)
            .frame("\ndata: {\"type\":\"")
            .frame(kind)
            .frame("\"");
        fields(&mut self.out);
        self.out.frame("}\n\n");
    }

    fn begin(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let usage = self.usage;
        let fallback = format!("msg_{}", self.fallback_id);
        let served = std::mem::take(&mut self.model);
        self.event("message_start", |out| {
            out.key("message").object(|out| {
                match id {
                    Some(id) => out.key("id").text(id),
                    None => out.key("id").str(&fallback),
                };
                out.key("type").str("message");
                out.key("role").str("assistant");
                match model {
                    Some(model) => out.key("model").text(model),
                    None => out.key("model").str(&served),
                };
                out.key("content").array(|_| {});
                out.key("stop_reason").null();
                out.key("stop_sequence").null();
                write_usage(&usage, out.key("usage"));
            });
        });
    }

    fn text(&mut self, kind: Kind, text: &Text<'_>) {
        if matches!(self.open, Some(Kind::Call { .. })) {
            match self.waiting.back_mut() {
                Some(waiting) if waiting.kind == kind => waiting.content.push(text),
                _ => {
                    let mut content = HeldText::default();
                    content.push(text);
                    self.waiting.push_back(Waiting {
                        kind,
                        call: None,
                        content,
                        is_ended: true,
                    });
                }
            }
            return;
        }
        self.open_block(kind, None);
        match kind {
            Kind::Thinking => self.delta("thinking_delta", "thinking", text),
            Kind::Text | Kind::Call { .. } => self.delta("text_delta", "text", text),
        }
    }

    /// Makes the open block one of `kind`; a call is always a block of its own.
    fn open_block(&mut self, kind: Kind, call: Option<(&str, &str)>) {
        if self.open == Some(kind) {
            return;
        }
        self.begin(None, None);
        self.close_block();
        self.open = Some(kind);
        let index = self.index;
        self.event("content_block_start", |out| {
            out.key("index").number(index);
            out.key("content_block").object(|out| match (kind, call) {
                (Kind::Text, _) => {
                    out.key("type").str("text");
                    out.key("text").str("");
                }
                (Kind::Thinking, _) => {
                    out.key("type").str("thinking");
                    out.key("thinking").str("");
                    out.key("signature").str("");
                }
                (Kind::Call { .. }, call) => {
                    let (id, name) = call.unwrap_or_default();
                    out.key("type").str("tool_use");
                    out.key("id").str(id);
                    out.key("name").str(name);
                    out.key("input").object(|_| {});
                }
            });
        });
    }

    fn close_block(&mut self) {
        if self.open.take().is_none() {
            return;
        }
        let index = self.index;
        self.event("content_block_stop", |out| {
            out.key("index").number(index);
        });
        self.index += 1;
    }

    fn delta(&mut self, kind: &str, field: &str, text: &Text<'_>) {
        let index = self.index;
        self.event("content_block_delta", |out| {
            out.key("index").number(index);
            out.key("delta").object(|out| {
                out.key("type").str(kind);
                out.key(field).text(text);
            });
        });
    }

    /// Says what the block that is open is from: that much of the place is known while it is written.
    fn citation(&mut self, citation: &Citation<'_>) {
        if self.open != Some(Kind::Text) {
            return;
        }
        let index = self.index;
        self.event("content_block_delta", |out| {
            out.key("index").number(index);
            out.key("delta").object(|out| {
                out.key("type").str("citations_delta");
                write_citation(citation, out.key("citation"));
            });
        });
    }

    fn redacted(&mut self, data: &Text<'_>) {
        self.begin(None, None);
        self.close_block();
        let index = self.index;
        self.event("content_block_start", |out| {
            out.key("index").number(index);
            out.key("content_block").object(|out| {
                out.key("type").str("redacted_thinking");
                out.key("data").text(data);
            });
        });
        self.open = Some(Kind::Thinking);
        self.close_block();
    }

    fn begin_call(&mut self, slot: usize, id: &str, name: &str) {
        let kind = Kind::Call { slot };
        if matches!(self.open, Some(Kind::Call { .. })) {
            self.waiting.push_back(Waiting {
                kind,
                call: Some((id.to_owned(), name.to_owned())),
                content: HeldText::default(),
                is_ended: false,
            });
            return;
        }
        self.open_block(kind, Some((id, name)));
    }

    fn call_input(&mut self, slot: usize, piece: &Text<'_>) {
        let kind = Kind::Call { slot };
        if self.open == Some(kind) {
            self.delta("input_json_delta", "partial_json", piece);
        } else if let Some(waiting) = self.waiting.iter_mut().find(|block| block.kind == kind) {
            waiting.content.push(piece);
        }
    }

    fn end_call(&mut self, slot: usize) {
        let kind = Kind::Call { slot };
        if let Some(waiting) = self.waiting.iter_mut().find(|block| block.kind == kind) {
            waiting.is_ended = true;
        }
        if self.open == Some(kind) {
            self.close_block();
            self.release();
        }
    }

    /// Writes what was held back, up to a call that may still go on.
    fn release(&mut self) {
        while let Some(mut waiting) = self.waiting.pop_front() {
            let call = waiting.call.as_ref();
            self.open_block(
                waiting.kind,
                call.map(|(id, name)| (id.as_str(), name.as_str())),
            );
            if !waiting.content.is_empty() {
                let content = waiting.content.take();
                match waiting.kind {
                    Kind::Text => self.delta("text_delta", "text", &content),
                    Kind::Thinking => self.delta("thinking_delta", "thinking", &content),
                    Kind::Call { .. } => self.delta("input_json_delta", "partial_json", &content),
                }
            }
            if !waiting.is_ended {
                return;
            }
            if waiting.call.is_some() {
                self.close_block();
            }
        }
    }

    fn done(&mut self) {
        self.begin(None, None);
        for waiting in &mut self.waiting {
            waiting.is_ended = true;
        }
        self.close_block();
        self.release();
        self.close_block();
        let (stop, sequence) = self.finish.take().unwrap_or((Stop::End, None));
        let usage = self.usage;
        self.event("message_delta", |out| {
            out.key("delta").object(|out| {
                out.key("stop_reason").str(stop_reason(stop));
                match &sequence {
                    Some(sequence) => out.key("stop_sequence").text(sequence),
                    None => out.key("stop_sequence").null(),
                };
            });
            write_usage(&usage, out.key("usage"));
        });
        self.event("message_stop", |_| {});
    }
}
