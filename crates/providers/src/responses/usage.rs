//! Usage as the Responses API counts it: as chat completions do, under other names.

use crate::json::{Object, Writer};
use crate::usage::Usage;

pub(crate) fn read_usage(usage: &Object<'_>) -> Usage {
    let detail = |details, name| {
        usage
            .object(details)
            .and_then(|details| details.number(name))
            .unwrap_or(0)
    };
    Usage {
        input: usage.number("input_tokens").unwrap_or(0),
        output: usage.number("output_tokens").unwrap_or(0),
        cached_read: detail("input_tokens_details", "cached_tokens"),
        cache_write: detail("input_tokens_details", "cache_write_tokens"),
        reasoning: detail("output_tokens_details", "reasoning_tokens"),
        complete: usage.number("output_tokens").is_some(),
    }
}

pub(crate) fn write_usage(usage: &Usage, out: &mut Writer) {
    out.object(|out| {
        out.key("input_tokens").number(usage.input);
        out.key("input_tokens_details").object(|out| {
            out.key("cached_tokens").number(usage.cached_read);
        });
        out.key("output_tokens").number(usage.output);
        out.key("output_tokens_details").object(|out| {
            out.key("reasoning_tokens").number(usage.reasoning);
        });
        out.key("total_tokens").number(usage.total());
    });
}
