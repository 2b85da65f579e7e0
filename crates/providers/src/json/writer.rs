//! Writes JSON straight into a buffer.

use serde_json::value::RawValue;

use crate::json::Text;

/// Writes one JSON document; commas come by themselves.
///
/// The caller keeps the grammar (a key before each value in an object, each container closed),
/// which the golden files and property tests of every dialect check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    buf: String,
}

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            buf: String::with_capacity(capacity),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.buf
    }

    pub(crate) const fn len(&self) -> usize {
        self.buf.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Hands out what was written.
    pub(crate) fn into_string(self) -> String {
        self.buf
    }

    /// Hands out what was written, as bytes.
    pub(crate) fn into_bytes(self) -> bytes::Bytes {
        bytes::Bytes::from(self.buf.into_bytes())
    }

    /// Writes `text` as it is, outside the JSON grammar: the framing of an event stream.
    pub(crate) fn frame(&mut self, text: &str) -> &mut Self {
        self.buf.push_str(text);
        self
    }

    pub(crate) fn object(&mut self, fields: impl FnOnce(&mut Self)) -> &mut Self {
        self.comma();
        self.buf.push('{');
        fields(self);
        self.buf.push('}');
        self
    }

    pub(crate) fn array(&mut self, items: impl FnOnce(&mut Self)) -> &mut Self {
        self.comma();
        self.buf.push('[');
        items(self);
        self.buf.push(']');
        self
    }

    /// Writes a key, which must need no escapes when it is a constant.
    pub(crate) fn key(&mut self, key: &str) -> &mut Self {
        self.str(key);
        self.buf.push(':');
        self
    }

    pub(crate) fn str(&mut self, value: &str) -> &mut Self {
        self.comma();
        self.buf.push('"');
        escape(value, &mut self.buf);
        self.buf.push('"');
        self
    }

    pub(crate) fn text(&mut self, value: &Text<'_>) -> &mut Self {
        self.verbatim(value.literal())
    }

    pub(crate) fn raw(&mut self, value: &RawValue) -> &mut Self {
        self.verbatim(value.get())
    }

    /// Writes a JSON value that is already text.
    pub(crate) fn verbatim(&mut self, json: &str) -> &mut Self {
        self.comma();
        self.buf.push_str(json);
        self
    }

    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.comma();
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = value;
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            at = index;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(at..).unwrap_or_default();
        self.buf
            .extend(digits.iter().map(|digit| char::from(*digit)));
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.verbatim(if value { "true" } else { "false" })
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        self.verbatim("null")
    }

    /// Writes the comma that a value or key needs after one before it: after anything but an
    /// opening bracket, a colon, or the space of a stream's framing.
    fn comma(&mut self) {
        match self.buf.as_bytes().last() {
            None | Some(b'{' | b'[' | b':' | b' ') => {}
            Some(_) => self.buf.push(','),
        }
    }
}

fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                let code = u32::from(control);
                out.push_str("\\u00");
                out.extend(char::from_digit(code >> 4, 16));
                out.extend(char::from_digit(code & 0xf, 16));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Writer;

    #[test]
    fn commas_stand_between_values_only() {
        let mut out = Writer::default();
        out.object(|out| {
            out.key("a").number(0);
            out.key("b").array(|out| {
                out.number(12).null().bool(true).str(" ");
                out.object(|_| {}).array(|_| {});
            });
            out.key("c").str("x");
        });
        assert_eq!(
            out.into_string(),
            r#"{"a":0,"b":[12,null,true," ",{},[]],"c":"x"}"#
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in any::<String>(), number in any::<u64>()) {
            let mut out = Writer::default();
            out.array(|out| { out.str(&text).number(number); });
            let (read, back): (String, u64) = serde_json::from_str(&out.into_string()).unwrap();
            prop_assert_eq!(read, text);
            prop_assert_eq!(back, number);
        }
    }
}
