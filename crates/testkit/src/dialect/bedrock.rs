//! Amazon Bedrock: Converse, plain and as a stream of binary messages, its requests signed.

mod content;
mod settings;
mod signature;
mod stream;

use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Call, Refusal, Reply, check, elements};
use crate::answer::{Answer, Asked, Content, Stop, Thinking};

pub(super) use stream::{error_message, is_last_message, malformed_message};

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    signature::check(call)?;
    let named = call.path.strip_prefix("/model/").unwrap_or("?");
    let is_stream = match (call.method, named.rsplit_once('/')) {
        (&Method::POST, Some((_, "converse"))) => false,
        (&Method::POST, Some((_, "converse-stream"))) => true,
        _ => {
            return Err(Refusal {
                status: 404,
                kind: "UnknownOperationException",
                ..Refusal::invalid("Unable to determine service/operation name to be authorized")
            });
        }
    };
    let segment = named.rsplit_once('/').map_or("", |(segment, _)| segment);
    if segment.contains('/') {
        return Err(invalid("The provided model identifier is invalid."));
    }
    let model = percent_decode_str(segment).decode_utf8_lossy().into_owned();
    converse(call, model, is_stream)
}

/// A refusal in the words of the service's own checks.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal {
        kind: "ValidationException",
        ..Refusal::invalid(message)
    }
}

/// The exception and the words of an error with `status`.
pub(super) fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        401 | 403 => (
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        404 => ("ResourceNotFoundException", "The model was not found."),
        408 => ("ModelTimeoutException", "The model took too long."),
        424 => (
            "ModelErrorException",
            "The request failed in the model's course.",
        ),
        429 => (
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
        ),
        400..500 => ("ValidationException", "The provided request is not valid."),
        503 => (
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
        _ => (
            "InternalServerException",
            "The system encountered an unexpected error during processing.",
        ),
    }
}

/// What stands in an answer of status 200 that is none.
pub(super) fn error_in_answer() -> Value {
    let kind = "com.amazon.coral.service#InternalFailure";
    json!({"Output": {"__type": kind}, "Version": "1.0"})
}

fn converse(call: &Call<'_>, model: String, is_stream: bool) -> Result<Reply, Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(call.body)
        .map_err(|_error| refused_as("SerializationException", "Malformed input request"))?;
    let body = Value::Object(body);
    if call.refuses_other_models && !call.models.contains(&model) {
        return Err(invalid("The provided model identifier is invalid."));
    }
    if let Some(unknown) = check::unknown_member(&body, FIELDS) {
        return Err(refused_as(
            "SerializationException",
            format!("{unknown} is not a field of this call"),
        ));
    }
    let mut asked = Asked {
        model,
        is_stream,
        ..Asked::default()
    };
    read_system(&body["system"], &mut asked)?;
    settings::read(&body, &mut asked)?;
    let speaks_of_tools = content::read(&body["messages"], &mut asked)?;
    if speaks_of_tools && body["toolConfig"].is_null() {
        return Err(invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
        ));
    }
    let answer = asked.answer(call.name, call.say);
    let id = format!("tooluse_standin{}", call.serial);
    if is_stream {
        let messages = stream::messages(&id, &answer);
        return Ok(Reply::Events(messages));
    }
    Ok(Reply::Json {
        status: 200,
        body: json!({
            "metrics": {"latencyMs": 1},
            "output": {"message": {"role": "assistant", "content": blocks(&id, &answer)}},
            "stopReason": stop_reason(answer.stop),
            "usage": usage(&answer),
        }),
    })
}

fn refused_as(kind: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        kind,
        ..Refusal::invalid(message)
    }
}

fn read_system(system: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, block) in elements(system).iter().enumerate() {
        let at = format!("system.{index}");
        match (block["text"].as_str(), block["cachePoint"].is_object()) {
            (None, true) => content::check_cache_point(block, &at)?,
            (Some(text), false) if !text.trim().is_empty() => asked.count_instructions(text),
            _ => {
                return Err(invalid(format!(
                    "The text field in the SystemContentBlock object at {at} is blank."
                )));
            }
        }
    }
    Ok(())
}

fn is_claude(model: &str) -> bool {
    model.contains("anthropic.")
}

/// Whether a model binds its answers to a schema by itself: Anthropic's from 4.5 on.
fn takes_schemas(model: &str) -> bool {
    ["-4-5-", "-4-6", "-4-7"]
        .iter()
        .any(|version| is_claude(model) && model.contains(version))
}

fn blocks(id: &str, answer: &Answer) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !answer.thinking.is_empty() {
        let thoughts = answer.thoughts();
        let signature = super::anthropic::sign(&thoughts);
        let told = json!({"text": thoughts, "signature": signature});
        blocks.push(json!({"reasoningContent": {"reasoningText": told}}));
    }
    match &answer.content {
        Content::Text(pieces) => blocks.push(json!({"text": pieces.concat()})),
        Content::Tools(calls) => blocks.extend(calls.iter().enumerate().map(|(index, made)| {
            let id = tool_id(id, index);
            json!({"toolUse": {"toolUseId": id, "name": made.name, "input": made.arguments}})
        })),
    }
    blocks
}

fn tool_id(base: &str, index: usize) -> String {
    format!("{base}_{index}")
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
    }
}

/// Tokens that came from a cache are no input tokens here.
fn usage(answer: &Answer) -> Value {
    json!({
        "inputTokens": answer.input_tokens - answer.cached_tokens,
        "outputTokens": answer.output_tokens,
        "totalTokens": answer.input_tokens + answer.output_tokens,
        "cacheReadInputTokens": answer.cached_tokens,
        "cacheWriteInputTokens": 0,
    })
}

const FIELDS: &[&str] = &[
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "inferenceConfig",
    "messages",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
    "system",
    "toolConfig",
];
