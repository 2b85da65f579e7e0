//! Strings as JSON writes them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{Sort, Writer};

/// A string as it stands in a JSON document, its quotes and escapes included.
///
/// Copied into another document it needs no work and loses nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    pub(crate) const EMPTY: Self = Self(Cow::Borrowed("\"\""));

    /// Takes `raw` when it is a string.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        Self::of_written(raw.get())
    }

    /// As [`of`](Self::of), of a value as it stands in valid JSON.
    pub(crate) fn of_written(value: &'a str) -> Option<Self> {
        (Sort::of_written(value) == Sort::String).then_some(Self(Cow::Borrowed(value)))
    }

    /// Takes a literal that was seen to be one, quotes included; `None` for one without content.
    pub(crate) fn of_literal(literal: &'a str) -> Option<Self> {
        (literal.len() > 2).then_some(Self(Cow::Borrowed(literal)))
    }

    /// Writes plain text as JSON does.
    pub(crate) fn plain(text: &str) -> Text<'static> {
        let mut out = Writer::with_capacity(text.len() + 2);
        out.str(text);
        Text(Cow::Owned(out.into_string()))
    }

    /// Takes text whose escapes are written already.
    pub(crate) fn from_escaped(escaped: &str) -> Text<'static> {
        Text(Cow::Owned(["\"", escaped, "\""].concat()))
    }

    /// Returns the text with its quotes, ready to be copied into a document.
    pub(crate) fn literal(&self) -> &str {
        &self.0
    }

    /// Returns the text between the quotes, its escapes kept.
    pub(crate) fn escaped(&self) -> &str {
        let literal = self.literal();
        literal.get(1..literal.len() - 1).unwrap_or_default()
    }

    /// Tells whether there is no character in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.escaped().is_empty()
    }

    /// Tells whether there is nothing but white space in it.
    pub(crate) fn is_blank(&self) -> bool {
        let escaped = self.escaped();
        match escaped.bytes().find(|byte| !byte.is_ascii_whitespace()) {
            None => true,
            Some(b'\\' | 0x80..) => self.decoded().trim().is_empty(),
            Some(_) => false,
        }
    }

    /// Resolves the escapes; a lone surrogate becomes the replacement character.
    pub(crate) fn decoded(&self) -> Cow<'_, str> {
        decode(self.literal())
    }

    /// As [`decoded`](Self::decoded), giving up the literal.
    pub(crate) fn into_decoded(self) -> Cow<'a, str> {
        match self.0 {
            Cow::Borrowed(literal) => decode(literal),
            Cow::Owned(literal) => Cow::Owned(decode(&literal).into_owned()),
        }
    }

    /// Makes a copy that stands by itself.
    pub(crate) fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }

    /// Joins texts, with `between` (as JSON escapes it) between them; `None` when there are none.
    pub(crate) fn join<'t>(
        texts: impl IntoIterator<Item = &'t Text<'t>>,
        between: &str,
    ) -> Option<Text<'static>> {
        let mut texts = texts.into_iter();
        let mut joined = String::from("\"");
        joined.push_str(texts.next()?.escaped());
        for text in texts {
            joined.push_str(between);
            joined.push_str(text.escaped());
        }
        joined.push('"');
        Some(Text(Cow::Owned(joined)))
    }
}

fn decode(literal: &str) -> Cow<'_, str> {
    let inner = literal.get(1..literal.len() - 1).unwrap_or_default();
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(literal) {
        Ok(text) => Cow::Owned(text),
        // Only a lone surrogate gets here: read as bytes, it is kept in its three-byte form.
        Err(_) => Cow::Owned(
            serde_json::from_str::<Lossy>(literal)
                .map(|text| text.0)
                .unwrap_or_default(),
        ),
    }
}

struct Lossy(String);

impl<'de> serde::Deserialize<'de> for Lossy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl serde::de::Visitor<'_> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::json::parse_raw;

    #[track_caller]
    fn check(literal: &str, decoded: &str, blank: bool) {
        let text = Text::of(parse_raw(literal).unwrap()).unwrap();
        assert_eq!(text.literal(), literal);
        assert_eq!(text.decoded(), decoded);
        assert_eq!(text.is_blank(), blank);
    }

    #[test]
    fn escapes_are_resolved_only_on_request() {
        check(r#""plain""#, "plain", false);
        check(r#""a\n\u00e9\/""#, "a\né/", false);
        check(r#""""#, "", true);
        check(r#"" \n\t\u00a0""#, " \n\t\u{a0}", true);
        check(r#"" \n.""#, " \n.", false);
    }

    #[test]
    fn a_lone_surrogate_stays_as_written_and_decodes_to_replacement_characters() {
        let text = Text::of(parse_raw(r#""x\ud83ey""#).unwrap()).unwrap();
        assert_eq!(text.literal(), r#""x\ud83ey""#);
        let decoded = text.decoded();
        assert!(decoded.starts_with("x\u{fffd}") && decoded.ends_with('y'));
    }

    #[test]
    fn texts_are_joined_with_their_escapes_kept() {
        let texts = [Text::plain("a\"b"), Text::plain("c")];
        let joined = Text::join(&texts, "\\n").unwrap();
        assert_eq!(joined.decoded(), "a\"b\nc");
        assert_eq!(Text::join(&[], "\\n"), None);
    }
}
