//! Events that differ from the one before in a string or a number or two.

use std::ops::Range;

use crate::json::place;

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
    holes: Vec<(usize, Kind)>,
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
    /// An object with the counts so far: each whole number in it.
    Counts,
}

/// What a value is, once counts are taken apart.
#[derive(Clone, Debug)]
enum Kind {
    Token,
    Padding,
    /// A whole number, and where its name stands in the text, if it is one of the counts themselves.
    Number(Range<usize>),
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
            let kind = match hole {
                Hole::Token => Kind::Token,
                Hole::Padding => Kind::Padding,
                Hole::Count => Kind::Number(0..0),
                Hole::Counts => {
                    self.learn_counts(event.get(place.clone()).unwrap_or_default());
                    from = place.end;
                    continue;
                }
            };
            self.holes.push((self.text.len(), kind));
            from = place.end;
        }
        self.text.push_str(event.get(from..).unwrap_or_default());
        self.is_known = self.holes.len() <= HOLE_LIMIT;
    }

    /// Learns the whole numbers in an object that was parsed.
    fn learn_counts(&mut self, object: &str) {
        let bytes = object.as_bytes();
        let (mut depth, mut from, mut at) = (0, 0, 0);
        let mut name = 0..0;
        while let Some(byte) = bytes.get(at) {
            let start = at;
            at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                        at += 1 + usize::from(*byte == b'\\');
                    }
                    name = start + 1..at;
                    at += 1;
                }
                b'0'..=b'9' | b'-' => {
                    let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                    let rest = bytes.get(at..).unwrap_or_default();
                    at += rest.iter().take_while(is_part).count();
                    let number = object.get(start..at).unwrap_or_default();
                    if plain_number(number) == Some(number.len()) {
                        let is_field = depth == 1;
                        // Its name stands in the text behind the last hole, which only numbers make.
                        let moved = |place: usize| self.text.len() + place - from;
                        let name = is_field.then(|| moved(name.start)..moved(name.end));
                        self.text
                            .push_str(object.get(from..start).unwrap_or_default());
                        let kind = Kind::Number(name.unwrap_or(0..0));
                        self.holes.push((self.text.len(), kind));
                        from = at;
                    }
                }
                _ => {}
            }
        }
        self.text.push_str(object.get(from..).unwrap_or_default());
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
        mut each: impl FnMut(&str, &'e str),
    ) -> Option<&'e str> {
        if !self.is_known {
            return None;
        }
        let mut token = "";
        let mut rest = event;
        let mut from = 0;
        for (end, kind) in &self.holes {
            rest = rest.strip_prefix(self.text.get(from..*end)?)?;
            from = *end;
            let length = match kind {
                Kind::Token | Kind::Padding => plain_string(rest)?,
                Kind::Number(_) => plain_number(rest)?,
            };
            let (value, behind) = rest.split_at_checked(length)?;
            rest = behind;
            match kind {
                Kind::Token => token = value,
                Kind::Number(name) if !name.is_empty() => {
                    each(self.text.get(name.clone())?, value);
                }
                Kind::Number(_) | Kind::Padding => {}
            }
        }
        (self.text.get(from..) == Some(rest)).then_some(token)
    }
}

/// Events with more values are not learnt.
const HOLE_LIMIT: usize = 24;

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
        let counts = r#"{"c": 1,"d\"":{"c":[22,"7"]},"f":-1.5,"g":"9","h":300}"#;
        let event = [r#"{"n":7,"t":"ab","u":"#, counts, r#","e":0}"#].concat();
        let mut shape = Shape::default();
        // In any order.
        shape.learn(
            &event,
            [
                (Hole::Counts, Some(find(&event, counts))),
                (Hole::Token, Some(find(&event, r#""ab""#))),
                (Hole::Count, Some(find(&event, "7"))),
            ],
        );
        let event =
            r#"{"n":10,"t":"x","u":{"c": 20,"d\"":{"c":[3,"7"]},"f":-1.5,"g":"9","h":0},"e":0}"#;
        let mut counts = Vec::new();
        let token = shape.read(event, |name, value| counts.push((name.to_owned(), value)));
        assert_eq!(token, Some("\"x\""));
        assert_eq!(counts, [("c".to_owned(), "20"), ("h".to_owned(), "0")]);
        for (this, that) in [
            ("\"n\":10", "\"n\":010"),
            ("\"n\":10", "\"n\":"),
            ("\"n\":10", "\"n\":1.5"),
            (": 20", ": -20"),
            (": 20", ":20"),
            ("[3", "[03"),
            ("-1.5", "-2.5"),
            ("\"9\"", "\"8\""),
            ("\"h\":0", "\"h\":0,\"i\":1"),
            ("\"h\":0", "\"h\":null"),
        ] {
            let event = event.replacen(this, that, 1);
            assert_eq!(shape.read(&event, |_, _| {}), None, "{event}");
        }
    }
}
