//! Goes over a JSON Schema with all the schemas in it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{Object, Writer, items};

/// How a schema is rewritten: what becomes of each of its keywords that holds no schemas.
pub(crate) trait Rules {
    /// The usual spelling of a keyword.
    fn spell<'n>(&self, name: &'n str) -> Cow<'n, str> {
        Cow::Borrowed(name)
    }

    /// Writes a keyword of `schema`, or leaves it out.
    fn write(&mut self, schema: &Object<'_>, name: &str, raw: &RawValue, out: &mut Writer);

    /// Writes what `schema` lacks.
    fn finish(&mut self, _schema: &Object<'_>, _out: &mut Writer) {}
}

/// Schemas nested deeper stay as they are.
const DEPTH_LIMIT: usize = 64;

/// Rewrites `schema`; what is no schema stays as it is.
pub(crate) fn rewrite(schema: &RawValue, rules: &mut impl Rules) -> String {
    let mut out = Writer::with_capacity(schema.get().len() + 64);
    write(schema, DEPTH_LIMIT, rules, &mut out);
    out.into_string()
}

fn write(raw: &RawValue, depth: usize, rules: &mut impl Rules, out: &mut Writer) {
    let (Some(schema), Some(depth)) = (Object::of(raw), depth.checked_sub(1)) else {
        out.raw(raw);
        return;
    };
    out.object(|out| {
        for (name, raw) in schema.iter() {
            let name = rules.spell(name);
            match name.as_ref() {
                "properties" | "$defs" | "definitions" => {
                    write_each(raw, depth, rules, out.key(&name));
                }
                "items" => write(raw, depth, rules, out.key(&name)),
                "anyOf" | "allOf" | "oneOf" => write_all(raw, depth, rules, out.key(&name)),
                name => rules.write(&schema, name, raw, out),
            }
        }
        rules.finish(&schema, out);
    });
}

fn write_each(raw: &RawValue, depth: usize, rules: &mut impl Rules, out: &mut Writer) {
    let Some(schemas) = Object::of(raw) else {
        out.raw(raw);
        return;
    };
    out.object(|out| {
        for (name, raw) in schemas.iter() {
            write(raw, depth, rules, out.key(name));
        }
    });
}

fn write_all(raw: &RawValue, depth: usize, rules: &mut impl Rules, out: &mut Writer) {
    let Some(schemas) = items(raw) else {
        out.raw(raw);
        return;
    };
    out.array(|out| {
        for raw in schemas {
            write(raw, depth, rules, out);
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{Rules, rewrite};
    use crate::json::{Object, Writer, parse_raw};

    struct Marked;

    impl Rules for Marked {
        fn write(&mut self, _: &Object<'_>, name: &str, raw: &RawValue, out: &mut Writer) {
            out.key(name).raw(raw);
        }

        fn finish(&mut self, _: &Object<'_>, out: &mut Writer) {
            out.key("x").number(1);
        }
    }

    #[test]
    fn every_schema_is_met_and_nothing_else() {
        let schema = r#"{"properties":{"type":{"enum":[{}]},"p":true},"items":{},"anyOf":[{},1],"$defs":7,"default":{"items":{}}}"#;
        assert_eq!(
            rewrite(parse_raw(schema).unwrap(), &mut Marked),
            r#"{"properties":{"type":{"enum":[{}],"x":1},"p":true},"items":{"x":1},"anyOf":[{"x":1},1],"$defs":7,"default":{"items":{}},"x":1}"#
        );
    }

    #[test]
    fn a_schema_without_end_stays_as_it_is_from_some_depth_on() {
        let depth = 50_000;
        let schema = "{\"items\":".repeat(depth) + "1" + &"}".repeat(depth);
        let written = rewrite(parse_raw(&schema).unwrap(), &mut Marked);
        assert_eq!(written.matches("\"x\":1").count(), 64);
        assert_eq!(written.replace(",\"x\":1", ""), schema);
    }
}
