//! Into Google's dialect.

use crate::exchange::Exchange;
use crate::gemini::grounding::{Support, write_grounding};
use crate::gemini::{finish_reason, write_usage};
use crate::json::{self, Text};
use crate::neutral::{Citation, Event, Input, Logprobs, Stop};
use crate::relay::HeldText;
use crate::usage::Usage;

/// Writes the events of one stream. Calls are written whole, when they end.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    out: json::Writer,
    fallback_id: String,
    served_model: String,
    /// What every event ends with; empty until the first.
    tail: String,
    calls: Vec<Call>,
    /// What the text is from; said at the end.
    citations: Vec<Citation<'static>>,
    usage: Usage,
    finish: Option<Stop>,
    has_broken_call: bool,
}

#[derive(Clone, Debug)]
struct Call {
    slot: usize,
    id: String,
    name: String,
    input: HeldText,
}

impl Writer {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            out: json::Writer::default(),
            fallback_id: exchange.fallback_id.clone(),
            served_model: exchange.served_model.clone(),
            tail: String::new(),
            calls: Vec::new(),
            citations: Vec::new(),
            usage: Usage::default(),
            finish: None,
            has_broken_call: false,
        }
    }

    pub(crate) fn take_written(&mut self) -> String {
        std::mem::take(&mut self.out).into_string()
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.calls.iter().map(|call| call.input.len()).sum()
    }

    /// Tells whether a call's input turned out to be no object, which can't be written.
    pub(crate) const fn has_broken_call(&self) -> bool {
        self.has_broken_call
    }

    pub(crate) fn write(&mut self, event: Event<'_>) {
        match event {
            Event::Begin { id, model } => self.begin(id.as_ref(), model.as_ref()),
            Event::Text(text) | Event::Refusal(text) => self.part(|out| {
                out.key("text").text(&text);
            }),
            Event::ScoredText(text, logprobs) => self.candidate(
                |out| {
                    out.key("text").text(&text);
                },
                |out| Logprobs::write_result(&[logprobs], out),
            ),
            Event::Thinking(text) => self.part(|out| {
                out.key("text").text(&text);
                out.key("thought").bool(true);
            }),
            Event::ToolBegin { slot, id, name } => self.calls.push(Call {
                slot,
                id: id.to_owned(),
                name: name.to_owned(),
                input: HeldText::default(),
            }),
            Event::ToolInput { slot, piece } => {
                if let Some(call) = self.calls.iter_mut().find(|call| call.slot == slot) {
                    call.input.push(&piece);
                }
            }
            Event::ToolEnd { slot } => {
                if let Some(at) = self.calls.iter().position(|call| call.slot == slot) {
                    let call = self.calls.remove(at);
                    self.call(call);
                }
            }
            Event::Usage(usage) => self.usage = usage,
            Event::Finish { stop, .. } => {
                self.finish.get_or_insert(stop);
            }
            Event::Done => self.done(),
            Event::Citation(citation) => self.citations.push(citation.into_owned()),
            Event::TextPart | Event::Signature(_) | Event::Redacted(_) | Event::Error(_) => {}
        }
    }

    fn begin(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>) {
        if !self.tail.is_empty() {
            return;
        }
        let mut tail = json::Writer::with_capacity(96);
        match model {
            Some(model) => tail.key("modelVersion").text(model),
            None => tail.key("modelVersion").str(&self.served_model),
        };
        match id {
            Some(id) => tail.key("responseId").text(id),
            None => tail.key("responseId").str(&self.fallback_id),
        };
        self.tail = tail.into_string();
    }

    fn part(&mut self, fields: impl FnOnce(&mut json::Writer)) {
        self.candidate(fields, |_| {});
    }

    /// Writes one event with a part, and what stands beside it.
    fn candidate(
        &mut self,
        part: impl FnOnce(&mut json::Writer),
        beside: impl FnOnce(&mut json::Writer),
    ) {
        self.begin(None, None);
        self.out
            .frame("data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{");
        part(&mut self.out);
        self.out.frame("}]}");
        beside(&mut self.out);
        self.out
            .frame(",\"index\":0}],")
            .frame(&self.tail)
            .frame("}\n\n");
    }

    fn call(&mut self, mut call: Call) {
        let input = Input::Quoted(call.input.take());
        let Some(args) = input.object() else {
            self.has_broken_call = true;
            return;
        };
        self.part(|out| {
            out.key("functionCall").object(|out| {
                out.key("id").str(&call.id);
                out.key("name").str(&call.name);
                out.key("args").verbatim(&args);
            });
        });
    }

    fn done(&mut self) {
        self.begin(None, None);
        for call in std::mem::take(&mut self.calls) {
            self.call(call);
        }
        if self.has_broken_call {
            return;
        }
        let stop = self.finish.unwrap_or(Stop::End);
        self.out
            .frame("data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"")
            .frame(finish_reason(stop))
            .frame("\"");
        let citations = self.citations.iter();
        let supports: Vec<_> = citations.filter_map(Support::of_all).collect();
        write_grounding(&supports, &mut self.out);
        self.out.frame(",\"index\":0}],\"usageMetadata\":");
        write_usage(&self.usage, &mut self.out);
        self.out.frame(",").frame(&self.tail).frame("}\n\n");
    }
}
