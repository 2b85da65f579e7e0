//! The dialects that stand-ins speak, written independently of the gateway's own.

#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod anthropic;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod openai;

use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose API a stand-in plays.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI: chat completions, embeddings, models.
    OpenAi,
    /// Anthropic: messages, token counts, models.
    Anthropic,
}

impl Dialect {
    /// The dialect's name, which is also the provider's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
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
        }
    }

    pub(crate) fn reply(self, call: &Call<'_>) -> Reply {
        let replied = match self {
            Self::OpenAi => openai::reply(call),
            Self::Anthropic => anthropic::reply(call),
        };
        replied.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    /// The error that the provider sends with `status`, when nothing more is known.
    pub(crate) fn usual_error(self, status: u16) -> Reply {
        let (kind, message) = match (self, status) {
            (Self::OpenAi, 401) => ("invalid_request_error", "Incorrect API key provided."),
            (Self::OpenAi, 429) => ("requests", "Rate limit reached for requests."),
            (Self::OpenAi, 400..500) => ("invalid_request_error", "The request was refused."),
            (Self::OpenAi, 503) => ("server_error", "The engine is currently overloaded."),
            (Self::OpenAi, _) => ("server_error", "The server had an error."),
            (Self::Anthropic, 401) => ("authentication_error", "invalid x-api-key"),
            (Self::Anthropic, 403) => ("permission_error", "not permitted"),
            (Self::Anthropic, 404) => ("not_found_error", "not found"),
            (Self::Anthropic, 413) => ("request_too_large", "request too large"),
            (Self::Anthropic, 429) => ("rate_limit_error", "rate limit reached"),
            (Self::Anthropic, 529) => ("overloaded_error", "Overloaded"),
            (Self::Anthropic, 400..500) => ("invalid_request_error", "the request was refused"),
            (Self::Anthropic, _) => ("api_error", "Internal server error"),
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
        }
    }

    /// An event that has the dialect's frame and no JSON inside.
    pub(crate) fn malformed_event(self) -> &'static str {
        match self {
            Self::OpenAi => "data: {\"id\": \"chatcmpl-broken\", \"choices\": [{\"delta\": {\n\n",
            Self::Anthropic => {
                "event: content_block_delta\ndata: {\"type\": \"content_block_de\n\n"
            }
        }
    }

    /// Whether `event` is the one that ends a stream.
    pub(crate) fn is_last_event(self, event: &str) -> bool {
        match self {
            Self::OpenAi => event.starts_with("data: [DONE]"),
            Self::Anthropic => event.starts_with("event: message_stop"),
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
            Self::OpenAi => openai::error_body(kind, message, *code, param.as_deref()),
            Self::Anthropic => anthropic::error_body(kind, message),
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
