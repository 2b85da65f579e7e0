//! Reads and writes JSON without changing the parts it does not understand.
//!
//! A value that only passes through stays the slice of the document it was: text keeps its own
//! escapes (a lone surrogate too, which is legal JSON and not legal UTF-8), numbers keep their
//! digits, objects their order.

mod object;
mod text;
mod writer;

pub(crate) use object::{FieldName, Object, items, parse_raw};
pub(crate) use text::Text;
pub(crate) use writer::Writer;

use serde_json::value::RawValue;

/// What sort of value a JSON text holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sort {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Sort {
    /// Tells the sort from the first byte, which for valid JSON decides it.
    pub(crate) fn of(raw: &RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'"') => Self::String,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }

    /// Names the sort with its article, for messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}
