//! Into OpenAI's dialect.

use crate::exchange::Exchange;
use crate::json::{self, Text};
use crate::neutral::{Citation, Event, Span, Stop};
use crate::openai::annotation::{Form, write_annotation};
use crate::openai::response::{write_logprobs, write_redacted_block, write_thinking_block};
use crate::openai::{finish_reason, write_usage};
use crate::relay::HeldText;
use crate::usage::Usage;

/// Writes the events of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    out: json::Writer,
    /// What every chunk begins with; empty until the first.
    head: String,
    created: u64,
    fallback_id: String,
    model: String,
    shows_usage: bool,
    usage: Usage,
    /// Thinking since the last signature.
    thinking: HeldText,
    thinking_blocks: u64,
    /// For each call, whether any of its input has come.
    calls: Vec<bool>,
    /// Why the answer ended; said only once it is known to be whole.
    finish: Option<Stop>,
}

impl Writer {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            out: json::Writer::default(),
            head: String::new(),
            created: exchange.created,
            fallback_id: exchange.fallback_id.clone(),
            model: exchange.served_model.clone(),
            shows_usage: exchange.shows_usage,
            usage: Usage::default(),
            thinking: HeldText::default(),
            thinking_blocks: 0,
            calls: Vec::new(),
            finish: None,
        }
    }

    pub(crate) fn take_written(&mut self) -> String {
        std::mem::take(&mut self.out).into_string()
    }

    pub(crate) const fn held_bytes(&self) -> usize {
        self.thinking.len()
    }

    pub(crate) fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { id, model } => self.begin(id.as_ref(), model.as_ref()),
            Event::Text(text) => self.delta(|out| {
                out.key("content").text(&text);
            }),
            Event::ScoredText(text, logprobs) => self.choice(
                |out| {
                    out.key("content").text(&text);
                },
                |out| {
                    write_logprobs(&[logprobs], out);
                },
            ),
            Event::Citation(citation) => self.citation(&citation),
            Event::Refusal(text) => self.delta(|out| {
                out.key("refusal").text(&text);
            }),
            Event::Thinking(text) => {
                self.thinking.push(&text);
                self.delta(|out| {
                    out.key("reasoning_content").text(&text);
                });
            }
            Event::Signature(signature) => {
                let text = self.thinking.take();
                self.thinking_block(|out| write_thinking_block(&text, &signature, out));
            }
            Event::Redacted(data) => self.thinking_block(|out| write_redacted_block(&data, out)),
            Event::ToolBegin { slot, id, name } => self.begin_call(slot, id, name),
            Event::ToolInput { slot, piece } => self.call_input(slot, &piece),
            Event::ToolEnd { slot } => {
                if self.calls.get(slot) == Some(&false) {
                    self.call_input(slot, &Text::plain("{}"));
                }
            }
            Event::Usage(usage) => self.usage = usage,
            Event::Finish { stop, .. } => {
                self.finish.get_or_insert(stop);
            }
            Event::Done => self.done(),
            Event::TextPart | Event::Error(_) => {}
        }
    }

    fn begin(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>) {
        if !self.head.is_empty() {
            return;
        }
        let mut head = json::Writer::with_capacity(192);
        match id {
            Some(id) => head.key("id").text(id),
            None => head
                .key("id")
                .str(&format!("chatcmpl-{}", self.fallback_id)),
        };
        head.key("object").str("chat.completion.chunk");
        head.key("created").number(self.created);
        match model {
            Some(model) => head.key("model").text(model),
            None => head.key("model").str(&self.model),
        };
        self.head = head.into_string();
        self.delta(|out| {
            out.key("role").str("assistant");
            out.key("content").str("");
        });
    }

    /// Writes one chunk with a delta.
    fn delta(&mut self, fields: impl FnOnce(&mut json::Writer)) {
        self.choice(fields, |_| {});
    }

    /// Writes one chunk with a delta, and what stands beside it.
    fn choice(
        &mut self,
        delta: impl FnOnce(&mut json::Writer),
        beside: impl FnOnce(&mut json::Writer),
    ) {
        if self.head.is_empty() {
            self.begin(None, None);
        }
        self.out.frame("data: {").frame(&self.head);
        self.out.frame(",\"choices\":[{\"index\":0,\"delta\":{");
        delta(&mut self.out);
        self.out.frame("}");
        beside(&mut self.out);
        self.out.frame(",\"finish_reason\":null}]}\n\n");
    }

    fn citation(&mut self, citation: &Citation<'_>) {
        let Span::Chars(span) = &citation.span else {
            return;
        };
        self.delta(|out| {
            out.key("annotations").array(|out| {
                write_annotation(citation, (span.start, span.end), Form::Nested, out);
            });
        });
    }

    /// Writes a whole block; clients that put lists together look for an index in each entry.
    fn thinking_block(&mut self, fields: impl FnOnce(&mut json::Writer)) {
        let index = self.thinking_blocks;
        self.thinking_blocks += 1;
        self.delta(|out| {
            out.key("thinking_blocks").array(|out| {
                out.object(|out| {
                    out.key("index").number(index);
                    fields(out);
                });
            });
        });
    }

    fn begin_call(&mut self, slot: usize, id: &str, name: &str) {
        if self.calls.len() <= slot {
            self.calls.resize(slot + 1, false);
        }
        self.call(slot, |out| {
            out.key("id").str(id);
            out.key("type").str("function");
            out.key("function").object(|out| {
                out.key("name").str(name);
                out.key("arguments").str("");
            });
        });
    }

    fn call_input(&mut self, slot: usize, piece: &Text<'_>) {
        if let Some(has_input) = self.calls.get_mut(slot) {
            *has_input = true;
        }
        self.call(slot, |out| {
            out.key("function").object(|out| {
                out.key("arguments").text(piece);
            });
        });
    }

    fn call(&mut self, slot: usize, fields: impl FnOnce(&mut json::Writer)) {
        self.delta(|out| {
            out.key("tool_calls").array(|out| {
                out.object(|out| {
                    out.key("index").number(slot as u64);
                    fields(out);
                });
            });
        });
    }

    fn done(&mut self) {
        let stop = self.finish.unwrap_or(Stop::End);
        if self.head.is_empty() {
            self.begin(None, None);
        }
        self.out.frame("data: {").frame(&self.head);
        self.out
            .frame(",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"")
            .frame(finish_reason(stop))
            .frame("\"}]}\n\n");
        if self.shows_usage {
            self.out.frame("data: {").frame(&self.head);
            self.out.frame(",\"choices\":[],\"usage\":");
            write_usage(&self.usage, &mut self.out);
            self.out.frame("}\n\n");
        }
        self.out.frame("data: [DONE]\n\n");
    }
}
