//! Checks of a field's type that name the field.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::value::RawValue;

use crate::exchange::EncodeError;
use crate::json::{Body, Object, Sort, Text, items};

pub(crate) fn wrong(raw: &RawValue, field: impl Display, expected: &str) -> EncodeError {
    EncodeError::new(
        field,
        format!("must be {expected}, and is {}", Sort::of(raw).name()),
    )
}

pub(crate) fn text<'a>(raw: &'a RawValue, field: impl Display) -> Result<Text<'a>, EncodeError> {
    Text::of(raw).ok_or_else(|| wrong(raw, field, "a string"))
}

pub(crate) fn string<'a>(
    raw: &'a RawValue,
    field: impl Display,
) -> Result<Cow<'a, str>, EncodeError> {
    text(raw, field).map(Text::into_decoded)
}

pub(crate) fn object<'a>(
    raw: &'a RawValue,
    field: impl Display,
) -> Result<Object<'a>, EncodeError> {
    Object::of(raw).ok_or_else(|| wrong(raw, field, "an object"))
}

pub(crate) fn array(raw: &RawValue, field: impl Display) -> Result<Vec<&RawValue>, EncodeError> {
    items(raw).ok_or_else(|| wrong(raw, field, "an array"))
}

pub(crate) fn bool(raw: &RawValue, field: impl Display) -> Result<bool, EncodeError> {
    serde_json::from_str(raw.get()).map_err(|_| wrong(raw, field, "a boolean"))
}

/// A whole number that is not negative.
pub(crate) fn count(raw: &RawValue, field: impl Display) -> Result<u64, EncodeError> {
    serde_json::from_str(raw.get()).map_err(|_| {
        EncodeError::new(
            field,
            format!(
                "must be a whole number from 0, and is {}",
                raw.get().chars().take(40).collect::<String>()
            ),
        )
    })
}

/// A number, kept as written.
pub(crate) fn number(raw: &RawValue, field: impl Display) -> Result<&RawValue, EncodeError> {
    match Sort::of(raw) {
        Sort::Number => Ok(raw),
        _ => Err(wrong(raw, field, "a number")),
    }
}

/// The objects of an array, whose items are at `place`.
pub(crate) fn objects<'a, P: Display>(
    raw: &'a RawValue,
    field: impl Display,
    place: impl Fn(usize) -> P,
) -> Result<Vec<Object<'a>>, EncodeError> {
    if let Some(objects) = crate::json::objects(raw) {
        return Ok(objects);
    }
    array(raw, field)?
        .into_iter()
        .enumerate()
        .map(|(index, raw)| object(raw, place(index)))
        .collect()
}

/// A request's body and its messages, which it must have.
pub(crate) fn body(text: &str) -> Result<Body<'_>, EncodeError> {
    if let Some(body) = Body::read(text, MESSAGES) {
        return Ok(body);
    }
    let fields: Object<'_> = serde_json::from_str(text)
        .map_err(|_| EncodeError::new("body", "must be a JSON object"))?;
    let Some(raw) = fields.get(MESSAGES) else {
        return Err(EncodeError::new(MESSAGES, "is required"));
    };
    let listed = objects(raw, MESSAGES, |index| format!("messages[{index}]"))?;
    Ok(Body { fields, listed })
}

/// The field that holds a conversation.
pub(crate) const MESSAGES: &str = "messages";

/// A string that must be there.
pub(crate) fn required_string<'a>(
    object: &Object<'a>,
    name: &str,
    at: impl Display,
) -> Result<Cow<'a, str>, EncodeError> {
    match object.get(name) {
        Some(raw) => string(raw, format_args!("{at}.{name}")),
        None => Err(EncodeError::new(format_args!("{at}.{name}"), "is required")),
    }
}
