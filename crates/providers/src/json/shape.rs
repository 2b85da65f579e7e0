//! Events that differ from the one before in a string or a number or two.

use crate::json::place;
use crate::json::scan::leading_object;

/// The text around the values in which neighbouring events of a stream differ.
///
/// A provider writes one event like the other, but for the token. An event that has the same text
/// around values of the same kind as one that was parsed needs no parsing: it is as well-formed, and
/// means the same.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// What stands before, between and behind the values, one after the other.
    text: String,
    /// Where the text before each value ends, and what the value is.
    holes: Vec<(usize, Hole)>,
    is_known: bool,
}

/// A value in which events differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hole {
    /// The string that is wanted.
    Token,
    /// A string of no meaning, which some put there against eavesdroppers who count bytes.
    Padding,
    /// A number that counts events.
    Count,
    /// An object with the counts so far.
    Counts,
}

impl Shape {
    /// Learns from an event that was parsed, given the values in it, as written.
    pub(crate) fn learn<const N: usize>(&mut self, event: &str, values: [(Hole, Option<&str>); N]) {
        self.forget();
        self.text.clear();
        self.holes.clear();
        let mut places = values.map(|(hole, value)| value.map(|value| (place(event, value), hole)));
        places.sort_unstable_by_key(|value| value.as_ref().map(|(place, _)| place.start));
        let mut from = 0;
        for (place, hole) in places.into_iter().flatten() {
            let Some(before) = event.get(from..place.start) else {
                return;
            };
            self.text.push_str(before);
            self.holes.push((self.text.len(), hole));
            from = place.end;
        }
        self.text.push_str(event.get(from..).unwrap_or_default());
        self.is_known = true;
    }

    /// Forgets, when an event of another kind has come that may change what events mean.
    pub(crate) const fn forget(&mut self) {
        self.is_known = false;
    }

    /// Reads an event of the shape learnt: hands the counts in it to `each`, and returns the token's
    /// literal, quotes included. `None` says nothing about the event, nor do the counts then.
    pub(crate) fn read<'e>(
        &self,
        event: &'e str,
        mut each: impl FnMut(&'e str, &'e str),
    ) -> Option<&'e str> {
        if !self.is_known {
            return None;
        }
        let mut token = "";
        let mut rest = event;
        let mut from = 0;
        for &(end, hole) in &self.holes {
            rest = rest.strip_prefix(self.text.get(from..end)?)?;
            from = end;
            let length = match hole {
                Hole::Token | Hole::Padding => plain_string(rest)?,
                Hole::Count => plain_number(rest)?,
                Hole::Counts => leading_object(rest, &mut each)?,
            };
            let (value, behind) = rest.split_at_checked(length)?;
            rest = behind;
            if hole == Hole::Token {
                token = value;
            }
        }
        (self.text.get(from..) == Some(rest)).then_some(token)
    }
}

/// Returns the length of the string literal that `text` begins with, when it needs no escapes.
fn plain_string(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('"')?.as_bytes();
    let end = inner
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))?;
    (inner.get(end) == Some(&b'"')).then_some(end + 2)
}

/// Returns the length of the whole number that `text` begins with.
fn plain_number(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let has_zeros = digits > 1 && text.starts_with('0');
    (digits > 0 && !has_zeros).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::{Hole, Shape};

    fn find<'e>(event: &'e str, part: &str) -> &'e str {
        let at = event.find(part).unwrap();
        event.get(at..at + part.len()).unwrap()
    }

    fn shape(event: &str, token: &str, padding: Option<&str>) -> Shape {
        let mut shape = Shape::default();
        let padding = padding.map(|padding| find(event, padding));
        let token = Some(find(event, token));
        shape.learn(event, [(Hole::Token, token), (Hole::Padding, padding)]);
        shape
    }

    fn token<'e>(shape: &Shape, event: &'e str) -> Option<&'e str> {
        shape.read(event, |_, _| {})
    }

    #[test]
    fn an_event_that_differs_in_its_token_is_known() {
        let shape = shape(r#"{"id":1,"t":"ab","x":null}"#, r#""ab""#, None);
        let token = |event| token(&shape, event);
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
            r#"{"id":1,"t":"a","x":null} "#,
            "",
        ] {
            assert_eq!(token(&shape, event), None, "{event}");
        }
        assert_eq!(token(&Shape::default(), ""), None);
    }

    #[test]
    fn padding_may_differ_too() {
        let shape = shape(r#"{"t":"ab","p":"xyz"}"#, r#""ab""#, Some(r#""xyz""#));
        let token = |event| token(&shape, event);
        assert_eq!(token(r#"{"t":"c","p":"z"}"#), Some("\"c\""));
        assert_eq!(token(r#"{"t":"c","p":"z","q":"r"}"#), None);
        assert_eq!(token(r#"{"t":"c","p":z}"#), None);
        assert_eq!(token(r#"{"t":"c","q":"z"}"#), None);
    }

    #[test]
    fn numbers_and_counts_may_differ_and_must_be_whole() {
        let event = r#"{"n":7,"t":"ab","u":{"c":1},"e":0}"#;
        let mut shape = Shape::default();
        // In any order.
        shape.learn(
            event,
            [
                (Hole::Counts, Some(find(event, r#"{"c":1}"#))),
                (Hole::Token, Some(find(event, r#""ab""#))),
                (Hole::Count, Some(find(event, "7"))),
            ],
        );
        let event = r#"{"n":10,"t":"x","u":{"c":[2,{}], "d":"}"},"e":0}"#;
        let mut counts = Vec::new();
        let token = shape.read(event, |name, value| counts.push((name, value)));
        assert_eq!(token, Some("\"x\""));
        assert_eq!(counts, [("c", "[2,{}]"), ("d", "\"}\"")]);
        for event in [
            r#"{"n":010,"t":"x","u":{"c":2},"e":0}"#,
            r#"{"n":,"t":"x","u":{"c":2},"e":0}"#,
            r#"{"n":1.5,"t":"x","u":{"c":2},"e":0}"#,
            r#"{"n":1,"t":"x","u":{"c":2,},"e":0}"#,
            r#"{"n":1,"t":"x","u":{"c":2},"f":1},"e":0}"#,
            r#"{"n":1,"t":"x","u":7,"e":0}"#,
        ] {
            assert_eq!(shape.read(event, |_, _| {}), None, "{event}");
        }
    }
}
