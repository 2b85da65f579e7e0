//! Schemas as Anthropic takes those that bind an answer, or the arguments of a strict tool.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::exchange::Dropped;
use crate::json::{Object, Text, Writer, items, parse_raw};

/// Says of every object that does not say it that it has no other members: a schema is refused
/// without. Limits on values, which are refused, are told in the description and noted as dropped.
pub(super) fn bound<'s>(schema: &'s str, dropped: &mut Dropped) -> Cow<'s, str> {
    let Some(raw) = parse_raw(schema) else {
        return Cow::Borrowed(schema);
    };
    let mut out = Writer::with_capacity(schema.len() + 64);
    write(raw, DEPTH_LIMIT, dropped, &mut out);
    Cow::Owned(out.into_string())
}

/// Schemas nested deeper stay as they are.
const DEPTH_LIMIT: usize = 64;

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

fn write(raw: &RawValue, depth: usize, dropped: &mut Dropped, out: &mut Writer) {
    let (Some(schema), Some(depth)) = (Object::of(raw), depth.checked_sub(1)) else {
        out.raw(raw);
        return;
    };
    let is_object = schema.string("type").as_deref() == Some("object");
    let limits: Vec<_> = schema
        .iter()
        .filter(|(name, raw)| is_limit(name, raw))
        .map(|(name, raw)| {
            dropped.note(&format!("schema.{name}"));
            format!("{name}: {}", raw.get())
        })
        .collect();
    out.object(|out| {
        for (name, raw) in schema.iter() {
            match name {
                "properties" | "$defs" | "definitions" => {
                    write_each(raw, depth, dropped, out.key(name));
                }
                "items" => write(raw, depth, dropped, out.key(name)),
                "anyOf" | "allOf" | "oneOf" => write_all(raw, depth, dropped, out.key(name)),
                "description" if !limits.is_empty() => {}
                name if is_limit(name, raw) => {}
                _ => {
                    out.key(name).raw(raw);
                }
            }
        }
        if !limits.is_empty() {
            let limits = Text::plain(&format!("{{{}}}", limits.join(", ")));
            let description = schema.text("description");
            if let Some(text) = Text::join(description.iter().chain([&limits]), "\\n\\n") {
                out.key("description").text(&text);
            }
        }
        if is_object && schema.get("additionalProperties").is_none() {
            out.key("additionalProperties").bool(false);
        }
    });
}

fn write_each(raw: &RawValue, depth: usize, dropped: &mut Dropped, out: &mut Writer) {
    let Some(schemas) = Object::of(raw) else {
        out.raw(raw);
        return;
    };
    out.object(|out| {
        for (name, raw) in schemas.iter() {
            write(raw, depth, dropped, out.key(name));
        }
    });
}

fn write_all(raw: &RawValue, depth: usize, dropped: &mut Dropped, out: &mut Writer) {
    let Some(schemas) = items(raw) else {
        out.raw(raw);
        return;
    };
    out.array(|out| {
        for raw in schemas {
            write(raw, depth, dropped, out);
        }
    });
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
    fn a_schema_without_end_stays_as_it_is_from_some_depth_on() {
        let depth = 50_000;
        let schema = "{\"items\":".repeat(depth) + "1" + &"}".repeat(depth);
        assert_eq!(bound(&schema, &mut Dropped::default()), schema);
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
