//! Anthropic: messages, token counts, models.

mod content;
mod stream;

use http::Method;
use serde_json::{Map, Value, json};

use self::content::MessageContent;
pub(super) use self::content::sign;
use super::check;
use super::{Call, Refusal, Reply, elements, header, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Thinking, Tool, ToolChoice};

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    check_headers(call)?;
    match (call.method, call.path) {
        (&Method::POST, "/v1/messages") => messages(call),
        (&Method::POST, "/v1/messages/count_tokens") => count(call),
        (&Method::GET, "/v1/models") => Ok(list_models(call)),
        _ => Err(Refusal {
            status: 404,
            kind: "not_found_error",
            ..Refusal::invalid("Not Found")
        }),
    }
}

pub(super) fn error_body(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

pub(super) fn event(kind: &str, data: &Value) -> String {
    format!("event: {kind}\ndata: {data}\n\n")
}

/// The type and the words of an error with `status`.
pub(super) fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        403 => ("permission_error", "not permitted"),
        404 => ("not_found_error", "not found"),
        413 => ("request_too_large", "request too large"),
        429 => ("rate_limit_error", "rate limit reached"),
        529 => ("overloaded_error", "Overloaded"),
        400..500 => ("invalid_request_error", "the request was refused"),
        _ => ("api_error", "Internal server error"),
    }
}

fn check_headers(call: &Call<'_>) -> Result<(), Refusal> {
    let bearer = header(call.headers, "authorization").strip_prefix("Bearer ");
    let given = [Some(header(call.headers, "x-api-key")), bearer];
    if call.key.is_some_and(|key| !given.contains(&Some(key))) {
        return Err(Refusal {
            status: 401,
            kind: "authentication_error",
            ..Refusal::invalid("invalid x-api-key")
        });
    }
    if header(call.headers, "anthropic-version").is_empty() {
        return Err(Refusal::invalid("anthropic-version: header is required"));
    }
    Ok(())
}

pub(super) fn messages(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = read_object(call.body, MESSAGE_FIELDS)?;
    let asked = read_request(&body)?;
    if asked.max_tokens.is_none_or(|tokens| tokens == 0) {
        return Err(Refusal::invalid("max_tokens: Field required"));
    }
    check_model(call, &asked.model)?;
    let answer = asked.answer(call.name, call.say);
    let id = format!("msg_standin{}", call.serial);
    if asked.is_stream {
        return Ok(Reply::events(stream::message_events(&id, &asked, &answer)));
    }
    let mut content = Vec::new();
    if asked.thinking == Thinking::Shown {
        let thoughts = answer.thoughts();
        let signature = sign(&thoughts);
        content.push(json!({"type": "thinking", "thinking": thoughts, "signature": signature}));
    }
    match &answer.content {
        Content::Text(pieces) => content.push(json!({"type": "text", "text": pieces.concat()})),
        Content::Tools(calls) => {
            content.extend(calls.iter().enumerate().map(|(index, made)| {
                json!({
                    "type": "tool_use",
                    "id": tool_id(&id, index),
                    "name": made.name,
                    "input": made.arguments,
                })
            }));
        }
    }
    let mut body = message(&id, &asked);
    body["content"] = json!(content);
    body["stop_reason"] = json!(stop_reason(answer.stop));
    body["usage"] = usage(&answer, answer.output_tokens);
    Ok(Reply::Json { status: 200, body })
}

pub(super) fn count(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = read_object(call.body, MESSAGE_FIELDS)?;
    let asked = read_request(&body)?;
    Ok(Reply::Json {
        status: 200,
        body: json!({"input_tokens": asked.input_tokens}),
    })
}

fn read_request(body: &Value) -> Result<Asked, Refusal> {
    let mut asked = Asked {
        model: text_of(body, "model").to_owned(),
        is_stream: body["stream"] == true,
        max_tokens: body["max_tokens"].as_u64(),
        ..Asked::default()
    };
    if asked.model.is_empty() {
        return Err(Refusal::invalid("model: Field required"));
    }
    if body["temperature"]
        .as_f64()
        .is_some_and(|value| !(0.0..=1.0).contains(&value))
    {
        return Err(Refusal::invalid("temperature: range: 0..1"));
    }
    let takes_one = asked.model.contains("-4-5");
    if takes_one && !body["temperature"].is_null() && !body["top_p"].is_null() {
        return Err(Refusal::invalid(
            "`temperature` and `top_p` cannot both be specified for this model",
        ));
    }
    match &body["system"] {
        Value::Null => {}
        Value::String(text) => asked.count_instructions(text),
        Value::Array(blocks) => {
            for block in blocks {
                match text_of(block, "text") {
                    text if text.trim().is_empty() => {
                        return Err(Refusal::invalid(
                            "system: text content blocks must be non-empty",
                        ));
                    }
                    text => asked.count_instructions(text),
                }
            }
        }
        _ => {
            return Err(Refusal::invalid(
                "system: Input should be a valid string or list",
            ));
        }
    }
    read_tools(body, &mut asked)?;
    read_thinking(body, &mut asked)?;
    read_format(body, &mut asked)?;
    read_messages(&body["messages"], &mut asked)?;
    Ok(asked)
}

/// Reads how it is to think, and refuses what does not go with thinking.
fn read_thinking(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    asked.thinking = match text_of(&body["thinking"], "type") {
        "" | "disabled" => Thinking::None,
        "adaptive" => Thinking::Shown,
        "enabled" => {
            let budget = body["thinking"]["budget_tokens"].as_u64().unwrap_or(0);
            if budget < 1_024 || asked.max_tokens.is_some_and(|most| most <= budget) {
                return Err(Refusal::invalid(
                    "`max_tokens` must be greater than `thinking.budget_tokens`, which is 1024 at least",
                ));
            }
            Thinking::Shown
        }
        _ => return Err(Refusal::invalid("thinking: Input tag does not match")),
    };
    if asked.thinking == Thinking::None {
        return Ok(());
    }
    if body["temperature"]
        .as_f64()
        .is_some_and(|value| value < 1.0)
        || !body["top_k"].is_null()
    {
        return Err(Refusal::invalid(
            "`temperature` may only be set to 1 and `top_k` not at all when thinking is enabled",
        ));
    }
    match asked.tool_choice {
        ToolChoice::Auto | ToolChoice::None => Ok(()),
        ToolChoice::Required | ToolChoice::Named(_) => Err(Refusal::invalid(
            "Thinking may not be enabled when tool_choice forces tool use.",
        )),
    }
}

/// Reads the form that the answer is to have: only the newer models take one.
fn read_format(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    let format = &body["output_config"]["format"];
    if format.is_null() {
        return Ok(());
    }
    if asked.model.contains("claude-3") {
        return Err(Refusal::invalid(
            "output_config.format: not supported by this model",
        ));
    }
    if text_of(format, "type") != "json_schema" || !check::is_closed(&format["schema"]) {
        return Err(Refusal::invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be \
             explicitly set to false",
        ));
    }
    if let Some(keyword) = check::refused_by_claude(&format["schema"]) {
        return Err(Refusal::invalid(format!(
            "output_config.format.schema: property '{keyword}' is not supported"
        )));
    }
    asked.json_schema = Some(format["schema"].clone());
    Ok(())
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, tool) in elements(&body["tools"]).iter().enumerate() {
        let name = text_of(tool, "name");
        let is_named = check::is_plain_name(name, 128);
        if !is_named || text_of(&tool["input_schema"], "type") != "object" {
            return Err(Refusal::invalid(format!(
                "tools.{index}.custom.input_schema: Field required"
            )));
        }
        check_strict(tool, asked, index)?;
        asked.tools.push(Tool {
            name: name.to_owned(),
            schema: tool["input_schema"].clone(),
        });
    }
    asked.tool_choice = match (&body["tool_choice"], text_of(&body["tool_choice"], "type")) {
        (Value::Null, _) | (_, "auto") => ToolChoice::Auto,
        (_, "none") => ToolChoice::None,
        (_, "any") => ToolChoice::Required,
        (choice, "tool") => ToolChoice::Named(text_of(choice, "name").to_owned()),
        _ => return Err(Refusal::invalid("tool_choice: Input tag does not match")),
    };
    if body["tool_choice"]["disable_parallel_tool_use"] == true {
        asked.most_calls = Some(1);
    }
    if !body["tool_choice"].is_null() && asked.tools.is_empty() {
        return Err(Refusal::invalid(
            "tool_choice: may only be specified while providing tools",
        ));
    }
    Ok(())
}

/// Holds a strict tool to what makes it one; only the newer models have them.
fn check_strict(tool: &Value, asked: &Asked, index: usize) -> Result<(), Refusal> {
    let at = format!("tools.{index}.custom");
    if tool["strict"] != true {
        return Ok(());
    }
    if asked.model.contains("claude-3") {
        return Err(Refusal::invalid(format!(
            "{at}.strict: Extra inputs are not permitted"
        )));
    }
    let schema = &tool["input_schema"];
    if !check::is_closed(schema) {
        return Err(Refusal::invalid(format!(
            "{at}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )));
    }
    match check::refused_by_claude(schema) {
        Some(keyword) => Err(Refusal::invalid(format!(
            "{at}: property '{keyword}' is not supported"
        ))),
        None => Ok(()),
    }
}

fn read_messages(messages: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    if elements(messages).is_empty() {
        return Err(Refusal::invalid(
            "messages: at least one message is required",
        ));
    }
    // Tool uses of the message before, each of which needs its result now.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in elements(messages).iter().enumerate() {
        let at = format!("messages.{index}");
        let role = text_of(message, "role");
        if !matches!(role, "user" | "assistant") {
            let allowed = "Input should be 'user' or 'assistant'";
            return Err(Refusal::invalid(format!("{at}.role: {allowed}")));
        }
        if index == 0 && role != "user" {
            return Err(Refusal::invalid(
                "messages: first message must use the \"user\" role",
            ));
        }
        let content = MessageContent::read(&message["content"], role, &at)?;
        let answers = |id: &&str| content.results.iter().any(|(made, _)| made == id);
        if let Some(missing) = open.iter().find(|id| !answers(id)) {
            let message = format!(
                "{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {missing}"
            );
            return Err(Refusal::invalid(message));
        }
        if let Some((id, _)) = content.results.iter().find(|(id, _)| !open.contains(id)) {
            let message =
                format!("{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}");
            return Err(Refusal::invalid(message));
        }
        if asked.thinking == Thinking::Shown
            && !content.tool_uses.is_empty()
            && !content.has_thought
        {
            let message = "Expected `thinking` or `redacted_thinking`, but found `tool_use`";
            return Err(Refusal::invalid(format!("{at}.content.0.type: {message}")));
        }
        content.add_to(asked, role);
        open = content.tool_uses;
    }
    let begun = asked.begun.as_deref().unwrap_or_default();
    if begun.ends_with(char::is_whitespace) {
        return Err(Refusal::invalid(
            "messages: final assistant content cannot end with trailing whitespace",
        ));
    }
    match open.as_slice() {
        [] => Ok(()),
        [id, ..] => Err(Refusal::invalid(format!(
            "messages: tool_use {id} has no tool_result"
        ))),
    }
}

/// A message that says nothing yet.
fn message(id: &str, asked: &Asked) -> Value {
    json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
    })
}

fn tool_id(message: &str, index: usize) -> String {
    format!("toolu_{message}_{index}")
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
    }
}

/// Tokens that came from a cache are no input tokens here.
fn usage(answer: &Answer, output_tokens: u64) -> Value {
    json!({
        "input_tokens": answer.input_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": output_tokens,
    })
}

fn list_models(call: &Call<'_>) -> Reply {
    let entry = |id: &String| json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"});
    let data: Vec<Value> = call.models.iter().map(entry).collect();
    let body = json!({
        "data": data,
        "has_more": false,
        "first_id": call.models.first(),
        "last_id": call.models.last(),
    });
    Reply::Json { status: 200, body }
}

fn check_model(call: &Call<'_>, model: &str) -> Result<(), Refusal> {
    if !call.refuses_other_models || call.models.iter().any(|known| known == model) {
        return Ok(());
    }
    Err(Refusal {
        status: 404,
        kind: "not_found_error",
        ..Refusal::invalid(format!("model: {model}"))
    })
}

fn read_object(body: &[u8], known: &[&str]) -> Result<Value, Refusal> {
    let read: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_error| Refusal::invalid("The request body is not valid JSON"))?;
    match read.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(Refusal::invalid(format!(
            "{unknown}: Extra inputs are not permitted"
        ))),
        None => Ok(Value::Object(read)),
    }
}

const MESSAGE_FIELDS: &[&str] = &[
    "container",
    "context_management",
    "inference_geo",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];
