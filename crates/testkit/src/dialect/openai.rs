//! OpenAI: chat completions, embeddings, models.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Map, Value, json};

use super::{Call, Refusal, Reply, elements, header, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Tool, ToolCall, ToolChoice, count_tokens};

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

fn check_key(call: &Call<'_>) -> Result<(), Refusal> {
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

fn chat(call: &Call<'_>) -> Result<Reply, Refusal> {
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
        return Ok(Reply::Events(chat_events(&id, &asked, &answer)));
    }
    let message = json!({
        "role": "assistant",
        "content": text_content(&answer),
        "refusal": null,
        "annotations": [],
    });
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
    asked.max_tokens = body["max_completion_tokens"]
        .as_u64()
        .or(body["max_tokens"].as_u64());
    asked.json_schema = match text_of(&body["response_format"], "type") {
        "json_schema" => Some(body["response_format"]["json_schema"]["schema"].clone()),
        "json_object" => {
            Some(json!({"type": "object", "properties": {"answer": {"type": "string"}}}))
        }
        _ => None,
    };
    read_tools(body, &mut asked)?;
    read_messages(&body["messages"], &mut asked)?;
    Ok(asked)
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for (index, tool) in elements(&body["tools"]).iter().enumerate() {
        let name = text_of(&tool["function"], "name");
        if text_of(tool, "type") != "function" || name.is_empty() {
            let param = format!("tools[{index}]");
            return Err(Refusal::about(
                &param,
                format!("Missing required parameter in '{param}'."),
            ));
        }
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
        let (text, images) = read_content(message, role, &param)?;
        asked.count_input(&text);
        asked.images += images;
        match role {
            "system" | "developer" => {}
            "user" => {
                asked.question = text;
                asked.tool_results.clear();
            }
            "assistant" => {
                open = elements(&message["tool_calls"])
                    .iter()
                    .map(|call| text_of(call, "id"))
                    .collect();
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
                if !(url.starts_with("data:image/") || url.starts_with("http")) {
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

fn chat_events(id: &str, asked: &Asked, answer: &Answer) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
            "choices": choices,
        });
        if asked.wants_usage {
            chunk["usage"] = usage;
        }
        event(&chunk)
    };
    let delta = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk(json!([choice]), Value::Null)
    };
    let first = json!({"role": "assistant", "content": first_content(answer), "refusal": null});
    let mut events = vec![delta(first, Value::Null)];
    match &answer.content {
        Content::Text(pieces) => {
            events.extend(
                pieces
                    .iter()
                    .map(|piece| delta(json!({"content": piece}), Value::Null)),
            );
        }
        Content::Tools(calls) => {
            for (index, made) in calls.iter().enumerate() {
                let deltas = tool_call_deltas(id, index, made);
                let in_chunk = |call: Value| delta(json!({"tool_calls": [call]}), Value::Null);
                events.extend(deltas.into_iter().map(in_chunk));
            }
        }
    }
    events.push(delta(json!({}), json!(finish_reason(answer.stop))));
    if asked.wants_usage {
        events.push(chunk(json!([]), usage(answer)));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// A tool call as a stream tells it: who is called, then the arguments in two pieces.
fn tool_call_deltas(id: &str, index: usize, made: &ToolCall) -> [Value; 3] {
    let arguments = made.arguments.to_string();
    let middle = (arguments.len() / 2..=arguments.len())
        .find(|&at| arguments.is_char_boundary(at))
        .unwrap_or(arguments.len());
    let (front, back) = arguments.split_at(middle);
    [
        json!({
            "index": index,
            "id": format!("call_{id}_{index}"),
            "type": "function",
            "function": {"name": made.name, "arguments": ""},
        }),
        json!({"index": index, "function": {"arguments": front}}),
        json!({"index": index, "function": {"arguments": back}}),
    ]
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

fn first_content(answer: &Answer) -> Option<&'static str> {
    match answer.content {
        Content::Text(_) => Some(""),
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
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    })
}

fn embeddings(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body = Value::Object(read_object(call.body)?);
    let model = text_of(&body, "model");
    check_model(call, model)?;
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if inputs.is_empty() {
        return Err(Refusal::about(
            "input",
            "'input' must be a string or a list of strings.",
        ));
    }
    let dimensions = body["dimensions"]
        .as_u64()
        .and_then(|count| u8::try_from(count).ok())
        .unwrap_or(8);
    let as_base64 = body["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = embedding_of(text, dimensions);
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            let embedding = if as_base64 {
                json!(STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = inputs.iter().map(|text| count_tokens(text)).sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let body = json!({"object": "list", "data": data, "model": model, "usage": usage});
    Ok(Reply::Json { status: 200, body })
}

/// A vector that depends on the text and nothing else.
fn embedding_of(text: &str, dimensions: u8) -> Vec<f32> {
    let sum = text.bytes().fold(0_u8, u8::wrapping_add);
    (0..dimensions)
        .map(|index| f32::from(sum.wrapping_add(index)) / 256.0)
        .collect()
}

fn list_models(call: &Call<'_>) -> Reply {
    let entry = |id: &String| json!({"id": id, "object": "model", "created": CREATED, "owned_by": call.name});
    let data: Vec<Value> = call.models.iter().map(entry).collect();
    Reply::Json {
        status: 200,
        body: json!({"object": "list", "data": data}),
    }
}

fn check_model(call: &Call<'_>, model: &str) -> Result<(), Refusal> {
    if !call.refuses_other_models || call.models.iter().any(|known| known == model) {
        return Ok(());
    }
    Err(Refusal {
        status: 404,
        code: Some("model_not_found"),
        ..Refusal::about("model", format!("The model `{model}` does not exist."))
    })
}

fn read_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body)
        .map_err(|_error| Refusal::invalid("We could not parse the JSON body of your request."))
}

/// When everything was made: a time that does not change, so that answers compare.
const CREATED: u64 = 1_735_689_600;

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
