//! OpenAI: chat completions, embeddings, models.

mod embeddings;
mod stream;

pub(super) use embeddings::embeddings;

use http::Method;
use serde_json::{Map, Value, json};

use super::check;
use super::{Call, Refusal, Reply, elements, header, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Thinking, Tool, ToolCall, ToolChoice};

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    check_key(call)?;
    match (call.method, call.path) {
        (&Method::POST, "/v1/chat/completions") => chat(call),
        (&Method::POST, "/v1/embeddings") => embeddings(call),
        (&Method::GET, "/v1/models") => Ok(list_models(call)),
        (method, path) => Err(Refusal {
            status: 404,
            ..Refusal::invalid(format!("Invalid URL ({method} {path})"))
        }),
    }
}

pub(super) fn error_body(
    kind: &str,
    message: &str,
    code: Option<&str>,
    param: Option<&str>,
) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The type and the words of an error with `status`.
pub(super) fn usual_error(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("invalid_request_error", "Incorrect API key provided."),
        429 => ("requests", "Rate limit reached for requests."),
        400..500 => ("invalid_request_error", "The request was refused."),
        503 => ("server_error", "The engine is currently overloaded."),
        _ => ("server_error", "The server had an error."),
    }
}

pub(super) fn check_key(call: &Call<'_>) -> Result<(), Refusal> {
    let given = header(call.headers, "authorization")
        .strip_prefix("Bearer ")
        .unwrap_or("");
    match call.key {
        Some(key) if key != given => Err(Refusal {
            status: 401,
            code: Some("invalid_api_key"),
            ..Refusal::invalid("Incorrect API key provided.")
        }),
        _ => Ok(()),
    }
}

pub(super) fn chat(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = read_object(call.body)?;
    if let Some(unknown) = body
        .keys()
        .find(|name| !CHAT_FIELDS.contains(&name.as_str()))
    {
        let message = format!("Unrecognized request argument supplied: {unknown}");
        return Err(Refusal::about(unknown, message));
    }
    let body = Value::Object(body);
    let asked = read_chat(&body)?;
    check_model(call, &asked.model)?;
    let answer = asked.answer(call.name, call.say);
    let id = format!("chatcmpl-standin{}", call.serial);
    if asked.is_stream {
        return Ok(Reply::events(stream::chat_events(&id, &asked, &answer)));
    }
    let mut message = json!({
        "role": "assistant",
        "content": text_content(&answer),
        "refusal": null,
        "annotations": [],
    });
    if !answer.thinking.is_empty() {
        message["reasoning_content"] = json!(answer.thoughts());
    }
    let mut choice = json!({
        "index": 0,
        "message": message,
        "logprobs": null,
        "finish_reason": finish_reason(answer.stop),
    });
    if let Content::Tools(calls) = &answer.content {
        let calls: Vec<Value> = calls
            .iter()
            .enumerate()
            .map(|(index, made)| tool_call(call.serial, index, made))
            .collect();
        choice["message"]["tool_calls"] = json!(calls);
    }
    Ok(Reply::Json {
        status: 200,
        body: json!({
            "id": id,
            "object": "chat.completion",
            "created": CREATED,
            "model": asked.model,
            "choices": [choice],
            "usage": usage(&answer),
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
        }),
    })
}

fn read_chat(body: &Value) -> Result<Asked, Refusal> {
    let mut asked = Asked {
        model: text_of(body, "model").to_owned(),
        is_stream: body["stream"] == true,
        wants_usage: body["stream_options"]["include_usage"] == true,
        ..Asked::default()
    };
    if asked.model.is_empty() {
        return Err(Refusal::about(
            "model",
            "you must provide a model parameter",
        ));
    }
    if !body["stream_options"].is_null() && !asked.is_stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::about("stream_options", message));
    }
    check_generation(body, &asked.model)?;
    // OpenAI's own models keep their thoughts to themselves; some open ones always tell them.
    let effort = body["reasoning_effort"].as_str();
    asked.thinking = if asked.model.starts_with("deepseek-reasoner") {
        Thinking::Shown
    } else if effort.is_some_and(|effort| effort != "none") {
        Thinking::Hidden
    } else {
        Thinking::None
    };
    if body["parallel_tool_calls"] == false {
        asked.most_calls = Some(1);
    }
    asked.max_tokens = body["max_completion_tokens"]
        .as_u64()
        .or(body["max_tokens"].as_u64());
    asked.json_schema = match text_of(&body["response_format"], "type") {
        "json_schema" => {
            let form = &body["response_format"]["json_schema"];
            if !check::is_plain_name(text_of(form, "name"), 64) {
                let param = "response_format.json_schema.name";
                return Err(Refusal::about(param, format!("Invalid '{param}'.")));
            }
            check_strict(form, "schema", "response_format")?;
            Some(form["schema"].clone())
        }
        "json_object" => {
            Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}}))
        }
        _ => None,
    };
    read_tools(body, &mut asked)?;
    read_messages(&body["messages"], &mut asked)?;
    Ok(asked)
}

/// Refuses what the model's generation does not know: reasoning models have other fields than older
/// ones, and open models behind servers of their own have only the oldest.
fn check_generation(body: &Value, model: &str) -> Result<(), Refusal> {
    let reasons = check::reasons(model);
    let refused: &[&str] = if reasons {
        &[
            "max_tokens",
            "temperature",
            "top_p",
            "stop",
            "presence_penalty",
        ]
    } else if model.starts_with("llama") {
        &["max_completion_tokens", "reasoning_effort"]
    } else {
        &["reasoning_effort"]
    };
    if let Some(name) = refused.iter().find(|name| !body[**name].is_null()) {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        return Err(Refusal {
            code: Some("unsupported_parameter"),
            ..Refusal::about(*name, message)
        });
    }
    let messages = elements(&body["messages"]);
    let has_developer = messages
        .iter()
        .any(|message| message["role"] == "developer");
    if has_developer && model.starts_with("llama") {
        return Err(Refusal::invalid("Unexpected role: developer"));
    }
    Ok(())
}

/// Holds a strict form to what makes it one.
pub(super) fn check_strict(form: &Value, schema: &str, param: &str) -> Result<(), Refusal> {
    let schema = &form[schema];
    if form["strict"] != true || (check::is_closed(schema) && check::demands_all(schema)) {
        return Ok(());
    }
    let name = text_of(form, "name");
    let message = format!(
        "Invalid schema for '{name}': 'additionalProperties' is required to be false, \
         and 'required' to name every property."
    );
    Err(Refusal {
        code: Some("invalid_json_schema"),
        ..Refusal::about(param, message)
    })
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, tool) in elements(&body["tools"]).iter().enumerate() {
        let name = text_of(&tool["function"], "name");
        if text_of(tool, "type") != "function" || !check::is_plain_name(name, 64) {
            let param = format!("tools[{index}]");
            return Err(Refusal::about(
                &param,
                format!("Missing required parameter in '{param}'."),
            ));
        }
        check_strict(&tool["function"], "parameters", "tools")?;
        let schema = tool["function"]["parameters"].clone();
        asked.tools.push(Tool {
            name: name.to_owned(),
            schema,
        });
    }
    asked.tool_choice = match &body["tool_choice"] {
        Value::Null => ToolChoice::Auto,
        Value::String(word) if word == "auto" => ToolChoice::Auto,
        Value::String(word) if word == "none" => ToolChoice::None,
        Value::String(word) if word == "required" => ToolChoice::Required,
        named if text_of(named, "type") == "function" => {
            ToolChoice::Named(text_of(&named["function"], "name").to_owned())
        }
        _ => {
            return Err(Refusal::about(
                "tool_choice",
                "Invalid value for 'tool_choice'.",
            ));
        }
    };
    if !body["tool_choice"].is_null() && asked.tools.is_empty() {
        let message = "'tool_choice' is only allowed when 'tools' are specified.";
        return Err(Refusal::about("tool_choice", message));
    }
    Ok(())
}

fn read_messages(messages: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    if elements(messages).is_empty() {
        return Err(Refusal::about(
            "messages",
            "'messages' must be an array with at least one message.",
        ));
    }
    // Tool calls that the last assistant message made and that have no result yet.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in elements(messages).iter().enumerate() {
        let param = format!("messages.[{index}]");
        let role = text_of(message, "role");
        if role != "tool" && !open.is_empty() {
            let message = "An assistant message with 'tool_calls' must be followed by tool messages \
                           responding to each 'tool_call_id'.";
            return Err(Refusal::about(&param, message));
        }
        if let Some(unknown) = check::unknown_member(message, MESSAGE_FIELDS) {
            let message = format!("Additional properties are not allowed ('{unknown}').");
            return Err(Refusal::about(&param, message));
        }
        let (text, images) = read_content(message, role, &param)?;
        match role {
            "system" | "developer" => asked.count_instructions(&text),
            _ => asked.count_input(&text),
        }
        asked.images += images;
        asked.begun = (role == "assistant").then(|| text.clone());
        match role {
            "system" | "developer" => {}
            "user" => {
                asked.question = text;
                asked.tool_results.clear();
            }
            "assistant" => {
                open = read_calls(message, &text, &param)?;
            }
            "tool" => {
                let id = text_of(message, "tool_call_id");
                let Some(position) = open.iter().position(|made| *made == id) else {
                    let message = "messages with role 'tool' must be a response to a preceding message \
                                   with 'tool_calls'.";
                    return Err(Refusal::about(&param, message));
                };
                open.remove(position);
                asked.tool_results.push(text);
            }
            other => {
                let message = format!("Invalid value: '{other}'.");
                return Err(Refusal::about(format!("{param}.role"), message));
            }
        }
    }
    match open.as_slice() {
        [] => Ok(()),
        [id, ..] => Err(Refusal::about(
            "messages",
            format!("tool_call_id '{id}' has no response"),
        )),
    }
}

/// The identifiers of the calls in a message of the assistant's, which says or calls something.
fn read_calls<'a>(message: &'a Value, text: &str, param: &str) -> Result<Vec<&'a str>, Refusal> {
    let calls = elements(&message["tool_calls"]);
    if text.is_empty() && calls.is_empty() {
        let message = "an assistant message must have 'content' or 'tool_calls'";
        return Err(Refusal::about(param, message));
    }
    if !calls.iter().all(is_call) {
        return Err(Refusal::about(param, "Invalid 'tool_calls'."));
    }
    Ok(calls.iter().map(|call| text_of(call, "id")).collect())
}

/// Whether a call of an earlier answer is as it was made: arguments that are JSON, an identifier
/// that is not too long.
fn is_call(call: &Value) -> bool {
    let arguments = text_of(&call["function"], "arguments");
    text_of(call, "type") == "function"
        && (1..=40).contains(&text_of(call, "id").len())
        && check::is_plain_name(text_of(&call["function"], "name"), 64)
        && serde_json::from_str::<Map<String, Value>>(arguments).is_ok()
}

/// The text of a message and how many images it has.
fn read_content(message: &Value, role: &str, param: &str) -> Result<(String, usize), Refusal> {
    let invalid = || {
        Refusal::about(
            format!("{param}.content"),
            "Invalid type for message content.",
        )
    };
    let parts = match &message["content"] {
        Value::String(text) => return Ok((text.clone(), 0)),
        Value::Null if role == "assistant" => return Ok((String::new(), 0)),
        Value::Array(parts) if !parts.is_empty() => parts,
        _ => return Err(invalid()),
    };
    let (mut texts, mut images) = (Vec::new(), 0);
    for part in parts {
        match text_of(part, "type") {
            "text" => texts.push(part["text"].as_str().ok_or_else(invalid)?),
            "refusal" => texts.push(part["refusal"].as_str().ok_or_else(invalid)?),
            "image_url" if role == "user" => {
                let url = text_of(&part["image_url"], "url");
                if !(check::is_image_url(url) || url.starts_with("http")) {
                    return Err(Refusal::about(param, "Invalid image URL."));
                }
                images += 1;
            }
            "input_audio" | "file" if role == "user" => {}
            _ => return Err(invalid()),
        }
    }
    Ok((texts.join(" "), images))
}

fn tool_call(serial: usize, index: usize, made: &ToolCall) -> Value {
    json!({
        "id": format!("call_chatcmpl-standin{serial}_{index}"),
        "type": "function",
        "function": {"name": made.name, "arguments": made.arguments.to_string()},
    })
}

fn text_content(answer: &Answer) -> Option<String> {
    match &answer.content {
        Content::Text(pieces) => Some(pieces.concat()),
        Content::Tools(_) => None,
    }
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.thinking_tokens, "audio_tokens": 0},
    })
}

pub(super) fn list_models(call: &Call<'_>) -> Reply {
    let entry = |id: &String| json!({"id": id, "object": "model", "created": CREATED, "owned_by": call.name});
    let data: Vec<Value> = call.models.iter().map(entry).collect();
    Reply::Json {
        status: 200,
        body: json!({"object": "list", "data": data}),
    }
}

pub(super) fn check_model(call: &Call<'_>, model: &str) -> Result<(), Refusal> {
    if !call.refuses_other_models || call.models.iter().any(|known| known == model) {
        return Ok(());
    }
    Err(Refusal {
        status: 404,
        code: Some("model_not_found"),
        ..Refusal::about("model", format!("The model `{model}` does not exist."))
    })
}

pub(super) fn read_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body)
        .map_err(|_error| Refusal::invalid("We could not parse the JSON body of your request."))
}

/// When everything was made: a time that does not change, so that answers compare.
pub(super) const CREATED: u64 = 1_735_689_600;

const CHAT_FIELDS: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

const MESSAGE_FIELDS: &[&str] = &[
    "annotations",
    "audio",
    "content",
    "function_call",
    "name",
    "reasoning_content",
    "refusal",
    "role",
    "tool_call_id",
    "tool_calls",
];
