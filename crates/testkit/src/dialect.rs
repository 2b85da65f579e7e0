//! The dialects that stand-ins speak, written independently of the gateway's own.

#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod anthropic;
mod check;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod gemini;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod openai;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod responses;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose API a stand-in plays.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI: chat completions, responses, embeddings, models.
    OpenAi,
    /// Anthropic: messages, token counts, models.
    Anthropic,
    /// A server that has OpenAI's Responses API and nothing else of OpenAI's.
    Responses,
    /// Google's Gemini API: generateContent, plain and streamed, models.
    Gemini,
}

impl Dialect {
    /// The dialect's name, which is also the provider's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Responses => "responses",
            Self::Gemini => "gemini",
        }
    }

    /// The dialect spoken at `path`: OpenAI has two.
    pub(crate) fn at(self, path: &str) -> Self {
        match self {
            Self::OpenAi if path == responses::PATH => Self::Responses,
            dialect => dialect,
        }
    }

    /// The models that a stand-in of this dialect lists unless told otherwise.
    pub(crate) fn usual_models(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &[
                "gpt-3.5-turbo",
                "gpt-4",
                "gpt-4o-mini",
                "gpt-4o",
                "text-embedding-3-small",
            ],
            Self::Anthropic => &["claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022"],
            Self::Responses => &["gpt-4o", "o4-mini"],
            Self::Gemini => &["gemini-2.5-flash", "gemini-2.5-pro"],
        }
    }

    pub(crate) fn reply(self, call: &Call<'_>) -> Reply {
        let replied = match self {
            Self::OpenAi => openai::reply(call),
            Self::Anthropic => anthropic::reply(call),
            Self::Responses => responses::reply(call),
            Self::Gemini => gemini::reply(call),
        };
        replied.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    /// The error that the provider sends with `status`, when nothing more is known.
    pub(crate) fn usual_error(self, status: u16) -> Reply {
        let (kind, message) = match self {
            Self::OpenAi | Self::Responses => openai::usual_error(status),
            Self::Anthropic => anthropic::usual_error(status),
            Self::Gemini => ("", gemini::usual_message(status)),
        };
        self.refuse(&Refusal {
            status,
            kind,
            code: None,
            param: None,
            message: message.to_owned(),
        })
    }

    /// The event that reports an error inside a stream.
    pub(crate) fn error_event(self, kind: &str, message: &str) -> String {
        match self {
            Self::OpenAi => openai::event(&openai::error_body(kind, message, None, None)),
            Self::Anthropic => anthropic::event("error", &anthropic::error_body(kind, message)),
            Self::Responses => responses::error_event(kind, message),
            Self::Gemini => gemini::event(&gemini::error_body(gemini::code_of(kind), message)),
        }
    }

    /// An event that has the dialect's frame and no JSON inside.
    pub(crate) fn malformed_event(self) -> &'static str {
        match self {
            Self::OpenAi => "data: {\"id\": \"chatcmpl-broken\", \"choices\": [{\"delta\": {\n\n",
            Self::Anthropic => {
                "event: content_block_delta\ndata: {\"type\": \"content_block_de\n\n"
            }
            Self::Responses => {
                "event: response.output_text.delta\ndata: {\"type\": \"response.output\n\n"
            }
            Self::Gemini => "data: {\"candidates\": [{\"content\": {\r\n\r\n",
        }
    }

    /// Whether `event` is the one that ends a stream.
    pub(crate) fn is_last_event(self, event: &str) -> bool {
        match self {
            Self::OpenAi => event.starts_with("data: [DONE]"),
            Self::Anthropic => event.starts_with("event: message_stop"),
            Self::Responses => responses::is_last_event(event),
            Self::Gemini => event.contains("\"finishReason\""),
        }
    }

    fn refuse(self, refusal: &Refusal) -> Reply {
        let Refusal {
            status,
            kind,
            code,
            param,
            message,
        } = refusal;
        let body = match self {
            Self::OpenAi | Self::Responses => {
                openai::error_body(kind, message, *code, param.as_deref())
            }
            Self::Anthropic => anthropic::error_body(kind, message),
            Self::Gemini => gemini::error_body(*status, message),
        };
        Reply::Json {
            status: *status,
            body,
        }
    }
}

/// A request to a stand-in, and who the stand-in is.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// The path and the query.
    pub(crate) target: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) name: &'a str,
    /// The only key that is let in; `None` takes any, and none at all.
    pub(crate) key: Option<&'a str>,
    pub(crate) models: &'a [String],
    /// Whether a model that is not listed is refused.
    pub(crate) refuses_other_models: bool,
    pub(crate) say: Option<&'a str>,
    /// A number that no other request of this stand-in has, for ids.
    pub(crate) serial: usize,
}

/// What goes back.
#[derive(Debug)]
pub(crate) enum Reply {
    Json {
        status: u16,
        body: Value,
    },
    /// A stream, event by event, each with its blank line.
    Events(Vec<String>),
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
        }
    }

    fn about(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::invalid(message)
        }
    }
}

/// A header's value as text, empty when it has none.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

/// An array's elements; none when the value is no array.
fn elements(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A member's text, empty when it has none.
fn text_of<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests;
