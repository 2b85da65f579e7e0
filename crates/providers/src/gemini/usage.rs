//! Usage as Google counts it: thoughts stand beside the candidates, and what tools add beside the
//! prompt.

use crate::json::{Object, Writer};
use crate::usage::Usage;

pub(crate) fn read_usage(usage: &Object<'_>) -> Usage {
    let count = |name| usage.number(name).unwrap_or(0);
    let reasoning = count("thoughtsTokenCount");
    Usage {
        input: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        output: count("candidatesTokenCount").saturating_add(reasoning),
        cached_read: count("cachedContentTokenCount"),
        cache_write: 0,
        reasoning,
        complete: usage.number("promptTokenCount").is_some(),
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
