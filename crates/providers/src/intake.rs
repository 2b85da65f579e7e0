//! Reads from a request's body what routing needs, without parsing the conversation.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use percent_encoding::percent_decode_str;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::Surface;
use crate::exchange::EncodeError;
use crate::gemini;
use crate::json::{FieldName, Object, Sort, Text, fields, place};

/// What routing needs to know of a request.
///
/// Reading it checks the whole body to be one JSON object, so that what reaches a target is at
/// least that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Intake {
    surface: Surface,
    model: Option<String>,
    stream: bool,
    include_usage: bool,
    pub(crate) model_at: Option<Range<usize>>,
    pub(crate) stream_options_at: Option<Range<usize>>,
    /// Just behind the object's opening brace, and whether a field follows there.
    pub(crate) opening: Opening,
}

/// Where fields can be put at the front of a body.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Opening {
    pub(crate) at: usize,
    pub(crate) is_empty: bool,
}

/// Why a request's body can't be taken. The caller's fault: HTTP 400.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// The body is not JSON.
    #[error("the body is not valid JSON: line {line}, column {column}")]
    NotJson {
        /// The line where reading stopped, from 1.
        line: usize,
        /// The column where reading stopped, from 1.
        column: usize,
    },
    /// The body is JSON, and not an object.
    #[error("the body must be a JSON object, and is {found}")]
    NotAnObject {
        /// What it is instead, with its article.
        found: &'static str,
    },
    /// A field is of the wrong type.
    #[error("{field} must be {expected}, and is {found}")]
    WrongType {
        /// The field's name.
        field: &'static str,
        /// What it must be, with its article.
        expected: &'static str,
        /// What it is instead, with its article.
        found: &'static str,
    },
    /// A field that the call can't do without is not there.
    #[error("{field} is missing")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// A field that decides where the request goes stands twice in the body: readers would
    /// disagree on which counts.
    #[error("{field} is given twice")]
    Duplicate {
        /// The field's name.
        field: &'static str,
    },
}

impl IntakeError {
    /// The field at fault, when it is one.
    pub const fn param(&self) -> Option<&'static str> {
        match self {
            Self::NotJson { .. } | Self::NotAnObject { .. } => None,
            Self::WrongType { field, .. } | Self::Missing { field } | Self::Duplicate { field } => {
                Some(field)
            }
        }
    }
}

impl Intake {
    /// Reads the body of a call.
    ///
    /// A call that is not understood ([`Surface::Other`], [`Surface::Models`], [`Surface::Model`]) may have any body:
    /// when it is not a JSON object, there is no model and no stream.
    ///
    /// # Errors
    ///
    /// [`IntakeError`] when the call is understood and its body can't be taken.
    pub fn read(surface: Surface, body: &[u8]) -> Result<Self, IntakeError> {
        match (surface, Self::probe(surface, body)) {
            (Surface::Other | Surface::Models | Surface::Model, Err(_)) => {
                Ok(Self::opaque(surface))
            }
            (_, read) => read,
        }
    }

    /// Takes the model from a path that names it, as Google's do; a path that names none changes
    /// nothing.
    #[must_use]
    pub fn with_model_of_path(mut self, path: &str) -> Self {
        if let Some((model, _)) = gemini::path::read(path) {
            let model = percent_decode_str(model).decode_utf8_lossy();
            self.model = Some(model.into_owned());
        }
        self
    }

    /// What the client called.
    pub const fn surface(&self) -> Surface {
        self.surface
    }

    /// The model asked for; `None` when the request names none, or an empty one.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether the answer is to be a stream of events.
    pub const fn is_stream(&self) -> bool {
        self.stream
    }

    /// Whether the client wants usage in the stream. Only OpenAI's dialect lets it choose.
    pub const fn includes_usage(&self) -> bool {
        self.include_usage
    }

    /// The same request with another body.
    ///
    /// # Errors
    ///
    /// It is not one that the call takes.
    pub(crate) fn of_body(&self, body: &[u8]) -> Result<Self, EncodeError> {
        let read = Self::read(self.surface, body).map_err(|fault| {
            EncodeError::new(fault.param().unwrap_or("body"), fault.to_string())
        })?;
        Ok(Self {
            model: self.model.clone(),
            ..read
        })
    }

    fn opaque(surface: Surface) -> Self {
        Self {
            surface,
            model: None,
            stream: false,
            include_usage: false,
            model_at: None,
            stream_options_at: None,
            opening: Opening::default(),
        }
    }

    fn probe(surface: Surface, body: &[u8]) -> Result<Self, IntakeError> {
        let text = std::str::from_utf8(body).map_err(|fault| {
            let before = body.get(..fault.valid_up_to()).unwrap_or_default();
            let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
            IntakeError::NotJson {
                line: memchr::memchr_iter(b'\n', before).count() + 1,
                column: before.len() - line_start + 1,
            }
        })?;
        let routing = match Routing::scan(text) {
            Some(routing) => routing,
            None => serde_json::from_str(text).map_err(|fault| not_read(text, &fault))?,
        };
        if let Some(field) = routing.duplicate {
            return Err(IntakeError::Duplicate { field });
        }
        if surface == Surface::CountTokens {
            // No conversation has no tokens: an estimate would be made up.
            let field = "messages";
            let messages = routing.messages.given();
            let messages = messages.ok_or(IntakeError::Missing { field })?;
            if Sort::of_written(messages) != Sort::Array {
                return Err(wrong(messages, field, "an array"));
            }
        }
        let model = routing
            .model
            .given()
            .map(|value| string(value, "model"))
            .transpose()?
            .filter(|model| !model.is_empty());
        let stream = routing
            .stream
            .given()
            .map(|value| boolean(value, "stream"))
            .transpose()?
            .unwrap_or(false);
        let include_usage = match routing.stream_options.given() {
            None => false,
            Some(value) => {
                let options: Object<'_> = serde_json::from_str(value)
                    .map_err(|_| wrong(value, "stream_options", "an object"))?;
                match options.get("include_usage") {
                    None => false,
                    Some(raw) => boolean(raw.get(), "stream_options.include_usage")?,
                }
            }
        };
        let brace = memchr::memchr(b'{', body).map_or(0, |at| at + 1);
        Ok(Self {
            surface,
            model: model.map(Cow::into_owned),
            stream: stream || surface == Surface::StreamGenerateContent,
            include_usage,
            model_at: routing.model.0.map(|value| place(text, value)),
            stream_options_at: routing.stream_options.0.map(|value| place(text, value)),
            opening: Opening {
                at: brace,
                is_empty: routing.is_empty,
            },
        })
    }
}

fn not_read(text: &str, fault: &serde_json::Error) -> IntakeError {
    if let Ok(raw) = serde_json::from_str::<&RawValue>(text) {
        return IntakeError::NotAnObject {
            found: Sort::of(raw).name(),
        };
    }
    IntakeError::NotJson {
        line: fault.line(),
        column: fault.column(),
    }
}

fn wrong(value: &str, field: &'static str, expected: &'static str) -> IntakeError {
    IntakeError::WrongType {
        field,
        expected,
        found: Sort::of_written(value).name(),
    }
}

fn string<'a>(value: &'a str, field: &'static str) -> Result<Cow<'a, str>, IntakeError> {
    match Text::of_written(value) {
        Some(text) => Ok(text.into_decoded()),
        None => Err(wrong(value, field, "a string")),
    }
}

fn boolean(value: &str, field: &'static str) -> Result<bool, IntakeError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(value, field, "a boolean")),
    }
}

/// The fields of a body that decide on its way, as written. Those that are `null` count as absent,
/// and still say where they stand.
#[derive(Default)]
struct Routing<'a> {
    model: Written<'a>,
    stream: Written<'a>,
    stream_options: Written<'a>,
    messages: Written<'a>,
    duplicate: Option<&'static str>,
    is_empty: bool,
}

/// A field's value as it stands in the body.
#[derive(Default)]
struct Written<'a>(Option<&'a str>);

impl<'a> Written<'a> {
    fn given(&self) -> Option<&'a str> {
        self.0.filter(|value| *value != "null")
    }
}

impl<'a> Routing<'a> {
    fn new() -> Self {
        Self {
            is_empty: true,
            ..Self::default()
        }
    }

    /// Reads `text` where the scan takes it.
    fn scan(text: &'a str) -> Option<Self> {
        let mut routing = Self::new();
        fields(text, |name, value| routing.note(name, value))?;
        Some(routing)
    }

    fn note(&mut self, name: &str, value: &'a str) {
        self.is_empty = false;
        let (slot, field) = match name {
            "model" => (&mut self.model, "model"),
            "stream" => (&mut self.stream, "stream"),
            "stream_options" => (&mut self.stream_options, "stream_options"),
            "messages" => {
                self.messages = Written(Some(value));
                return;
            }
            _ => return,
        };
        if slot.0.replace(value).is_some() {
            self.duplicate = Some(field);
        }
    }
}

impl<'de> Deserialize<'de> for Routing<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RoutingVisitor)
    }
}

struct RoutingVisitor;

impl<'de> Visitor<'de> for RoutingVisitor {
    type Value = Routing<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut routing = Routing::new();
        while let Some((FieldName(name), raw)) = map.next_entry::<FieldName<'_>, &RawValue>()? {
            routing.note(&name, raw.get());
        }
        Ok(routing)
    }
}

#[cfg(test)]
mod tests {
    use super::{Intake, IntakeError};
    use crate::dialect::Surface;

    fn read(body: &str) -> Result<Intake, IntakeError> {
        Intake::read(Surface::ChatCompletions, body.as_bytes())
    }

    #[test]
    fn model_and_stream_are_read_and_the_model_s_place_is_known() {
        let body = r#" { "messages":[{"model":"no"}], "model" : "gpt\u002d4", "stream":true,
            "stream_options":{"include_usage":true}} "#;
        let intake = read(body).unwrap();
        assert_eq!(intake.model(), Some("gpt-4"));
        assert!(intake.is_stream() && intake.includes_usage());
        assert_eq!(body.get(intake.model_at.unwrap()), Some(r#""gpt\u002d4""#));
    }

    #[test]
    fn a_model_that_is_null_or_empty_counts_as_none() {
        assert_eq!(read(r#"{"model":null}"#).unwrap().model(), None);
        assert_eq!(read(r#"{"model":""}"#).unwrap().model(), None);
        assert_eq!(read("{}").unwrap().model(), None);
    }

    #[test]
    fn what_is_not_one_json_object_is_refused_with_its_place() {
        assert_eq!(
            read("{\n  \"a\": }"),
            Err(IntakeError::NotJson { line: 2, column: 8 })
        );
        assert_eq!(
            Intake::read(Surface::Messages, b"{\"a\":\n\"\xff\"}"),
            Err(IntakeError::NotJson { line: 2, column: 2 })
        );
        assert_eq!(
            read("[1]"),
            Err(IntakeError::NotAnObject { found: "an array" })
        );
        assert!(matches!(read("{} {}"), Err(IntakeError::NotJson { .. })));
        assert!(matches!(read(""), Err(IntakeError::NotJson { .. })));
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(matches!(read(&deep), Err(IntakeError::NotJson { .. })));
    }

    #[test]
    fn a_field_that_routes_must_have_its_type() {
        let fault = |body| read(body).unwrap_err().to_string();
        assert_eq!(
            fault(r#"{"model":5}"#),
            "model must be a string, and is a number"
        );
        assert_eq!(
            fault(r#"{"stream":"yes"}"#),
            "stream must be a boolean, and is a string"
        );
        assert_eq!(
            fault(r#"{"stream_options":[]}"#),
            "stream_options must be an object, and is an array"
        );
    }

    #[test]
    fn a_count_needs_messages() {
        let fault = |body: &[u8]| Intake::read(Surface::CountTokens, body).unwrap_err();
        for body in [r#"{"model":"m"}"#, r#"{"model":"m","messages":null}"#] {
            let fault = fault(body.as_bytes());
            assert_eq!(fault.param(), Some("messages"));
            assert_eq!(fault.to_string(), "messages is missing");
        }
        assert_eq!(
            fault(br#"{"messages":"hi"}"#).to_string(),
            "messages must be an array, and is a string"
        );
        let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        assert!(Intake::read(Surface::CountTokens, body).is_ok());
    }

    #[test]
    fn a_field_that_routes_may_not_stand_twice() {
        assert_eq!(
            read(r#"{"model":"a","x":1,"mod\u0065l":"b"}"#),
            Err(IntakeError::Duplicate { field: "model" })
        );
    }

    #[test]
    fn a_call_that_is_not_understood_may_have_any_body() {
        let read = |body: &[u8]| Intake::read(Surface::Other, body).unwrap();
        assert_eq!(read(b"\x89PNG").model(), None);
        assert_eq!(read(br#"{"model":"m"}"#).model(), Some("m"));
    }
}
