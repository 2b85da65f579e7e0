//! OpenAI's Responses API.

mod input;
mod stream;

use http::Method;
use serde_json::{Value, json};

use super::openai::{self, CREATED, check_model, check_strict, read_object};
use super::{Call, Refusal, Reply, check, elements, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Thinking, Tool, ToolChoice};

pub(super) const PATH: &str = "/v1/responses";

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    openai::check_key(call)?;
    match (call.method, call.path) {
        (&Method::POST, PATH) => create(call),
        (&Method::GET, "/v1/models") => Ok(openai::list_models(call)),
        (method, path) => Err(Refusal {
            status: 404,
            ..Refusal::invalid(format!("Invalid URL ({method} {path})"))
        }),
    }
}

/// The event that reports an error inside a stream.
pub(super) fn error_event(kind: &str, message: &str) -> String {
    let data = json!({
        "type": "error",
        "code": kind,
        "message": message,
        "param": null,
        "sequence_number": 1,
    });
    stream::event(&data)
}

pub(super) fn is_last_event(event: &str) -> bool {
    ["completed", "incomplete", "failed"]
        .iter()
        .any(|end| event.starts_with(&format!("event: response.{end}\n")))
}

pub(super) fn create(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = Value::Object(read_object(call.body)?);
    if let Some(unknown) = check::unknown_member(&body, FIELDS) {
        let message = format!("Unknown parameter: '{unknown}'.");
        return Err(Refusal::about(unknown, message));
    }
    let asked = read_request(&body)?;
    check_model(call, &asked.model)?;
    let answer = asked.answer(call.name, call.say);
    let id = format!("resp_standin{}", call.serial);
    if asked.is_stream {
        return Ok(Reply::events(stream::events(&id, &asked, &answer)));
    }
    let items = Item::all(&id, &answer);
    Ok(Reply::Json {
        status: 200,
        body: whole(&id, &asked, &answer, &items),
    })
}

fn read_request(body: &Value) -> Result<Asked, Refusal> {
    let model = text_of(body, "model");
    let mut asked = Asked {
        model: model.to_owned(),
        is_stream: body["stream"] == true,
        max_tokens: body["max_output_tokens"].as_u64(),
        most_calls: (body["parallel_tool_calls"] == false).then_some(1),
        ..Asked::default()
    };
    if model.is_empty() {
        return Err(Refusal::about(
            "model",
            "you must provide a model parameter",
        ));
    }
    if asked.max_tokens.is_some_and(|most| most < 16) {
        let message =
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.";
        return Err(Refusal {
            code: Some("integer_below_min_value"),
            ..Refusal::about("max_output_tokens", message)
        });
    }
    let refused: &[&str] = if check::reasons(model) {
        &["temperature", "top_p"]
    } else {
        &["reasoning"]
    };
    if let Some(name) = refused.iter().find(|name| !is_unset(&body[**name])) {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        return Err(Refusal {
            code: Some("unsupported_parameter"),
            ..Refusal::about(*name, message)
        });
    }
    let reasoning = &body["reasoning"];
    asked.thinking = match (reasoning["effort"].as_str(), reasoning["summary"].as_str()) {
        (Some("none"), _) | (None, None) => Thinking::None,
        (Some(_), None) => Thinking::Hidden,
        (_, Some(_)) => Thinking::Shown,
    };
    let format = &body["text"]["format"];
    asked.json_schema = match text_of(format, "type") {
        "json_schema" => {
            if !check::is_plain_name(text_of(format, "name"), 64) {
                let message = "Missing required parameter: 'text.format.name'.";
                return Err(Refusal::about("text.format.name", message));
            }
            check_strict(format, "schema", "text.format.schema")?;
            Some(format["schema"].clone())
        }
        "json_object" => {
            Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}}))
        }
        _ => None,
    };
    read_tools(body, &mut asked)?;
    asked.count_instructions(text_of(body, "instructions"));
    input::read(&body["input"], &mut asked)?;
    Ok(asked)
}

/// Whether a field says nothing: clients write `"reasoning": {}` too.
fn is_unset(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, tool) in elements(&body["tools"]).iter().enumerate() {
        let param = format!("tools[{index}]");
        let name = text_of(tool, "name");
        if text_of(tool, "type") != "function" || !check::is_plain_name(name, 64) {
            let message = format!("Missing required parameter: '{param}.name'.");
            return Err(Refusal::about(&param, message));
        }
        let mut form = tool.clone();
        if form["strict"].is_null() {
            // Left out, it counts as true.
            form["strict"] = json!(true);
        }
        check_strict(&form, "parameters", &param)?;
        asked.tools.push(Tool {
            name: name.to_owned(),
            schema: tool["parameters"].clone(),
        });
    }
    let choice = &body["tool_choice"];
    asked.tool_choice = match (choice.as_str(), text_of(choice, "type")) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("none"), _) => ToolChoice::None,
        (Some("required"), _) => ToolChoice::Required,
        (None, "function") => ToolChoice::Named(text_of(choice, "name").to_owned()),
        (None, "") if choice.is_null() => ToolChoice::Auto,
        _ => {
            let message = "Invalid value for 'tool_choice'.";
            return Err(Refusal::about("tool_choice", message));
        }
    };
    let knows = |name: &str| asked.tools.iter().any(|tool| tool.name == name);
    match &asked.tool_choice {
        ToolChoice::Named(name) if !knows(name) => Err(Refusal::about(
            "tool_choice",
            format!("Tool choice 'function' not found in 'tools' parameter: {name}."),
        )),
        _ => Ok(()),
    }
}

/// One item of an answer.
enum Item {
    Thought {
        id: String,
        pieces: Vec<String>,
    },
    Message {
        id: String,
        pieces: Vec<String>,
    },
    Call {
        id: String,
        call_id: String,
        name: String,
        arguments: String,
    },
}

impl Item {
    fn all(base: &str, answer: &Answer) -> Vec<Self> {
        let base = base.trim_start_matches("resp_");
        let mut items = Vec::new();
        if answer.thinking_tokens > 0 {
            items.push(Self::Thought {
                id: format!("rs_{base}"),
                pieces: answer.thinking.clone(),
            });
        }
        match &answer.content {
            Content::Text(pieces) => items.push(Self::Message {
                id: format!("msg_{base}"),
                pieces: pieces.clone(),
            }),
            Content::Tools(calls) => {
                items.extend(calls.iter().enumerate().map(|(index, made)| Self::Call {
                    id: format!("fc_{base}_{index}"),
                    call_id: format!("call_{base}_{index}"),
                    name: made.name.clone(),
                    arguments: made.arguments.to_string(),
                }));
            }
        }
        items
    }

    fn id(&self) -> &str {
        match self {
            Self::Thought { id, .. } | Self::Message { id, .. } | Self::Call { id, .. } => id,
        }
    }

    /// The item, whole.
    fn done(&self) -> Value {
        match self {
            Self::Thought { id, pieces } => json!({
                "type": "reasoning",
                "id": id,
                "summary": summary(pieces),
            }),
            Self::Message { id, pieces } => json!({
                "type": "message",
                "id": id,
                "status": "completed",
                "role": "assistant",
                "content": [text_part(&pieces.concat())],
            }),
            Self::Call {
                id,
                call_id,
                name,
                arguments,
            } => json!({
                "type": "function_call",
                "id": id,
                "status": "completed",
                "call_id": call_id,
                "name": name,
                "arguments": arguments,
            }),
        }
    }
}

/// What is told of a thought: nothing, unless it was asked for.
fn summary(pieces: &[String]) -> Value {
    match pieces {
        [] => json!([]),
        pieces => json!([{"type": "summary_text", "text": pieces.concat()}]),
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn whole(id: &str, asked: &Asked, answer: &Answer, items: &[Item]) -> Value {
    let mut response = begun(id, asked);
    let is_cut = answer.stop == Stop::Length;
    response["status"] = json!(if is_cut { "incomplete" } else { "completed" });
    if is_cut {
        response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    response["output"] = items.iter().map(Item::done).collect();
    response["usage"] = json!({
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.thinking_tokens},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    });
    response
}

/// A response that says nothing yet.
fn begun(id: &str, asked: &Asked) -> Value {
    json!({
        "id": id,
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": asked.most_calls.is_none(),
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": null,
    })
}

const FIELDS: &[&str] = &[
    "background",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
