//! Whole answers.

use bytes::Bytes;

use crate::dialect::{Dialect, Surface};
use crate::error::ErrorBody;
use crate::exchange::Exchange;
use crate::fault::{FaultClass, classify_event};
use crate::json::{Object, Slices, parse_raw};
use crate::neutral::{Answer, Content, Input, Stop};
use crate::usage::Usage;
use crate::{anthropic, bedrock, cohere, gemini, openai, responses};

/// A whole answer in the client's dialect.
#[derive(Clone, Debug)]
pub struct Response {
    /// The body.
    pub body: Bytes,
    /// What the exchange used.
    pub usage: Usage,
    /// Fields of the answer that the client's dialect has no words for, for `x-gateway-dropped`.
    pub dropped: Vec<String>,
}

impl Response {
    const fn passed(body: Bytes, usage: Usage) -> Self {
        Self {
            body,
            usage,
            dropped: Vec::new(),
        }
    }
}

/// Why an answer of status 2xx is none. The target's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseFault {
    /// The body is not JSON, or only the beginning of it.
    #[error("the answer is not JSON: {begins:?}")]
    NotJson {
        /// At most its first 64 characters.
        begins: String,
    },
    /// The body is JSON, and not an answer of the target's dialect.
    #[error("the answer lacks {missing}")]
    Malformed {
        /// What is missing or can't be read.
        missing: &'static str,
    },
    /// The body reports an error.
    #[error("the answer reports an error: {message}")]
    Error {
        /// What it means.
        class: FaultClass,
        /// The provider's own words, at most 1 KiB of them; may quote the request.
        message: String,
    },
}

impl ResponseFault {
    /// What it means for the target.
    pub const fn class(&self) -> FaultClass {
        match self {
            Self::NotJson { .. } | Self::Malformed { .. } => FaultClass::ServerError,
            Self::Error { class, .. } => *class,
        }
    }
}

pub(super) fn bring_back(exchange: &Exchange, body: Bytes) -> Result<Response, ResponseFault> {
    let text = std::str::from_utf8(&body).map_err(|_| not_json(&body))?;
    if exchange.passes_through()
        && let Some(answer) = Slices::read(text)
        && !reports_error(&answer)
    {
        let usage = check(exchange.surface, &answer)?;
        return Ok(Response::passed(body, usage));
    }
    let answer: Object<'_> = serde_json::from_str(text).map_err(|_| match parse_raw(text) {
        // Some wrap their errors once more.
        Some(_) if ErrorBody::read(&body).is_some() => reported(exchange.target, &body),
        Some(_) => ResponseFault::Malformed {
            missing: "an object",
        },
        None => not_json(&body),
    })?;
    if answer.get("error").is_some() || answer.string("type").is_some_and(|kind| kind == "error") {
        return Err(reported(exchange.target, &body));
    }
    if exchange.passes_through() {
        let slices = answer.iter().map(|(name, raw)| (name, raw.get()));
        let usage = check(exchange.surface, &slices.collect())?;
        return Ok(Response::passed(body, usage));
    }
    let mut answer = match exchange.target {
        Dialect::OpenAiChat => openai::read_answer(&answer)?,
        Dialect::AnthropicMessages => anthropic::read_answer(&answer)?,
        Dialect::GeminiGenerate => gemini::read_answer(&answer)?,
        Dialect::OpenAiResponses => responses::read_answer(&answer)?,
        Dialect::BedrockConverse => bedrock::read_answer(&answer)?,
        Dialect::CohereChat => cohere::read_answer(&answer)?,
    };
    restore_tools(exchange, &mut answer)?;
    answer.bound_citations();
    let written = match exchange.client {
        Dialect::OpenAiChat | Dialect::BedrockConverse | Dialect::CohereChat => {
            openai::write_answer(&answer, exchange)
        }
        Dialect::AnthropicMessages => anthropic::write_answer(&answer, exchange)?,
        Dialect::GeminiGenerate => gemini::write_answer(&answer, exchange)?,
        Dialect::OpenAiResponses => responses::write_answer(&answer, exchange),
    };
    Ok(Response {
        body: written.into(),
        usage: answer.usage,
        dropped: answer.dropped.into_names(),
    })
}

/// Whether an answer is an error, or may be one: what is sure is for the caller to find out.
fn reports_error(answer: &Slices<'_>) -> bool {
    answer.get("error").is_some()
        || answer
            .get("type")
            .is_some_and(|kind| kind == "\"error\"" || kind.contains('\\'))
}

/// Checks an answer that passes through to be one, and reads its usage.
fn check(surface: Surface, answer: &Slices<'_>) -> Result<Usage, ResponseFault> {
    let has = |missing: &'static str| match answer.get(missing) {
        Some(_) => Ok(()),
        None => Err(ResponseFault::Malformed { missing }),
    };
    let object = |name| -> Option<Object<'_>> { serde_json::from_str(answer.get(name)?).ok() };
    let usage = object("usage");
    match surface {
        Surface::ChatCompletions | Surface::Completions => has("choices")?,
        Surface::Embeddings => has("data")?,
        Surface::Messages => {
            has("content")?;
            return Ok(usage.map_or_else(Usage::default, |usage| anthropic::read_usage(&usage)));
        }
        Surface::GenerateContent | Surface::StreamGenerateContent => {
            if answer.get("promptFeedback").is_none() {
                has("candidates")?;
            }
            let usage = object("usageMetadata");
            return Ok(usage.map_or_else(Usage::default, |usage| gemini::read_usage(&usage)));
        }
        Surface::Responses => {
            has("output")?;
            return Ok(usage.map_or_else(Usage::default, |usage| responses::read_usage(&usage)));
        }
        Surface::CountTokens => has("input_tokens")?,
        Surface::Models | Surface::Model | Surface::Other => {}
    }
    Ok(usage.map_or_else(Usage::default, |usage| openai::read_usage(&usage)))
}

fn not_json(body: &[u8]) -> ResponseFault {
    let begins = body.get(..body.len().min(256)).unwrap_or_default();
    ResponseFault::NotJson {
        begins: String::from_utf8_lossy(begins).chars().take(64).collect(),
    }
}

fn reported(target: Dialect, body: &[u8]) -> ResponseFault {
    let said = ErrorBody::read(body).unwrap_or_default();
    ResponseFault::Error {
        class: classify_event(target, &said),
        message: said.message,
    }
}

/// Gives tools their own names back, and turns the tool that stood in for a form of the answer
/// into the answer.
fn restore_tools(exchange: &Exchange, answer: &mut Answer<'_>) -> Result<(), ResponseFault> {
    let mut is_formatted = false;
    for block in &mut answer.blocks {
        let Content::ToolCall { name, input, .. } = &mut block.content else {
            continue;
        };
        if exchange.format_tool.as_deref() == Some(name.as_ref()) {
            let text = match input {
                Input::Object(raw) => crate::json::Text::plain(raw.get()),
                Input::Quoted(text) => text.clone(),
            };
            block.content = Content::Text(text);
            is_formatted = true;
            continue;
        }
        if input.object().is_none() {
            return Err(ResponseFault::Malformed {
                missing: "arguments of a tool call that are a JSON object",
            });
        }
        let own = exchange.tool_names.own(name);
        if own != name {
            *name = own.to_owned().into();
        }
    }
    if is_formatted && answer.stop == Stop::ToolUse {
        answer.stop = Stop::End;
    }
    Ok(())
}
