//! Schemas as Google writes them, into JSON Schema.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::gemini::camel;
use crate::json::{Object, Text, Writer};
use crate::neutral::schema::{Rules, rewrite};

/// Rewrites a schema of OpenAPI's subset: types in capitals, and `nullable` beside the type.
pub(super) fn json_schema(raw: &RawValue) -> Cow<'static, str> {
    Cow::Owned(rewrite(raw, &mut OpenApi))
}

struct OpenApi;

impl Rules for OpenApi {
    fn spell<'n>(&self, name: &'n str) -> Cow<'n, str> {
        camel(name)
    }

    fn write(&mut self, schema: &Object<'_>, name: &str, raw: &RawValue, out: &mut Writer) {
        match name {
            // Google's own: how to write null, and in which order to answer.
            "nullable" | "propertyOrdering" => {}
            "type" => {
                let is_nullable = schema.bool("nullable") == Some(true);
                write_type(raw, is_nullable, out.key(name));
            }
            _ => {
                out.key(name).raw(raw);
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::json_schema;
    use crate::json::parse_raw;

    #[test]
    fn types_lose_their_capitals_and_null_becomes_a_type() {
        let schema = r#"{"type":"OBJECT","property_ordering":["type"],"properties":{"type":{"type":"STRING","nullable":true,"enum":["A"]},"l":{"type":"ARRAY","items":{"type":"INTEGER"}},"o":{"any_of":[{"type":"NUMBER"}]},"a_b":{"type":"STRING","max_length":3}},"required":["type"]}"#;
        assert_eq!(
            json_schema(parse_raw(schema).unwrap()),
            r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["A"]},"l":{"type":"array","items":{"type":"integer"}},"o":{"anyOf":[{"type":"number"}]},"a_b":{"type":"string","maxLength":3}},"required":["type"]}"#
        );
    }
}
