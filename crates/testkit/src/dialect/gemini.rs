//! Google's Gemini API: generateContent, plain and streamed, models.

mod contents;
mod schema;

pub(super) use contents::read as read_contents;

use http::Method;
use serde_json::{Map, Value, json};

use super::{Call, Refusal, Reply, check, elements, header, text_of};
use crate::answer::{Answer, Asked, Content, Stop, Thinking, Tool, ToolChoice};

const MODELS: &str = "/v1beta/models";

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    if call
        .key
        .is_some_and(|key| key != header(call.headers, "x-goog-api-key"))
    {
        return Err(Refusal::invalid(
            "API key not valid. Please pass a valid API key.",
        ));
    }
    let named = call.path.strip_prefix(MODELS).unwrap_or("?");
    let named = named.strip_prefix('/').unwrap_or(named);
    match (call.method, named.rsplit_once(':')) {
        (&Method::POST, Some((model, "generateContent"))) => generate(call, model, false),
        (&Method::POST, Some((model, "streamGenerateContent"))) => {
            if !call.target.ends_with("alt=sse") {
                // It would be an array of JSON, which no client here reads.
                return Err(Refusal::invalid("only alt=sse is played"));
            }
            generate(call, model, true)
        }
        (&Method::GET, None) if named.is_empty() => Ok(list_models(call)),
        _ => Err(Refusal {
            status: 404,
            ..Refusal::invalid("Requested entity was not found.")
        }),
    }
}

pub(super) fn error_body(status: u16, message: &str) -> Value {
    let name = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..500 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}

/// The status that stands in an error inside a stream.
pub(super) fn code_of(kind: &str) -> u16 {
    match kind {
        "rate_limit_error" | "RESOURCE_EXHAUSTED" => 429,
        "overloaded_error" | "UNAVAILABLE" => 503,
        "invalid_request_error" | "INVALID_ARGUMENT" => 400,
        _ => 500,
    }
}

pub(super) fn usual_message(status: u16) -> &'static str {
    match status {
        401 | 403 => "The caller does not have permission.",
        429 => "You exceeded your current quota.",
        400..500 => "The request was refused.",
        503 => "The model is overloaded. Please try again later.",
        _ => "An internal error has occurred.",
    }
}

pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\r\n\r\n")
}

pub(super) fn generate(call: &Call<'_>, model: &str, is_stream: bool) -> Result<Reply, Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(call.body)
        .map_err(|_error| Refusal::invalid("Invalid JSON payload received."))?;
    let body = camel(Value::Object(body));
    if call.refuses_other_models && !call.models.iter().any(|known| known == model) {
        return Err(Refusal {
            status: 404,
            ..Refusal::invalid(format!("models/{model} is not found"))
        });
    }
    let mut asked = Asked {
        model: model.to_owned(),
        is_stream,
        ..Asked::default()
    };
    only(&body, "", FIELDS)?;
    read_system(&body["systemInstruction"], &mut asked)?;
    read_tools(&body, &mut asked)?;
    read_config(&body["generationConfig"], &mut asked)?;
    contents::read(&body["contents"], &mut asked)?;
    let answer = asked.answer(call.name, call.say);
    let id = format!("gemini-standin{}", call.serial);
    let chunks = chunks(&id, &asked, &answer);
    if is_stream {
        return Ok(Reply::events(chunks.iter().map(event).collect()));
    }
    Ok(Reply::Json {
        status: 200,
        body: whole(&chunks),
    })
}

/// Spells every field the usual way. Google reads `max_output_tokens` too, and its own clients
/// write both in one request.
fn camel(value: Value) -> Value {
    /// What holds names of somebody else's, not fields.
    const OTHERS: [&str; 4] = [
        "args",
        "parametersJsonSchema",
        "response",
        "responseJsonSchema",
    ];
    match value {
        Value::Array(items) => items.into_iter().map(camel).collect(),
        Value::Object(fields) => {
            let spelt = fields.into_iter().map(|(name, value)| {
                let mut parts = name.split('_');
                let mut usual = parts.next().unwrap_or_default().to_owned();
                for part in parts {
                    let (first, rest) = part.split_at(part.len().min(1));
                    usual.push_str(&first.to_ascii_uppercase());
                    usual.push_str(rest);
                }
                let value = match (usual.as_str(), value) {
                    (name, value) if OTHERS.contains(&name) => value,
                    ("properties", Value::Object(schemas)) => schemas
                        .into_iter()
                        .map(|(name, schema)| (name, camel(schema)))
                        .collect(),
                    (_, value) => camel(value),
                };
                (usual, value)
            });
            Value::Object(spelt.collect())
        }
        value => value,
    }
}

/// Refuses a member of `value` that is not known.
fn only(value: &Value, at: &str, known: &[&str]) -> Result<(), Refusal> {
    let Some(unknown) = check::unknown_member(value, known) else {
        return Ok(());
    };
    let place = if at.is_empty() {
        String::new()
    } else {
        format!(" at '{at}'")
    };
    Err(Refusal::invalid(format!(
        "Invalid JSON payload received. Unknown name \"{unknown}\"{place}: Cannot find field."
    )))
}

fn read_system(system: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    only(system, "system_instruction", &["role", "parts"])?;
    for part in elements(&system["parts"]) {
        match text_of(part, "text") {
            "" => {
                return Err(Refusal::invalid(
                    "system_instruction: text must not be empty",
                ));
            }
            text => asked.count_instructions(text),
        }
    }
    if !system.is_null() && elements(&system["parts"]).is_empty() {
        return Err(Refusal::invalid(
            "system_instruction.parts: must not be empty",
        ));
    }
    Ok(())
}

fn read_tools(body: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    for tool in elements(&body["tools"]) {
        only(tool, "tools", &["functionDeclarations"])?;
        for function in elements(&tool["functionDeclarations"]) {
            let at = "tools[0].function_declarations";
            only(
                function,
                at,
                &[
                    "name",
                    "description",
                    "parameters",
                    "parametersJsonSchema",
                    "behavior",
                    "response",
                ],
            )?;
            let name = text_of(function, "name");
            let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !begins_well || !check::is_plain_name(name, 64) {
                return Err(Refusal::invalid(format!(
                    "{at}.name: Invalid function name. Must start with a letter or an underscore."
                )));
            }
            if !function["parameters"].is_null() {
                schema::check(&function["parameters"], at)?;
            }
            let described = ["parameters", "parametersJsonSchema"]
                .map(|name| &function[name])
                .into_iter()
                .find(|schema| !schema.is_null());
            asked.tools.push(Tool {
                name: name.to_owned(),
                schema: described.cloned().unwrap_or_else(|| json!({})),
            });
        }
    }
    asked.tool_choice = read_choice(&body["toolConfig"])?;
    if !body["toolConfig"].is_null() && asked.tools.is_empty() {
        return Err(Refusal::invalid(
            "Function calling config is set without function_declarations.",
        ));
    }
    Ok(())
}

fn read_choice(config: &Value) -> Result<ToolChoice, Refusal> {
    only(config, "tool_config", &["functionCallingConfig"])?;
    let calling = &config["functionCallingConfig"];
    only(
        calling,
        "tool_config.function_calling_config",
        &["mode", "allowedFunctionNames"],
    )?;
    let named = elements(&calling["allowedFunctionNames"]);
    match (text_of(calling, "mode"), named) {
        ("" | "AUTO", []) => Ok(ToolChoice::Auto),
        ("NONE", []) => Ok(ToolChoice::None),
        ("ANY", []) => Ok(ToolChoice::Required),
        ("ANY", [name, ..]) => Ok(ToolChoice::Named(name.as_str().unwrap_or("").to_owned())),
        _ => Err(Refusal::invalid(
            "tool_config: invalid function calling mode",
        )),
    }
}

fn read_config(config: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    only(config, "generation_config", CONFIG_FIELDS)?;
    asked.max_tokens = config["maxOutputTokens"].as_u64();
    let forms = ["responseSchema", "responseJsonSchema"].map(|name| &config[name]);
    let form = forms.into_iter().find(|form| !form.is_null());
    let is_json = text_of(config, "responseMimeType") == "application/json";
    if form.is_some() && !is_json {
        return Err(Refusal::invalid(
            "response_schema needs a response_mime_type of application/json",
        ));
    }
    if !config["responseSchema"].is_null() {
        schema::check(
            &config["responseSchema"],
            "generation_config.response_schema",
        )?;
    }
    if is_json {
        let any = json!({"type": "object", "properties": {"answer": {"type": "string"}}});
        asked.json_schema = Some(form.cloned().unwrap_or(any));
        if !asked.tools.is_empty() {
            return Err(Refusal::invalid(
                "Function calling with a response mime type: 'application/json' is unsupported",
            ));
        }
    }
    let thinking = &config["thinkingConfig"];
    only(
        thinking,
        "generation_config.thinking_config",
        &["thinkingBudget", "thinkingLevel", "includeThoughts"],
    )?;
    let takes = !asked.model.contains("1.5") && !asked.model.contains("2.0");
    if !thinking.is_null() && !takes {
        return Err(Refusal::invalid("Thinking is not enabled for this model"));
    }
    asked.thinking = match (
        &thinking["includeThoughts"],
        thinking["thinkingBudget"].as_i64(),
    ) {
        (_, Some(0)) => Thinking::None,
        (Value::Bool(true), _) => Thinking::Shown,
        _ if thinking.is_null() => Thinking::None,
        _ => Thinking::Hidden,
    };
    if elements(&config["stopSequences"]).len() > 5 {
        return Err(Refusal::invalid("stop_sequences: at most 5"));
    }
    Ok(())
}

/// The answer in the pieces of a stream. The last one has no content but the reason for the end.
fn chunks(id: &str, asked: &Asked, answer: &Answer) -> Vec<Value> {
    let mut parts: Vec<Value> = answer
        .thinking
        .iter()
        .map(|piece| json!({"text": piece, "thought": true}))
        .collect();
    match &answer.content {
        Content::Text(pieces) => parts.extend(pieces.iter().map(|piece| json!({"text": piece}))),
        Content::Tools(calls) => parts.extend(
            calls
                .iter()
                .map(|made| json!({"functionCall": {"name": made.name, "args": made.arguments}})),
        ),
    }
    let chunk = |candidate: Value| {
        json!({
            "candidates": [candidate],
            "usageMetadata": usage(answer),
            "modelVersion": asked.model,
            "responseId": id,
        })
    };
    let mut chunks: Vec<Value> = parts
        .into_iter()
        .map(|part| chunk(json!({"content": {"role": "model", "parts": [part]}, "index": 0})))
        .collect();
    let last = json!({"role": "model", "parts": [{"text": ""}]});
    let reason = match answer.stop {
        Stop::End | Stop::Tools => "STOP",
        Stop::Length => "MAX_TOKENS",
    };
    chunks.push(chunk(
        json!({"content": last, "finishReason": reason, "index": 0}),
    ));
    chunks
}

/// The answer in one: neighbouring texts of a kind are one part.
fn whole(chunks: &[Value]) -> Value {
    let mut parts: Vec<Value> = Vec::new();
    for chunk in chunks {
        for part in elements(&chunk["candidates"][0]["content"]["parts"]) {
            match (parts.last_mut(), part["text"].as_str()) {
                (_, Some("")) => {}
                (Some(last), Some(text))
                    if last["text"].is_string() && last["thought"] == part["thought"] =>
                {
                    last["text"] = json!(format!("{}{text}", text_of(last, "text")));
                }
                _ => parts.push(part.clone()),
            }
        }
    }
    let mut whole = chunks.last().cloned().unwrap_or_default();
    whole["candidates"][0]["content"]["parts"] = json!(parts);
    whole
}

fn usage(answer: &Answer) -> Value {
    let mut usage = json!({
        "promptTokenCount": answer.input_tokens,
        "candidatesTokenCount": answer.output_tokens - answer.thinking_tokens,
        "totalTokenCount": answer.input_tokens + answer.output_tokens,
    });
    if answer.thinking_tokens > 0 {
        usage["thoughtsTokenCount"] = json!(answer.thinking_tokens);
    }
    if answer.cached_tokens > 0 {
        usage["cachedContentTokenCount"] = json!(answer.cached_tokens);
    }
    usage
}

fn list_models(call: &Call<'_>) -> Reply {
    let entry = |id: &String| json!({"name": format!("models/{id}"), "displayName": id, "supportedGenerationMethods": ["generateContent"]});
    let models: Vec<Value> = call.models.iter().map(entry).collect();
    Reply::Json {
        status: 200,
        body: json!({"models": models}),
    }
}

const FIELDS: &[&str] = &[
    "cachedContent",
    "contents",
    "generationConfig",
    "model",
    "safetySettings",
    "systemInstruction",
    "toolConfig",
    "tools",
];

const CONFIG_FIELDS: &[&str] = &[
    "candidateCount",
    "frequencyPenalty",
    "logprobs",
    "maxOutputTokens",
    "mediaResolution",
    "presencePenalty",
    "responseJsonSchema",
    "responseLogprobs",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "seed",
    "speechConfig",
    "stopSequences",
    "temperature",
    "thinkingConfig",
    "topK",
    "topP",
];
