//! Reads JSON in which every key is given once.
//!
//! Of two values for one key most readers take the last and some the first. A document that means
//! one thing to who checks it and another to who obeys it is refused.

use std::fmt;

use ai_gateway_model::Faults;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads `json`, and finds the keys that are given more than once, each at its pointer.
///
/// Stops looking after [`MAX_FAULTS`]; the value holds what is given last.
///
/// # Errors
///
/// [`serde_json::Error`] when it is not JSON, or more than JSON.
pub(crate) fn read(json: &[u8]) -> serde_json::Result<(Value, Faults)> {
    let mut again = Faults::default();
    let mut source = serde_json::Deserializer::from_slice(json);
    let reader = Reader {
        at: None,
        again: &mut again,
    };
    let value = reader.deserialize(&mut source)?;
    source.end()?;
    Ok((value, again))
}

/// Reads the value at one place of the document.
struct Reader<'a> {
    /// `None` for the document itself.
    at: Option<&'a Step<'a>>,
    again: &'a mut Faults,
}

/// One step into a document, and those before it.
struct Step<'a> {
    before: Option<&'a Self>,
    into: Segment<'a>,
}

enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let step = Step {
                before: self.at,
                into: Segment::Index(list.len()),
            };
            let reader = Reader {
                at: Some(&step),
                again: self.again,
            };
            match elements.next_element_seed(reader)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let step = Step {
                before: self.at,
                into: Segment::Key(&key),
            };
            let reader = Reader {
                at: Some(&step),
                again: self.again,
            };
            let value = entries.next_value_seed(reader)?;
            if map.contains_key(&key) {
                report(&step, &key, self.again);
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// Adds the fault of a key that was there before, once however often it comes.
fn report(step: &Step<'_>, key: &str, again: &mut Faults) {
    if again.as_slice().len() == MAX_FAULTS {
        return;
    }
    let pointer = step.pointer();
    let is_known = again
        .as_slice()
        .iter()
        .any(|fault| fault.pointer == pointer);
    if !is_known {
        again.push(pointer, format!("{key} is given twice"));
    }
}

impl Step<'_> {
    /// Returns the JSON pointer (RFC 6901) to what the step leads to.
    fn pointer(&self) -> String {
        let mut segments = Vec::new();
        let mut next = Some(self);
        while let Some(step) = next {
            segments.push(match step.into {
                Segment::Key(key) => key.replace('~', "~0").replace('/', "~1"),
                Segment::Index(index) => index.to_string(),
            });
            next = step.before;
        }
        segments.push(String::new());
        segments.reverse();
        segments.join("/")
    }
}

/// What someone writes by hand has few; a body made to be large gets no larger answer.
const MAX_FAULTS: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a document and compares the pointers of its faults.
    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let (_, again) = read(json.as_bytes()).unwrap();
        let pointers: Vec<_> = again.as_slice().iter().map(|it| &*it.pointer).collect();
        assert_eq!(pointers, expected, "{json}");
    }

    #[test]
    fn a_key_is_given_twice_within_one_object_only() {
        check(r#"{"a": 1, "b": {"a": 2}, "c": [{"a": 3}, {"a": 4}]}"#, &[]);
        check(r#"{"a": 1, "b": 2, "a": 1}"#, &["/a"]);
        check(r#"{"a": 1, "A": 2, "a ": 3}"#, &[]);
        check(r#"{"a": 1, "\u0061": 2}"#, &["/a"]);
    }

    #[test]
    fn the_pointer_leads_through_objects_and_lists() {
        check(
            r#"{"t": [0, {"w": 1, "w": 2}, {"h": {"x/y~z": "", "x/y~z": ""}}]}"#,
            &["/t/1/w", "/t/2/h/x~1y~0z"],
        );
        check(r#"[{"": 1, "": 2}]"#, &["/0/"]);
    }

    #[test]
    fn each_key_is_reported_once_and_all_are_up_to_the_limit() {
        check(
            r#"{"a": 1, "a": 2, "a": 3, "b": {"c": 1, "c": 2}, "b": 4}"#,
            &["/a", "/b/c", "/b"],
        );
        let many: Vec<String> = (0..100)
            .map(|key| format!("\"{key}\": 1, \"{key}\": 2"))
            .collect();
        let (_, again) = read(format!("{{{}}}", many.join(",")).as_bytes()).unwrap();
        assert_eq!(again.as_slice().len(), MAX_FAULTS);
    }

    #[test]
    fn what_is_not_json_is_an_error_and_so_is_more_than_json() {
        for text in ["", "{", "{\"a\": }", "{} {}", "nul", "1e999"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            let keyed = prop::collection::vec((any::<String>(), inner), 0..4);
            let map = keyed.prop_map(|pairs| Value::Object(pairs.into_iter().collect()));
            prop_oneof![list, map]
        })
    }

    proptest! {
        #[test]
        fn the_value_is_the_one_that_serde_reads(value in any_json()) {
            let text = value.to_string();
            let expected: Value = serde_json::from_str(&text).unwrap();
            let (found, again) = read(text.as_bytes()).unwrap();
            prop_assert_eq!(found, expected);
            prop_assert!(again.is_empty());
        }

        #[test]
        fn any_text_is_judged_as_serde_judges_it(text in r#"[\[\]{}",:a01.eE\\ -]{0,12}"#) {
            let is_json = serde_json::from_str::<Value>(&text).is_ok();
            prop_assert_eq!(read(text.as_bytes()).is_ok(), is_json, "{}", text);
        }
    }
}
