//! What several providers look at in the same way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The images that models see.
pub(super) const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Whether `data` is an image in base64, of the type that it is said to be.
pub(super) fn is_image(media_type: &str, data: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(data) else {
        return false;
    };
    match media_type {
        "image/png" => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
        "image/jpeg" => bytes.starts_with(b"\xff\xd8\xff"),
        "image/gif" => bytes.starts_with(b"GIF8"),
        "image/webp" => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
        _ => false,
    }
}

/// Whether a `data:` URL holds an image that models see.
pub(super) fn is_image_url(url: &str) -> bool {
    let Some((media_type, data)) = url
        .strip_prefix("data:")
        .and_then(|url| url.split_once(";base64,"))
    else {
        return false;
    };
    IMAGE_TYPES.contains(&media_type) && is_image(media_type, data)
}

/// Whether `name` is made of letters, digits, `_` and `-`, and no longer than `most`.
pub(super) fn is_plain_name(name: &str, most: usize) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=most).contains(&name.len()) && name.bytes().all(is_plain)
}

/// A member of an object that is not among those that are known.
pub(super) fn unknown_member<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    let members = value.as_object()?;
    members
        .keys()
        .map(String::as_str)
        .find(|name| !known.contains(name))
}

/// Whether every object of a schema says that it has no other members, as a strict form must.
pub(super) fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let is_object = schema.get("type").is_some_and(|kind| kind == "object");
            let is_open = schema.get("additionalProperties") != Some(&Value::Bool(false));
            !(is_object && is_open) && members.values().all(is_closed)
        }
        Value::Array(items) => items.iter().all(is_closed),
        _ => true,
    }
}

/// A keyword of a schema that Anthropic's models can't be bound to: each is a limit on values.
pub(super) fn refused_by_claude(schema: &Value) -> Option<&str> {
    const REFUSED: [&str; 11] = [
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
    match schema {
        Value::Object(members) => {
            let refused = members.keys().find(|name| REFUSED.contains(&name.as_str()));
            let many = members
                .get_key_value("minItems")
                .filter(|(_, least)| least.as_u64().is_none_or(|least| least > 1));
            let refused = refused.or(many.map(|(name, _)| name));
            // What is under properties are names, not keywords.
            let below = members
                .iter()
                .flat_map(|(name, value)| match (name.as_str(), value) {
                    ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                        named.values().collect::<Vec<_>>()
                    }
                    _ => vec![value],
                });
            let mut below = below.filter_map(refused_by_claude);
            refused.map(String::as_str).or_else(|| below.next())
        }
        Value::Array(items) => items.iter().find_map(refused_by_claude),
        _ => None,
    }
}

/// Whether every object of a schema demands each of its members.
pub(super) fn demands_all(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let named = schema.get("properties").and_then(Value::as_object);
            let demanded = schema.get("required").and_then(Value::as_array);
            let is_demanded = |name: &String| {
                demanded.is_some_and(|all| all.iter().any(|one| one == name.as_str()))
            };
            named.is_none_or(|named| named.keys().all(is_demanded))
                && members.values().all(demands_all)
        }
        Value::Array(items) => items.iter().all(demands_all),
        _ => true,
    }
}

/// Whether a model of OpenAI's reasons, told from its name.
pub(super) fn reasons(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"]
        .iter()
        .any(|begin| model.starts_with(begin))
}
