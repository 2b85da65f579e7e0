//! Schemas as Anthropic takes those that bind an answer, or the arguments of a strict tool.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::exchange::Dropped;
use crate::json::{Object, Text, Writer, parse_raw};
use crate::neutral::schema::{Rules, rewrite};

/// Says of every object that does not say it that it has no other members: a schema is refused
/// without. Limits on values, which are refused, are told in the description and noted as dropped.
pub(super) fn bound<'s>(schema: &'s str, dropped: &mut Dropped) -> Cow<'s, str> {
    let Some(raw) = parse_raw(schema) else {
        return Cow::Borrowed(schema);
    };
    Cow::Owned(rewrite(raw, &mut Bound { dropped }))
}

struct Bound<'d> {
    dropped: &'d mut Dropped,
}

/// Limits that no answer can be bound to.
const LIMITS: [&str; 11] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

fn is_limit(name: &str, raw: &RawValue) -> bool {
    LIMITS.contains(&name) || (name == "minItems" && !matches!(raw.get(), "0" | "1"))
}

fn limits<'s>(schema: &'s Object<'_>) -> impl Iterator<Item = (&'s str, &'s RawValue)> {
    schema.iter().filter(|(name, raw)| is_limit(name, raw))
}

impl Rules for Bound<'_> {
    fn write(&mut self, schema: &Object<'_>, name: &str, raw: &RawValue, out: &mut Writer) {
        match name {
            name if is_limit(name, raw) => self.dropped.note(&format!("schema.{name}")),
            // Written with the limits.
            "description" if limits(schema).next().is_some() => {}
            _ => {
                out.key(name).raw(raw);
            }
        }
    }

    fn finish(&mut self, schema: &Object<'_>, out: &mut Writer) {
        let limits = limits(schema).map(|(name, raw)| format!("{name}: {}", raw.get()));
        let limits: Vec<_> = limits.collect();
        if !limits.is_empty() {
            let limits = Text::plain(&format!("{{{}}}", limits.join(", ")));
            let description = schema.text("description");
            if let Some(text) = Text::join(description.iter().chain([&limits]), "\\n\\n") {
                out.key("description").text(&text);
            }
        }
        let is_object = schema.string("type").as_deref() == Some("object");
        if is_object && schema.get("additionalProperties").is_none() {
            out.key("additionalProperties").bool(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bound;
    use crate::exchange::Dropped;

    #[test]
    fn every_object_that_says_nothing_is_closed() {
        let schema = r#"{"type":"object","properties":{"type":{"type":"object","additionalProperties":true},"l":{"type":"array","items":{"type":"object"}},"o":{"anyOf":[{"type":"object","properties":{}},{"type":"null"}]}},"$defs":{"d":{"type":"object"}}}"#;
        assert_eq!(
            bound(schema, &mut Dropped::default()),
            r#"{"type":"object","properties":{"type":{"type":"object","additionalProperties":true},"l":{"type":"array","items":{"type":"object","additionalProperties":false}},"o":{"anyOf":[{"type":"object","properties":{},"additionalProperties":false},{"type":"null"}]}},"$defs":{"d":{"type":"object","additionalProperties":false}},"additionalProperties":false}"#
        );
    }

    #[test]
    fn limits_on_values_are_told_and_not_set() {
        let schema = r#"{"type":"object","properties":{"minimum":{"type":"integer","minimum":1,"description":"How \ud83e many.","maximum":1e2},"l":{"type":"array","minItems":1,"items":{"anyOf":[{"type":"string","maxLength":3}]}},"two":{"type":"array","minItems":2}}}"#;
        let mut dropped = Dropped::default();
        assert_eq!(
            bound(schema, &mut dropped),
            r#"{"type":"object","properties":{"minimum":{"type":"integer","description":"How \ud83e many.\n\n{minimum: 1, maximum: 1e2}"},"l":{"type":"array","minItems":1,"items":{"anyOf":[{"type":"string","description":"{maxLength: 3}"}]}},"two":{"type":"array","description":"{minItems: 2}"}},"additionalProperties":false}"#
        );
        let noted =
            ["minimum", "maximum", "maxLength", "minItems"].map(|name| format!("schema.{name}"));
        assert_eq!(dropped.into_names(), noted);
    }
}
