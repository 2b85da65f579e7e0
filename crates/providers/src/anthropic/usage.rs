//! Usage as Anthropic counts it: cached tokens stand beside the input, not in it.

use crate::json::{Object, Writer};
use crate::usage::Usage;

pub(crate) fn read_usage(usage: &Object<'_>) -> Usage {
    let mut read = Usage::default();
    update(&mut read, usage);
    read.complete = usage.number("output_tokens").is_some();
    read
}

/// Takes what a later count says; what it leaves out stays.
pub(super) fn update(counts: &mut Usage, usage: &Object<'_>) {
    let uncached = usage
        .number("input_tokens")
        .unwrap_or_else(|| counts.input_uncached());
    if let Some(read) = usage.number("cache_read_input_tokens") {
        counts.cached_read = read;
    }
    if let Some(written) = usage.number("cache_creation_input_tokens") {
        counts.cache_write = written;
    }
    counts.input = uncached
        .saturating_add(counts.cached_read)
        .saturating_add(counts.cache_write);
    if let Some(output) = usage.number("output_tokens") {
        counts.output = output;
    }
    if let Some(details) = usage.object("output_tokens_details") {
        counts.reasoning = details.number("thinking_tokens").unwrap_or(0);
    }
}

pub(crate) fn write_usage(usage: &Usage, out: &mut Writer) {
    out.object(|out| {
        out.key("input_tokens").number(usage.input_uncached());
        out.key("cache_creation_input_tokens")
            .number(usage.cache_write);
        out.key("cache_read_input_tokens").number(usage.cached_read);
        out.key("output_tokens").number(usage.output);
    });
}
