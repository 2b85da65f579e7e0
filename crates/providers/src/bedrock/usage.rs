//! Usage as Bedrock counts it: cached tokens stand beside the input, not in it.

use crate::json::Object;
use crate::usage::Usage;

pub(super) fn read_usage(usage: &Object<'_>) -> Usage {
    let count = |name| usage.number(name).unwrap_or(0);
    let (cached_read, cache_write) = (
        count("cacheReadInputTokens"),
        count("cacheWriteInputTokens"),
    );
    Usage {
        input: count("inputTokens")
            .saturating_add(cached_read)
            .saturating_add(cache_write),
        output: count("outputTokens"),
        cached_read,
        cache_write,
        reasoning: 0,
        complete: usage.number("outputTokens").is_some(),
    }
}
