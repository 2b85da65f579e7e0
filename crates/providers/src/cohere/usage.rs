//! Usage as Cohere counts it: what the model read and wrote, beside what is billed.

use crate::json::Object;
use crate::usage::Usage;

pub(super) fn read_usage(usage: &Object<'_>) -> Usage {
    let counted = usage
        .object("tokens")
        .or_else(|| usage.object("billed_units"))
        .unwrap_or_default();
    let count = |name| counted.number(name);
    Usage {
        input: count("input_tokens").unwrap_or(0),
        output: count("output_tokens").unwrap_or(0),
        cached_read: usage.number("cached_tokens").unwrap_or(0),
        complete: count("output_tokens").is_some(),
        ..Usage::default()
    }
}
