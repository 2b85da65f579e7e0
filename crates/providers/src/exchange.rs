//! One request on its way to one target, and its answer on the way back.

mod body;
mod response;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;

pub use body::EncodedBody;
pub use response::{Response, ResponseFault};

use crate::continuation::Interrupted;
use crate::dialect::{Dialect, Surface};
use crate::error::{GatewayError, render_error_event};
use crate::intake::Intake;
use crate::neutral::{Request, ToolNames};
use crate::relay::StreamRelay;
use crate::table::{Quirks, ResponsesApi};
use crate::{anthropic, bedrock, cohere, gemini, openai, responses};

/// What the translation must know of a target.
#[derive(Clone, Copy, Debug)]
pub struct TargetTraits<'a> {
    /// The wire format it speaks.
    pub dialect: Dialect,
    /// The model it is to serve, as the provider names it.
    pub model: &'a str,
    /// The path of its conversations.
    pub path: &'a str,
    /// The dated version of Azure's API that is asked for: each model has a path of its own then.
    pub api_version: Option<&'a str>,
    /// Where its provider differs from the dialect.
    pub quirks: &'a Quirks,
    /// The bound on output tokens for a dialect that demands one, when the request gives none.
    pub default_max_tokens: u32,
}

/// What the answer is marked with when the provider does not do so.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The time, in seconds since 1970 (UTC).
    pub created: u64,
    /// The request's identifier; the answer's own is made from it when the provider gives none.
    pub request_id: &'a str,
}

/// A request as one target is to get it.
#[derive(Debug)]
pub struct Encoded {
    /// The body to send.
    pub body: EncodedBody,
    /// Where to send it, below the target's base URL, when that depends on the request: in
    /// Google's dialect the path names the model, and a response is not created where chat
    /// completions are. `None`: to the target's own path.
    pub path: Option<String>,
    /// Fields of the request that the target can't be told, for `x-gateway-dropped`: at most 32,
    /// each of at most 64 letters, digits and `_-.[]`.
    pub dropped: Vec<String>,
    /// What brings the answer back.
    pub exchange: Exchange,
}

/// Why a request can't be told to a target. The caller's fault as far as this target goes: HTTP
/// 400.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct EncodeError {
    /// The field at fault, such as `messages[2].content[0]`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl EncodeError {
    pub(crate) fn new(field: impl Display, message: impl Into<String>) -> Self {
        Self {
            field: field.to_string(),
            message: message.into(),
        }
    }
}

/// What the way back of an answer needs to know.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(crate) surface: Surface,
    pub(crate) client: Dialect,
    pub(crate) target: Dialect,
    pub(crate) asked_model: Option<String>,
    pub(crate) served_model: String,
    /// Whether the client is to see usage in its stream.
    pub(crate) shows_usage: bool,
    pub(crate) tool_names: ToolNames,
    /// The tool that stands in for a form of the answer's text.
    pub(crate) format_tool: Option<String>,
    pub(crate) created: u64,
    pub(crate) fallback_id: String,
    /// Whether what the client is sent is kept, should another target have to go on with it.
    pub(crate) keeps_sent: bool,
    /// The stream that the answer goes on with.
    pub(crate) resumes: Option<Arc<Interrupted>>,
}

impl Exchange {
    /// Keeps what the client is sent of a stream, so that another target can go on with it:
    /// [`StreamRelay::interrupted`]. At most 256 KiB of text; a longer stream is not gone on with.
    pub const fn keep_sent(&mut self) {
        self.keeps_sent = true;
    }

    /// The dialect of the client.
    pub const fn client(&self) -> Dialect {
        self.client
    }

    /// The dialect of the target.
    pub const fn target(&self) -> Dialect {
        self.target
    }

    /// Tells whether client and target speak the same dialect, so that bytes pass through.
    pub fn passes_through(&self) -> bool {
        self.client == self.target
    }

    /// The model the client asked for, when it named one.
    pub fn asked_model(&self) -> Option<&str> {
        self.asked_model.as_deref()
    }

    /// The model the target was asked for.
    pub fn served_model(&self) -> &str {
        &self.served_model
    }

    /// Brings back a whole answer of status 2xx.
    ///
    /// The body is checked to be the whole answer it should be before anything reaches the
    /// client; usage comes with it.
    ///
    /// # Errors
    ///
    /// [`ResponseFault`] when it is not: half of it, an error page, an error with status 200. The
    /// request may then be tried elsewhere.
    pub fn response(&self, body: Bytes) -> Result<Response, ResponseFault> {
        response::bring_back(self, body)
    }

    /// The media type of the streams that the target answers with.
    pub const fn stream_type(&self) -> &'static str {
        match self.target {
            Dialect::BedrockConverse => "application/vnd.amazon.eventstream",
            Dialect::OpenAiChat
            | Dialect::AnthropicMessages
            | Dialect::OpenAiResponses
            | Dialect::GeminiGenerate
            | Dialect::CohereChat => "text/event-stream",
        }
    }

    /// Begins to bring back a stream of events, or the rest of one that broke off.
    pub fn stream(&self) -> StreamRelay {
        StreamRelay::new(self.clone())
    }

    /// Writes an error as the event that ends the client's stream. Nothing may follow it.
    pub fn stream_error_event(&self, error: &GatewayError<'_>) -> Bytes {
        render_error_event(self.client, error)
    }
}

/// Writes a request for one target.
///
/// Where client and target speak the same dialect, the body's bytes stay but for the model and
/// what the provider's quirks demand; otherwise the request is translated. The request itself is
/// not changed, so that it can be written again for another target.
///
/// # Errors
///
/// [`EncodeError`] when the target's dialect has no way to say what the request asks, or the
/// request is not what its own dialect demands.
pub fn encode(
    intake: &Intake,
    body: &Bytes,
    to: &TargetTraits<'_>,
    stamp: Stamp<'_>,
) -> Result<Encoded, EncodeError> {
    let mut exchange = Exchange {
        surface: intake.surface(),
        client: intake.surface().dialect(),
        target: target_dialect(intake.surface(), to),
        asked_model: intake.model().map(str::to_owned),
        served_model: to.model.to_owned(),
        shows_usage: intake.includes_usage(),
        tool_names: ToolNames::of(to.dialect),
        format_tool: None,
        created: stamp.created,
        fallback_id: stamp.request_id.to_owned(),
        keeps_sent: false,
        resumes: None,
    };
    let mut dropped = Dropped::default();
    let body = if exchange.passes_through() || !intake.surface().is_conversation() {
        exchange.target = exchange.client;
        body::pass_through(intake, body, to, &mut dropped)?
    } else {
        let text =
            std::str::from_utf8(body).map_err(|_| EncodeError::new("body", "must be UTF-8"))?;
        let mut request = read_request(exchange.client, text)?;
        request.stream = intake.is_stream();
        let mut plan = Plan {
            to,
            dropped: &mut dropped,
            tool_names: &mut exchange.tool_names,
            format_tool: &mut exchange.format_tool,
        };
        let written = match to.dialect {
            Dialect::OpenAiChat => openai::write_request(&request, &mut plan)?,
            Dialect::AnthropicMessages => anthropic::write_request(&request, &mut plan)?,
            Dialect::GeminiGenerate => gemini::write_request(&request, &mut plan)?,
            Dialect::OpenAiResponses => responses::write_request(&request, &mut plan)?,
            Dialect::BedrockConverse => bedrock::write_request(&request, &mut plan)?,
            Dialect::CohereChat => cohere::write_request(&request, &mut plan)?,
        };
        EncodedBody::whole(written.into())
    };
    let path = path(intake, to, exchange.target);
    Ok(Encoded {
        body,
        path,
        dropped: dropped.into_names(),
        exchange,
    })
}

/// Where a request goes, when that depends on it.
fn path(intake: &Intake, to: &TargetTraits<'_>, target: Dialect) -> Option<String> {
    let surface = intake.surface();
    match target {
        Dialect::GeminiGenerate if surface.is_conversation() => {
            Some(gemini::path::conversation(to.model, intake.is_stream()))
        }
        Dialect::BedrockConverse => Some(bedrock::path(to.model, intake.is_stream())),
        Dialect::AnthropicMessages if to.quirks.version_in_body.is_some() => match surface {
            Surface::CountTokens => Some("/models/count-tokens:rawPredict".to_owned()),
            surface if surface.is_conversation() => {
                Some(gemini::path::raw(to.model, intake.is_stream()))
            }
            _ => None,
        },
        Dialect::OpenAiChat | Dialect::OpenAiResponses => openai_path(surface, to, target),
        Dialect::AnthropicMessages | Dialect::GeminiGenerate | Dialect::CohereChat => None,
    }
}

/// OpenAI's calls are at one path each, but for the dated versions of Azure's.
fn openai_path(surface: Surface, to: &TargetTraits<'_>, target: Dialect) -> Option<String> {
    if let Some(version) = to.api_version {
        let call = match (target, surface) {
            (_, Surface::Models | Surface::Model | Surface::Other) => return None,
            (Dialect::OpenAiResponses, _) => {
                return Some(format!("/openai/responses?api-version={version}"));
            }
            (_, Surface::Completions) => "completions",
            (_, Surface::Embeddings) => "embeddings",
            _ => "chat/completions",
        };
        let model = gemini::path::segment(to.model);
        return Some(format!(
            "/openai/deployments/{model}/{call}?api-version={version}"
        ));
    }
    if target == Dialect::OpenAiResponses && to.dialect == Dialect::OpenAiChat {
        let base = to.path.strip_suffix("/chat/completions");
        return Some(format!("{}/responses", base.unwrap_or("/v1")));
    }
    None
}

/// The dialect a target is spoken to in: its own, or, where a provider has both of OpenAI's, the
/// client's.
fn target_dialect(surface: Surface, to: &TargetTraits<'_>) -> Dialect {
    match (surface, to.dialect, to.quirks.responses) {
        (Surface::Responses, Dialect::OpenAiChat, ResponsesApi::Served) => Dialect::OpenAiResponses,
        (_, dialect, _) => dialect,
    }
}

pub(crate) fn read_request(client: Dialect, body: &str) -> Result<Request<'_>, EncodeError> {
    match client {
        Dialect::OpenAiChat | Dialect::BedrockConverse | Dialect::CohereChat => {
            openai::read_request(body)
        }
        Dialect::AnthropicMessages => anthropic::read_request(body),
        Dialect::GeminiGenerate => gemini::read_request(body),
        Dialect::OpenAiResponses => responses::read_request(body),
    }
}

/// What writing a request for a target works with.
pub(crate) struct Plan<'p> {
    pub(crate) to: &'p TargetTraits<'p>,
    pub(crate) dropped: &'p mut Dropped,
    pub(crate) tool_names: &'p mut ToolNames,
    pub(crate) format_tool: &'p mut Option<String>,
}

/// Names of fields that were left out, each once, in the order they were met. They are the
/// caller's words: the first few count, and only those that look like names.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Vec<String>);

/// More names than this are not listed.
const DROPPED_LIMIT: usize = 32;

/// Names longer than this are not listed.
const DROPPED_NAME_LIMIT: usize = 64;

impl Dropped {
    pub(crate) fn note(&mut self, name: &str) {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
        let is_name = (1..=DROPPED_NAME_LIMIT).contains(&name.len()) && name.bytes().all(is_plain);
        let name = if is_name { name } else { "unnamed" };
        if self.0.len() < DROPPED_LIMIT && !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// Notes `name` for what could not be read as what other dialects have.
    pub(crate) fn unless_some<T>(&mut self, name: &str, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.note(name);
        }
        read
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.0
    }
}
