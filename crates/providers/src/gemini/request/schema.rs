//! Schemas as Google writes them, into JSON Schema.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::gemini::camel;
use crate::json::{Object, Text, Writer, items};

/// Rewrites a schema of OpenAPI's subset: types in capitals, and `nullable` beside the type.
pub(super) fn json_schema(raw: &RawValue) -> Cow<'static, str> {
    let mut out = Writer::with_capacity(raw.get().len());
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
    let is_nullable = schema.bool("nullable") == Some(true);
    out.object(|out| {
        for (name, raw) in schema.iter() {
            let name = camel(name);
            match name.as_ref() {
                // Google's own: how to write null, and in which order to answer.
                "nullable" | "propertyOrdering" => {}
                "type" => write_type(raw, is_nullable, out.key(&name)),
                "items" => write(raw, depth, out.key(&name)),
                "properties" => write_each(raw, depth, out.key(&name)),
                "anyOf" => {
                    let schemas = items(raw).unwrap_or_default();
                    out.key(&name)
                        .array(|out| schemas.into_iter().for_each(|raw| write(raw, depth, out)));
                }
                _ => {
                    out.key(&name).raw(raw);
                }
            }
        }
    });
}

fn write_type(raw: &RawValue, is_nullable: bool, out: &mut Writer) {
    let Some(kind) = Text::of(raw) else {
        out.raw(raw);
        return;
    };
    let kind = kind.decoded().to_ascii_lowercase();
    if is_nullable {
        out.array(|out| {
            out.str(&kind).str("null");
        });
    } else {
        out.str(&kind);
    }
}

fn write_each(raw: &RawValue, depth: usize, out: &mut Writer) {
    let Some(properties) = Object::of(raw) else {
        out.raw(raw);
        return;
    };
    out.object(|out| {
        for (name, raw) in properties.iter() {
            write(raw, depth, out.key(name));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::json_schema;
    use crate::json::parse_raw;

    #[test]
    fn a_schema_without_end_stays_as_it_is_from_some_depth_on() {
        let depth = 50_000;
        let schema = "{\"items\":".repeat(depth) + "{\"type\":\"STRING\"}" + &"}".repeat(depth);
        assert_eq!(json_schema(parse_raw(&schema).unwrap()), schema);
    }

    #[test]
    fn types_lose_their_capitals_and_null_becomes_a_type() {
        let schema = r#"{"type":"OBJECT","property_ordering":["type"],"properties":{"type":{"type":"STRING","nullable":true,"enum":["A"]},"l":{"type":"ARRAY","items":{"type":"INTEGER"}},"o":{"any_of":[{"type":"NUMBER"}]},"a_b":{"type":"STRING","max_length":3}},"required":["type"]}"#;
        assert_eq!(
            json_schema(parse_raw(schema).unwrap()),
            r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["A"]},"l":{"type":"array","items":{"type":"integer"}},"o":{"anyOf":[{"type":"number"}]},"a_b":{"type":"string","maxLength":3}},"required":["type"]}"#
        );
    }
}
