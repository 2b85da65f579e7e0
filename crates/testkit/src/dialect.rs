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
mod azure;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod bedrock;
mod check;
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod cohere;
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
#[expect(
    clippy::indexing_slicing,
    reason = "a JSON value reads as null where it lacks a member, and is set only on objects made here"
)]
mod vertex;

use std::time::SystemTime;

use bytes::Bytes;
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
    /// Google's models on Vertex AI: generateContent under a project and a location.
    Vertex,
    /// Anthropic's models on Vertex AI: messages, with the model in the path.
    #[serde(rename = "vertex-anthropic")]
    VertexAnthropic,
    /// Azure OpenAI: OpenAI's calls at its v1 paths and at those of dated versions.
    Azure,
    /// Amazon Bedrock: Converse, plain and as a binary stream.
    Bedrock,
    /// Cohere: chat, version 2.
    Cohere,
}

impl Dialect {
    /// The dialect's name, which is also the provider's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Responses => "responses",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::VertexAnthropic => "vertex-anthropic",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
        }
    }

    /// Where its paths begin at the provider, for a base URL that leads to a stand-in; empty where
    /// they begin at the host.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Anthropic | Self::Responses => "/v1",
            Self::Gemini => "/v1beta",
            Self::Vertex => "/v1/projects/standin/locations/here/publishers/google",
            Self::VertexAnthropic => "/v1/projects/standin/locations/here/publishers/anthropic",
            Self::Azure | Self::Bedrock | Self::Cohere => "",
        }
    }

    /// The dialect of the answer to a call of `target`: OpenAI has two.
    pub(crate) fn at(self, target: &str) -> Self {
        match self {
            Self::OpenAi if target == responses::PATH => Self::Responses,
            Self::Azure if azure::is_responses(target) => Self::Responses,
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
            Self::Gemini | Self::Vertex => &["gemini-2.5-flash", "gemini-2.5-pro"],
            Self::VertexAnthropic => &["claude-sonnet-4-5@20250929", "claude-haiku-4-5@20251001"],
            Self::Azure => &["gpt-4o", "gpt-4o-mini"],
            Self::Bedrock => &[
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "amazon.nova-lite-v1:0",
            ],
            Self::Cohere => &["command-a-03-2025", "command-a-reasoning-08-2025"],
        }
    }

    pub(crate) fn reply(self, call: &Call<'_>) -> Reply {
        let replied = match self {
            Self::OpenAi if call.path == responses::PATH => responses::reply(call),
            Self::OpenAi => openai::reply(call),
            Self::Anthropic => anthropic::reply(call),
            Self::Responses => responses::reply(call),
            Self::Gemini => gemini::reply(call),
            Self::Vertex => vertex::reply(call),
            Self::VertexAnthropic => vertex::reply_of_anthropic(call),
            Self::Azure => azure::reply(call),
            Self::Bedrock => bedrock::reply(call),
            Self::Cohere => cohere::reply(call),
        };
        replied.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    /// The error that the provider sends with `status`, when nothing more is known.
    pub(crate) fn usual_error(self, status: u16) -> Reply {
        let (kind, message) = match self {
            Self::OpenAi | Self::Responses | Self::Azure => openai::usual_error(status),
            Self::Anthropic | Self::VertexAnthropic => anthropic::usual_error(status),
            Self::Gemini | Self::Vertex => ("", gemini::usual_message(status)),
            Self::Bedrock => bedrock::usual_error(status),
            Self::Cohere => ("", cohere::usual_message(status)),
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
    pub(crate) fn error_event(self, kind: &str, message: &str) -> Bytes {
        let event = match self {
            Self::OpenAi | Self::Azure => {
                openai::event(&openai::error_body(kind, message, None, None))
            }
            Self::Anthropic | Self::VertexAnthropic => {
                anthropic::event("error", &anthropic::error_body(kind, message))
            }
            Self::Responses => responses::error_event(kind, message),
            Self::Gemini => gemini::event(&gemini::error_body(gemini::code_of(kind), message)),
            // In an array, unlike the same of the Gemini API.
            Self::Vertex => gemini::event(&Value::from(vec![gemini::error_body(
                gemini::code_of(kind),
                message,
            )])),
            Self::Bedrock => return bedrock::error_message(kind, message),
            Self::Cohere => cohere::error_event(message),
        };
        event.into()
    }

    /// What reports an error in a plain answer of status 200.
    pub(crate) fn error_in_answer(self, kind: &str, message: &str) -> Bytes {
        match self {
            Self::Bedrock => bedrock::error_in_answer().to_string().into(),
            Self::Cohere => cohere::error_in_answer().to_string().into(),
            dialect => {
                let event = dialect.error_event(kind, message);
                let event = String::from_utf8_lossy(&event);
                let data = event.rsplit_once("data: ");
                data.map_or("", |(_, data)| data.trim_end())
                    .to_owned()
                    .into()
            }
        }
    }

    /// An event that has the dialect's frame and no JSON inside.
    pub(crate) fn malformed_event(self) -> Bytes {
        let event = match self {
            Self::OpenAi | Self::Azure => {
                "data: {\"id\": \"chatcmpl-broken\", \"choices\": [{\"delta\": {\n\n"
            }
            Self::Anthropic | Self::VertexAnthropic => {
                "event: content_block_delta\ndata: {\"type\": \"content_block_de\n\n"
            }
            Self::Responses => {
                "event: response.output_text.delta\ndata: {\"type\": \"response.output\n\n"
            }
            Self::Gemini | Self::Vertex => "data: {\"candidates\": [{\"content\": {\r\n\r\n",
            Self::Bedrock => return bedrock::malformed_message(),
            Self::Cohere => cohere::malformed_event(),
        };
        Bytes::from_static(event.as_bytes())
    }

    /// Whether `event` is the one that ends a stream.
    pub(crate) fn is_last_event(self, event: &[u8]) -> bool {
        let text = String::from_utf8_lossy(event);
        match self {
            Self::OpenAi | Self::Azure => text.starts_with("data: [DONE]"),
            Self::Anthropic | Self::VertexAnthropic => text.starts_with("event: message_stop"),
            Self::Responses => responses::is_last_event(&text),
            Self::Gemini | Self::Vertex => text.contains("\"finishReason\""),
            Self::Bedrock => bedrock::is_last_message(event),
            Self::Cohere => cohere::is_last_event(&text),
        }
    }

    /// The type of the content of its streams.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Bedrock => "application/vnd.amazon.eventstream",
            _ => "text/event-stream; charset=utf-8",
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
            Self::Azure if azure::is_told_by_front(*status) => azure::error_body(*status, message),
            Self::Azure => openai::error_body(kind, message, *code, param.as_deref()),
            Self::Gemini | Self::Vertex => gemini::error_body(*status, message),
            Self::VertexAnthropic if vertex::is_told_by_google(*status) => {
                gemini::error_body(*status, message)
            }
            Self::Anthropic | Self::VertexAnthropic => anthropic::error_body(kind, message),
            Self::Bedrock => {
                return Reply::Exception {
                    status: *status,
                    kind,
                    message: message.clone(),
                };
            }
            Self::Cohere => cohere::error_body(message),
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
    /// When it came, by which signatures are told to be fresh.
    pub(crate) now: SystemTime,
}

/// What goes back.
#[derive(Debug)]
pub(crate) enum Reply {
    Json {
        status: u16,
        body: Value,
    },
    /// An error whose kind stands in the head.
    Exception {
        status: u16,
        kind: &'static str,
        message: String,
    },
    /// A stream, event by event, each with its frame.
    Events(Vec<Bytes>),
}

impl Reply {
    fn events(events: Vec<String>) -> Self {
        Self::Events(events.into_iter().map(Bytes::from).collect())
    }
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
