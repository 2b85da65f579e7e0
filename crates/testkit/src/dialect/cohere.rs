//! Cohere: chat, version 2, plain and streamed, and models.

mod messages;
mod stream;

use http::Method;
use serde_json::{Map, Value, json};

use super::{Call, Refusal, Reply, check, elements, header, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Thinking, Tool, ToolCall, ToolChoice};

pub(super) use stream::{error_event, is_last_event, malformed_event};

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    let given = header(call.headers, "authorization").strip_prefix("Bearer ");
    if call.key.is_some_and(|key| given != Some(key)) {
        return Err(Refusal {
            status: 401,
            ..Refusal::invalid("invalid api token")
        });
    }
    match (call.method, call.path) {
        (&Method::POST, "/v2/chat") => chat(call),
        (&Method::GET, "/v1/models") => Ok(list_models(call)),
        _ => Err(Refusal {
            status: 404,
            ..Refusal::invalid("endpoint not found")
        }),
    }
}

pub(super) fn error_body(message: &str) -> Value {
    json!({"id": "standin", "message": message})
}

pub(super) fn usual_message(status: u16) -> &'static str {
    match status {
        401 | 403 => "invalid api token",
        404 => "not found",
        429 => "You are past the per minute request limit, please wait and try again later.",
        400..500 => "invalid request",
        503 => "service unavailable",
        504 => "timeout",
        _ => "internal server error",
    }
}

/// An answer of status 200 that tells that there is none.
pub(super) fn error_in_answer() -> Value {
    json!({
        "id": "standin",
        "finish_reason": "ERROR",
        "message": {"role": "assistant", "content": []},
    })
}

fn chat(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(call.body)
        .map_err(|_error| Refusal::invalid("invalid request: failed to parse the body"))?;
    if let Some(unknown) = body.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Refusal {
            status: 422,
            ..Refusal::invalid(format!(
                "unknown field: parameter '{unknown}' is not a valid field"
            ))
        });
    }
    let body = Value::Object(body);
    let asked = read_request(&body)?;
    if call.refuses_other_models && !call.models.contains(&asked.model) {
        return Err(Refusal {
            status: 404,
            ..Refusal::invalid(format!("model '{}' not found", asked.model))
        });
    }
    let answer = asked.answer(call.name, call.say);
    let id = format!("standin-{}", call.serial);
    if asked.is_stream {
        let events = stream::events(&id, &answer);
        return Ok(Reply::events(events));
    }
    Ok(Reply::Json {
        status: 200,
        body: json!({
            "id": id,
            "finish_reason": finish_reason(answer.stop),
            "message": message(&id, &answer),
            "usage": usage(&answer),
        }),
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
        return Err(Refusal::invalid("invalid request: model is required"));
    }
    let bounds = [
        ("p", 0.01, 0.99),
        ("k", 0.0, 500.0),
        ("frequency_penalty", 0.0, 1.0),
        ("presence_penalty", 0.0, 1.0),
    ];
    for (name, least, most) in bounds {
        let is_well = |value: f64| (least..=most).contains(&value);
        if body[name].as_f64().is_some_and(|value| !is_well(value)) {
            return Err(Refusal::invalid(format!(
                "invalid request: {name} must be between {least} and {most} inclusive"
            )));
        }
    }
    if elements(&body["stop_sequences"]).len() > 5 {
        return Err(Refusal::invalid(
            "invalid request: at most 5 stop_sequences",
        ));
    }
    read_tools(body, &mut asked)?;
    read_thinking(&body["thinking"], &mut asked)?;
    read_format(&body["response_format"], &mut asked)?;
    messages::read(&body["messages"], &mut asked)?;
    Ok(asked)
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, tool) in elements(&body["tools"]).iter().enumerate() {
        let function = &tool["function"];
        let name = text_of(function, "name");
        let known = ["name", "description", "parameters"];
        let is_well = text_of(tool, "type") == "function"
            && check::is_plain_name(name, 64)
            && check::unknown_member(function, &known).is_none()
            && text_of(&function["parameters"], "type") == "object";
        if !is_well {
            return Err(Refusal::invalid(format!(
                "invalid request: tools[{index}] is not a function with parameters of type object"
            )));
        }
        asked.tools.push(Tool {
            name: name.to_owned(),
            schema: function["parameters"].clone(),
        });
    }
    asked.tool_choice = match body["tool_choice"].as_str() {
        None if body["tool_choice"].is_null() => ToolChoice::Auto,
        Some("REQUIRED") if !asked.tools.is_empty() => ToolChoice::Required,
        Some("NONE") if !asked.tools.is_empty() => ToolChoice::None,
        _ => {
            return Err(Refusal::invalid(
                "invalid request: tool_choice must be one of REQUIRED, NONE, and needs tools",
            ));
        }
    };
    Ok(())
}

/// Models that reason do unless they are told not to; others can't.
fn read_thinking(thinking: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    let reasons = asked.model.contains("reasoning");
    if !thinking.is_null() && !reasons {
        return Err(Refusal::invalid(format!(
            "invalid request: thinking is not supported by model {}",
            asked.model
        )));
    }
    if let Some(unknown) = check::unknown_member(thinking, &["type", "token_budget"]) {
        return Err(Refusal::invalid(format!(
            "invalid request: thinking: unknown field '{unknown}'"
        )));
    }
    asked.thinking = match text_of(thinking, "type") {
        "disabled" => Thinking::None,
        "enabled" | "" if reasons => Thinking::Shown,
        "" => Thinking::None,
        _ => return Err(Refusal::invalid("invalid request: thinking.type")),
    };
    Ok(())
}

fn read_format(format: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    match text_of(format, "type") {
        "" | "text" => return Ok(()),
        "json_object" => {}
        _ => {
            return Err(Refusal::invalid(
                "invalid request: response_format.type must be text or json_object",
            ));
        }
    }
    if !asked.tools.is_empty() {
        return Err(Refusal::invalid(
            "invalid request: response_format is not supported with tools",
        ));
    }
    let schema = &format["json_schema"];
    if !schema.is_null() && text_of(schema, "type") != "object" {
        return Err(Refusal::invalid(
            "invalid request: the json_schema must be of type object at the top",
        ));
    }
    let any = json!({"type": "object", "properties": {"answer": {"type": "string"}}});
    asked.json_schema = Some(if schema.is_null() {
        any
    } else {
        schema.clone()
    });
    Ok(())
}

fn message(id: &str, answer: &Answer) -> Value {
    let mut content = Vec::new();
    if !answer.thinking.is_empty() {
        content.push(json!({"type": "thinking", "thinking": answer.thoughts()}));
    }
    let mut message = json!({"role": "assistant"});
    match &answer.content {
        Content::Text(pieces) => content.push(json!({"type": "text", "text": pieces.concat()})),
        Content::Tools(calls) => {
            let calls = calls.iter().enumerate();
            message["tool_calls"] = calls
                .map(|(index, made)| tool_call(id, index, made))
                .collect();
            if content.is_empty() {
                message["tool_plan"] = json!(PLAN);
            }
        }
    }
    if !content.is_empty() {
        message["content"] = json!(content);
    }
    message
}

/// What a model that does not reason says before it calls a tool.
const PLAN: &str = "I will use the tools for this.";

fn tool_call(id: &str, index: usize, made: &ToolCall) -> Value {
    json!({
        "id": tool_id(id, index, made),
        "type": "function",
        "function": {"name": made.name, "arguments": made.arguments.to_string()},
    })
}

fn tool_id(id: &str, index: usize, made: &ToolCall) -> String {
    format!("{}_{id}{index}", made.name)
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "COMPLETE",
        Stop::Length => "MAX_TOKENS",
        Stop::Tools => "TOOL_CALL",
    }
}

/// What is billed is less than what the model read: the prompt around the messages is free.
fn usage(answer: &Answer) -> Value {
    json!({
        "billed_units": {
            "input_tokens": answer.input_tokens.saturating_sub(1),
            "output_tokens": answer.output_tokens,
        },
        "tokens": {"input_tokens": answer.input_tokens, "output_tokens": answer.output_tokens},
        "cached_tokens": answer.cached_tokens,
    })
}

fn list_models(call: &Call<'_>) -> Reply {
    let entry = |id: &String| json!({"name": id, "endpoints": ["chat"], "finetuned": false});
    let models: Vec<Value> = call.models.iter().map(entry).collect();
    Reply::Json {
        status: 200,
        body: json!({"models": models}),
    }
}

const FIELDS: &[&str] = &[
    "citation_options",
    "documents",
    "frequency_penalty",
    "k",
    "logprobs",
    "max_tokens",
    "messages",
    "model",
    "p",
    "presence_penalty",
    "priority",
    "response_format",
    "safety_mode",
    "seed",
    "stop_sequences",
    "stream",
    "strict_tools",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
];
