//! Events that differ from the one before in a string or two.

use crate::json::place;

/// The text around the strings in which neighbouring events of a stream differ.
///
/// A provider writes one event like the other, but for the token. An event that has the same text
/// around a plain string as one that was parsed needs no parsing: it is as well-formed, and means
/// the same.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    head: String,
    /// Between the token and the padding that some put behind it against eavesdroppers who count
    /// bytes.
    between: Option<String>,
    tail: String,
    is_known: bool,
}

impl Shape {
    /// Learns from an event that was parsed, given the literals in it, quotes included.
    pub(crate) fn learn(&mut self, event: &str, token: &str, padding: Option<&str>) {
        let places = (
            place(event, token),
            padding.map(|padding| place(event, padding)),
        );
        self.is_known = false;
        let (end, between) = match &places {
            (token, Some(padding)) if padding.start >= token.end => {
                (padding.end, event.get(token.end..padding.start))
            }
            (_, Some(_)) => return,
            (token, None) => (token.end, None),
        };
        if let (Some(head), Some(tail)) = (event.get(..places.0.start), event.get(end..)) {
            set(&mut self.head, head);
            set(&mut self.tail, tail);
            match (&mut self.between, between) {
                (Some(known), Some(between)) => set(known, between),
                (known, between) => *known = between.map(str::to_owned),
            }
            self.is_known = true;
        }
    }

    /// Forgets, when an event of another kind has come that may change what events mean.
    pub(crate) const fn forget(&mut self) {
        self.is_known = false;
    }

    /// Returns the token's literal, quotes included, of an event of the shape learnt. `None` says
    /// nothing about the event.
    pub(crate) fn token<'e>(&self, event: &'e str) -> Option<&'e str> {
        if !self.is_known {
            return None;
        }
        let rest = event.strip_prefix(self.head.as_str())?;
        let rest = rest.strip_suffix(self.tail.as_str())?;
        let token = match &self.between {
            None => rest,
            Some(between) => {
                let (token, tail) = rest.split_at(plain_string(rest)?);
                let padding = tail.strip_prefix(between.as_str())?;
                (plain_string(padding)? == padding.len()).then_some(())?;
                token
            }
        };
        (plain_string(token)? == token.len()).then_some(token)
    }
}

fn set(known: &mut String, text: &str) {
    known.clear();
    known.push_str(text);
}

/// Returns the length of the string literal that `text` begins with, when it needs no escapes.
fn plain_string(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('"')?.as_bytes();
    let end = inner
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))?;
    (inner.get(end) == Some(&b'"')).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::Shape;

    fn shape(event: &str, token: &str, padding: Option<&str>) -> Shape {
        let find = |part: &str| {
            let at = event.find(part).unwrap();
            event.get(at..at + part.len()).unwrap()
        };
        let mut shape = Shape::default();
        shape.learn(event, find(token), padding.map(find));
        shape
    }

    #[test]
    fn an_event_that_differs_in_its_token_is_known() {
        let shape = shape(r#"{"id":1,"t":"ab","x":null}"#, r#""ab""#, None);
        let token = |event| shape.token(event);
        assert_eq!(token(r#"{"id":1,"t":"é c","x":null}"#), Some("\"é c\""));
        assert_eq!(token(r#"{"id":1,"t":"","x":null}"#), Some("\"\""));
    }

    #[test]
    fn anything_else_is_not_known() {
        let shape = shape(r#"{"id":1,"t":"ab","x":null}"#, r#""ab""#, None);
        for event in [
            r#"{"id":2,"t":"ab","x":null}"#,
            r#"{"id":1,"t":"a","x":1}"#,
            r#"{"id":1,"t":"a\n","x":null}"#,
            r#"{"id":1,"t":"a","y":"b","x":null}"#,
            r#"{"id":1,"t":"a"b","x":null}"#,
            r#"{"id":1,"t":7,"x":null}"#,
            "{\"id\":1,\"t\":\"a\n\",\"x\":null}",
            r#"{"id":1,"t":","x":null}"#,
            "",
        ] {
            assert_eq!(shape.token(event), None, "{event}");
        }
        assert_eq!(Shape::default().token(""), None);
    }

    #[test]
    fn padding_may_differ_too() {
        let shape = shape(r#"{"t":"ab","p":"xyz"}"#, r#""ab""#, Some(r#""xyz""#));
        assert_eq!(shape.token(r#"{"t":"c","p":"z"}"#), Some("\"c\""));
        assert_eq!(shape.token(r#"{"t":"c","p":"z","q":"r"}"#), None);
        assert_eq!(shape.token(r#"{"t":"c","p":z}"#), None);
        assert_eq!(shape.token(r#"{"t":"c","q":"z"}"#), None);
    }
}
