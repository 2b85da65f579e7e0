//! Usage as OpenAI counts it: cached tokens are part of the input, reasoning part of the output.

use crate::json::{Object, Writer};
use crate::usage::Usage;

pub(crate) fn read_usage(usage: &Object<'_>) -> Usage {
    let input = usage.object("prompt_tokens_details");
    let output = usage.object("completion_tokens_details");
    let detail = |details: &Option<Object<'_>>, name| {
        details
            .as_ref()
            .and_then(|details| details.number(name))
            .unwrap_or(0)
    };
    Usage {
        input: usage.number("prompt_tokens").unwrap_or(0),
        output: usage.number("completion_tokens").unwrap_or(0),
        cached_read: match detail(&input, "cached_tokens") {
            // DeepSeek's name for it.
            0 => usage.number("prompt_cache_hit_tokens").unwrap_or(0),
            cached => cached,
        },
        cache_write: detail(&input, "cache_write_tokens"),
        reasoning: detail(&output, "reasoning_tokens"),
        complete: usage.number("prompt_tokens").is_some(),
    }
}

pub(crate) fn write_usage(usage: &Usage, out: &mut Writer) {
    out.object(|out| {
        out.key("prompt_tokens").number(usage.input);
        out.key("completion_tokens").number(usage.output);
        out.key("total_tokens").number(usage.total());
        out.key("prompt_tokens_details").object(|out| {
            out.key("cached_tokens").number(usage.cached_read);
            if usage.cache_write > 0 {
                out.key("cache_write_tokens").number(usage.cache_write);
            }
        });
        out.key("completion_tokens_details").object(|out| {
            out.key("reasoning_tokens").number(usage.reasoning);
        });
    });
}
