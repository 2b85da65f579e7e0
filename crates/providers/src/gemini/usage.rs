//! Usage as Google counts it: thoughts stand beside the candidates, and what tools add beside the
//! prompt.

use crate::json::{Object, Writer};
use crate::usage::Usage;

pub(crate) fn read_usage(usage: &Object<'_>) -> Usage {
    let mut counts = Counts::default();
    for (name, raw) in usage.iter() {
        counts.take(name, raw.get());
    }
    counts.usage().unwrap_or_default()
}

/// The counts of an object of usage, field by field as they are written.
#[derive(Debug, Default)]
pub(super) struct Counts {
    is_given: bool,
    prompt: Option<u64>,
    tools: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
    cached: Option<u64>,
}

impl Counts {
    pub(super) fn take(&mut self, name: &str, value: &str) {
        self.is_given = true;
        let count = match name {
            "promptTokenCount" => &mut self.prompt,
            "toolUsePromptTokenCount" => &mut self.tools,
            "candidatesTokenCount" => &mut self.candidates,
            "thoughtsTokenCount" => &mut self.thoughts,
            "cachedContentTokenCount" => &mut self.cached,
            _ => return,
        };
        *count = value.parse().ok();
    }

    /// What they come to; `None` when there were no fields.
    pub(super) fn usage(&self) -> Option<Usage> {
        let reasoning = self.thoughts.unwrap_or(0);
        self.is_given.then(|| Usage {
            input: self
                .prompt
                .unwrap_or(0)
                .saturating_add(self.tools.unwrap_or(0)),
            output: self.candidates.unwrap_or(0).saturating_add(reasoning),
            cached_read: self.cached.unwrap_or(0),
            cache_write: 0,
            reasoning,
            complete: self.prompt.is_some(),
        })
    }
}

pub(crate) fn write_usage(usage: &Usage, out: &mut Writer) {
    out.object(|out| {
        out.key("promptTokenCount").number(usage.input);
        out.key("candidatesTokenCount")
            .number(usage.output.saturating_sub(usage.reasoning));
        out.key("totalTokenCount").number(usage.total());
        if usage.cached_read > 0 {
            out.key("cachedContentTokenCount").number(usage.cached_read);
        }
        if usage.reasoning > 0 {
            out.key("thoughtsTokenCount").number(usage.reasoning);
        }
    });
}
