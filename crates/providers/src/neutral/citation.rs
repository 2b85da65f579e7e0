//! Where what an answer says is from.

use std::ops::Range;

use crate::json::{Object, Text};

/// A page of the web that a part of a text is from.
#[derive(Clone, Debug)]
pub(crate) struct Citation<'a> {
    pub(crate) url: Text<'a>,
    pub(crate) title: Option<Text<'a>>,
    /// The page's own words.
    pub(crate) quote: Option<Text<'a>>,
    pub(crate) span: Span,
}

/// Which part of a text a citation is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Span {
    Whole,
    Chars(Range<usize>),
    /// Counted in bytes of UTF-8.
    Bytes(Range<usize>),
}

/// What a dialect counts a text in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    Chars,
    Bytes,
}

impl Unit {
    /// The length of `text`.
    pub(crate) fn of(self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Bytes => text.len(),
        }
    }
}

impl<'a> Citation<'a> {
    /// A citation of what `source` names by `url` and `title`; `None` when that is nothing of the web.
    pub(crate) fn of_web(source: &Object<'a>, url: &str, title: &str, span: Span) -> Option<Self> {
        let url = source.text(url)?;
        let is_web = ["https://", "http://"]
            .iter()
            .any(|scheme| url.escaped().starts_with(scheme));
        is_web.then(|| Self {
            url,
            title: source.text(title).filter(|title| !title.is_empty()),
            quote: None,
            span,
        })
    }

    pub(crate) fn into_owned(self) -> Citation<'static> {
        Citation {
            url: self.url.into_owned(),
            title: self.title.map(Text::into_owned),
            quote: self.quote.map(Text::into_owned),
            span: self.span,
        }
    }
}

impl Span {
    /// From `start` to `end`, as an object's fields of these names say; all of the text when they do
    /// not.
    pub(crate) fn read(object: &Object<'_>, unit: Unit, start: &str, end: &str) -> Self {
        let number = |name| {
            object
                .number(name)
                .and_then(|number| usize::try_from(number).ok())
        };
        // Google leaves out what is 0.
        match (number(start).unwrap_or(0), number(end)) {
            (start, Some(end)) if start < end => match unit {
                Unit::Chars => Self::Chars(start..end),
                Unit::Bytes => Self::Bytes(start..end),
            },
            _ => Self::Whole,
        }
    }

    /// What of `text` it is, in `unit`; all of it when it lies beyond.
    pub(crate) fn within(&self, text: &str, unit: Unit) -> Range<usize> {
        let bytes = match self {
            Self::Whole => 0..text.len(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Chars(chars) => {
                let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
                let start = places.nth(chars.start).unwrap_or(text.len());
                let further = (chars.end - chars.start).saturating_sub(1);
                start..places.nth(further).unwrap_or(text.len())
            }
        };
        let bytes = bytes.start..bytes.end.min(text.len());
        let parts = (text.get(..bytes.start), text.get(bytes));
        match parts {
            (Some(before), Some(cited)) if !cited.is_empty() => {
                let start = unit.of(before);
                start..start + unit.of(cited)
            }
            _ => 0..unit.of(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, Unit};

    #[test]
    fn a_span_is_told_in_either_unit() {
        let text = "aé🦀b";
        for (span, chars, bytes) in [
            (Span::Whole, 0..4, 0..8),
            (Span::Chars(1..3), 1..3, 1..7),
            (Span::Chars(3..4), 3..4, 7..8),
            (Span::Bytes(3..7), 2..3, 3..7),
            // As far as there is text.
            (Span::Chars(3..9), 3..4, 7..8),
            (Span::Bytes(7..99), 3..4, 7..8),
            // Beyond it, or in the middle of a character.
            (Span::Chars(4..9), 0..4, 0..8),
            (Span::Bytes(2..5), 0..4, 0..8),
            (Span::Bytes(usize::MAX - 1..usize::MAX), 0..4, 0..8),
        ] {
            assert_eq!(span.within(text, Unit::Chars), chars, "{span:?}");
            assert_eq!(span.within(text, Unit::Bytes), bytes, "{span:?}");
        }
    }
}
