//! Reads and writes JSON without changing the parts it does not understand.
//!
//! A value that only passes through stays the slice of the document it was: text keeps its own
//! escapes (a lone surrogate too, which is legal JSON and not legal UTF-8), numbers keep their
//! digits, objects their order.

mod object;
mod scan;
mod shape;
mod text;
mod writer;

pub(crate) use object::{Body, FieldName, Object, items, objects, parse_raw};
pub(crate) use scan::{Slices, fields};
pub(crate) use shape::{Hole, Shape};
pub(crate) use text::Text;
pub(crate) use writer::Writer;

use std::ops::Range;

use serde_json::value::RawValue;

/// Where `part`, a slice of `whole`, stands in it.
pub(crate) fn place(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

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
        Self::of_written(raw.get())
    }

    /// As [`of`](Self::of), of a value as it stands in valid JSON.
    pub(crate) fn of_written(value: &str) -> Self {
        match value.as_bytes().first() {
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
