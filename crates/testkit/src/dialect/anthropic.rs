//! Anthropic: messages, token counts, models.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Call, Refusal, Reply, elements, header, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Tool, ToolChoice};

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

fn messages(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = read_object(call.body, MESSAGE_FIELDS)?;
    let asked = read_request(&body)?;
    if asked.max_tokens.is_none_or(|tokens| tokens == 0) {
        return Err(Refusal::invalid("max_tokens: Field required"));
    }
    check_model(call, &asked.model)?;
    let answer = asked.answer(call.name, call.say);
    let id = format!("msg_standin{}", call.serial);
    if asked.is_stream {
        return Ok(Reply::Events(message_events(&id, &asked, &answer)));
    }
    let content = match &answer.content {
        Content::Text(pieces) => json!([{"type": "text", "text": pieces.concat()}]),
        Content::Tools(calls) => calls
            .iter()
            .enumerate()
            .map(|(index, made)| {
                json!({
                    "type": "tool_use",
                    "id": tool_id(&id, index),
                    "name": made.name,
                    "input": made.arguments,
                })
            })
            .collect(),
    };
    let mut body = message(&id, &asked);
    body["content"] = content;
    body["stop_reason"] = json!(stop_reason(answer.stop));
    body["usage"] = usage(answer.input_tokens, answer.output_tokens);
    Ok(Reply::Json { status: 200, body })
}

fn count(call: &Call<'_>) -> Result<Reply, Refusal> {
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
    match &body["system"] {
        Value::Null => {}
        Value::String(text) => asked.count_input(text),
        Value::Array(blocks) => {
            for block in blocks {
                asked.count_input(text_of(block, "text"));
            }
        }
        _ => {
            return Err(Refusal::invalid(
                "system: Input should be a valid string or list",
            ));
        }
    }
    read_tools(body, &mut asked)?;
    read_messages(&body["messages"], &mut asked)?;
    Ok(asked)
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, tool) in elements(&body["tools"]).iter().enumerate() {
        let name = text_of(tool, "name");
        if name.is_empty() || text_of(&tool["input_schema"], "type") != "object" {
            return Err(Refusal::invalid(format!(
                "tools.{index}.custom.input_schema: Field required"
            )));
        }
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
    if !body["tool_choice"].is_null() && asked.tools.is_empty() {
        return Err(Refusal::invalid(
            "tool_choice: may only be specified while providing tools",
        ));
    }
    Ok(())
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
        content.add_to(asked, role);
        open = content.tool_uses;
    }
    match open.as_slice() {
        [] => Ok(()),
        [id, ..] => Err(Refusal::invalid(format!(
            "messages: tool_use {id} has no tool_result"
        ))),
    }
}

/// The content of one message.
#[derive(Debug, Default)]
struct MessageContent<'a> {
    texts: Vec<&'a str>,
    images: usize,
    tool_uses: Vec<&'a str>,
    results: Vec<(&'a str, String)>,
}

impl<'a> MessageContent<'a> {
    fn read(content: &'a Value, role: &str, at: &str) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let blocks = match content {
            Value::String(text) if !text.is_empty() => {
                read.texts.push(text);
                return Ok(read);
            }
            Value::Array(blocks) if !blocks.is_empty() => blocks,
            _ => return Err(Refusal::invalid(format!("{at}: content must be non-empty"))),
        };
        for (index, block) in blocks.iter().enumerate() {
            read.add_block(block, role)
                .map_err(|problem| Refusal::invalid(format!("{at}.content.{index}: {problem}")))?;
        }
        Ok(read)
    }

    fn add_block(&mut self, block: &'a Value, role: &str) -> Result<(), &'static str> {
        match (text_of(block, "type"), role) {
            ("text", _) => match text_of(block, "text") {
                "" => return Err("text content blocks must be non-empty"),
                text => self.texts.push(text),
            },
            ("image", "user") => {
                check_image(&block["source"])?;
                self.images += 1;
            }
            ("tool_use", "assistant") => {
                if !block["input"].is_object() || text_of(block, "name").is_empty() {
                    return Err("tool_use.input: Input should be a valid dictionary");
                }
                self.tool_uses.push(text_of(block, "id"));
            }
            ("tool_result", "user") => {
                let result = match &block["content"] {
                    Value::String(text) => text.clone(),
                    blocks => {
                        let texts = elements(blocks).iter().map(|block| text_of(block, "text"));
                        texts.collect::<Vec<_>>().join(" ")
                    }
                };
                self.results.push((text_of(block, "tool_use_id"), result));
            }
            ("document", "user") | ("thinking" | "redacted_thinking", "assistant") => {}
            _ => return Err("Input tag found does not match any of the expected tags"),
        }
        Ok(())
    }

    fn add_to(&self, asked: &mut Asked, role: &str) {
        let text = self.texts.join(" ");
        asked.count_input(&text);
        asked.images += self.images;
        if role == "user" && !text.is_empty() {
            asked.question = text;
            asked.tool_results.clear();
        }
        for (_, result) in &self.results {
            asked.count_input(result);
            asked.tool_results.push(result.clone());
        }
    }
}

fn check_image(source: &Value) -> Result<(), &'static str> {
    match text_of(source, "type") {
        "base64" if text_of(source, "data").is_empty() => Err("image.source.data: Field required"),
        "base64" => match text_of(source, "media_type") {
            "image/jpeg" | "image/png" | "image/gif" | "image/webp" => Ok(()),
            _ => Err("image.source.media_type: Input should be an image type"),
        },
        "url" if text_of(source, "url").starts_with("http") => Ok(()),
        _ => Err("image.source: Input tag does not match"),
    }
}

fn message_events(id: &str, asked: &Asked, answer: &Answer) -> Vec<String> {
    let mut start = message(id, asked);
    start["usage"] = usage(answer.input_tokens, 1);
    let mut events = vec![event(
        "message_start",
        &json!({"type": "message_start", "message": start}),
    )];
    match &answer.content {
        Content::Text(pieces) => {
            let start = json!({"type": "text", "text": ""});
            let delta = |piece: &String| json!({"type": "text_delta", "text": piece});
            push_block(&mut events, 0, &start, pieces.iter().map(delta));
        }
        Content::Tools(calls) => {
            for (index, made) in calls.iter().enumerate() {
                let arguments = made.arguments.to_string();
                let start = json!({
                    "type": "tool_use",
                    "id": tool_id(id, index),
                    "name": made.name,
                    "input": {},
                });
                let deltas = ["", arguments.as_str()]
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
                push_block(&mut events, index, &start, deltas.into_iter());
            }
        }
    }
    let end = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer.stop), "stop_sequence": null},
        "usage": {"output_tokens": answer.output_tokens},
    });
    events.push(event("message_delta", &end));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}

fn push_block(
    events: &mut Vec<String>,
    index: usize,
    start: &Value,
    deltas: impl Iterator<Item = Value>,
) {
    let start = json!({"type": "content_block_start", "index": index, "content_block": start});
    events.push(event("content_block_start", &start));
    if index == 0 {
        events.push(event("ping", &json!({"type": "ping"})));
    }
    for delta in deltas {
        let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.push(event("content_block_delta", &delta));
    }
    let stop = json!({"type": "content_block_stop", "index": index});
    events.push(event("content_block_stop", &stop));
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

fn usage(input_tokens: u64, output_tokens: u64) -> Value {
    json!({
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
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
