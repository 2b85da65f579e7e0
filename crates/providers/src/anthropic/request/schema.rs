//! Schemas of answers as Anthropic takes them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{Object, Writer, items, parse_raw};

/// Says of every object that does not say it that it has no other members: the form of an answer
/// is refused without.
pub(super) fn closed(schema: &str) -> Cow<'_, str> {
    let Some(raw) = parse_raw(schema) else {
        return Cow::Borrowed(schema);
    };
    let mut out = Writer::with_capacity(schema.len() + 64);
    write(raw, DEPTH_LIMIT, &mut out);
    Cow::Owned(out.into_string())
}

/// Schemas nested deeper stay as they are.
const DEPTH_LIMIT: usize = 64;

fn write(raw: &RawValue, depth: usize, out: &mut Writer) {
    let (Some(schema), Some(depth)) = (Object::of(raw), depth.checked_sub(1)) else {
        out.raw(raw);
        return;
    };
    let is_object = schema.string("type").as_deref() == Some("object");
    out.object(|out| {
        for (name, raw) in schema.iter() {
            let out = out.key(name);
            match name {
                "properties" | "$defs" | "definitions" => write_each(raw, depth, out),
                "items" => write(raw, depth, out),
                "anyOf" | "allOf" | "oneOf" => write_all(raw, depth, out),
                _ => {
                    out.raw(raw);
                }
            }
        }
        if is_object && schema.get("additionalProperties").is_none() {
            out.key("additionalProperties").bool(false);
        }
    });
}

fn write_each(raw: &RawValue, depth: usize, out: &mut Writer) {
    let Some(schemas) = Object::of(raw) else {
        out.raw(raw);
        return;
    };
    out.object(|out| {
        for (name, raw) in schemas.iter() {
            write(raw, depth, out.key(name));
        }
    });
}

fn write_all(raw: &RawValue, depth: usize, out: &mut Writer) {
    let Some(schemas) = items(raw) else {
        out.raw(raw);
        return;
    };
    out.array(|out| schemas.into_iter().for_each(|raw| write(raw, depth, out)));
}

#[cfg(test)]
mod tests {
    use super::closed;

    #[test]
    fn every_object_that_says_nothing_is_closed() {
        let schema = r#"{"type":"object","properties":{"type":{"type":"object","additionalProperties":true},"l":{"type":"array","items":{"type":"object"}},"o":{"anyOf":[{"type":"object","properties":{}},{"type":"null"}]}},"$defs":{"d":{"type":"object"}}}"#;
        assert_eq!(
            closed(schema),
            r#"{"type":"object","properties":{"type":{"type":"object","additionalProperties":true},"l":{"type":"array","items":{"type":"object","additionalProperties":false}},"o":{"anyOf":[{"type":"object","properties":{},"additionalProperties":false},{"type":"null"}]}},"$defs":{"d":{"type":"object","additionalProperties":false}},"additionalProperties":false}"#
        );
    }

    #[test]
    fn a_schema_without_end_stays_as_it_is_from_some_depth_on() {
        let depth = 50_000;
        let schema = "{\"items\":".repeat(depth) + "1" + &"}".repeat(depth);
        assert_eq!(closed(&schema), schema);
    }
}
