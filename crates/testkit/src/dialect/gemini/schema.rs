//! The part of OpenAPI's schemas that Google takes.

use serde_json::Value;

use super::only;
use crate::dialect::{Refusal, elements};

/// Refuses a schema with words that Google does not have.
pub(super) fn check(schema: &Value, at: &str) -> Result<(), Refusal> {
    only(schema, at, KEYWORDS)?;
    if !schema["type"].is_string() && schema["anyOf"].is_null() {
        return Err(Refusal::invalid(format!(
            "{at}: schema didn't specify the schema type field"
        )));
    }
    if let Some(members) = schema["properties"].as_object() {
        for (name, member) in members {
            check(member, &format!("{at}.properties[{name}]"))?;
        }
    }
    if schema["type"]
        .as_str()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("array"))
    {
        check(&schema["items"], &format!("{at}.items"))?;
    }
    for choice in elements(&schema["anyOf"]) {
        check(choice, &format!("{at}.any_of"))?;
    }
    Ok(())
}

const KEYWORDS: &[&str] = &[
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
];
