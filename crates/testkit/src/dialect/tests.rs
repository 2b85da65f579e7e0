mod clouds;

use std::time::UNIX_EPOCH;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Call, Dialect, Reply};

fn call(dialect: Dialect, target: &str, body: &Value) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    let body = body.to_string();
    dialect.reply(&Call {
        method: &Method::POST,
        target,
        path: target.split('?').next().unwrap(),
        headers: &headers,
        body: body.as_bytes(),
        name: "here",
        key: None,
        models: &[],
        refuses_other_models: false,
        say: None,
        serial: 7,
        now: UNIX_EPOCH,
    })
}

fn openai(body: &Value) -> Reply {
    call(Dialect::OpenAi, "/v1/chat/completions", body)
}

fn anthropic(body: &Value) -> Reply {
    call(Dialect::Anthropic, "/v1/messages", body)
}

#[track_caller]
fn json_of(reply: Reply) -> Value {
    match reply {
        Reply::Json { status: 200, body } => body,
        other => panic!("no good answer: {other:?}"),
    }
}

#[track_caller]
fn refused(reply: &Reply, text: &str) {
    match reply {
        Reply::Json { status: 400, body } => {
            assert!(
                body["error"]["message"].as_str().unwrap().contains(text),
                "{body}"
            );
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// The data of every event, but for the one that ends the stream of OpenAI.
#[track_caller]
fn data_of(reply: Reply) -> Vec<Value> {
    let Reply::Events(events) = reply else {
        panic!("no stream: {reply:?}")
    };
    let data = events.iter().map(|event| {
        let event = str::from_utf8(event).unwrap();
        event.split_once("data: ").unwrap().1.trim_end()
    });
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

#[test]
fn a_stream_and_a_plain_answer_say_and_count_the_same_in_openai() {
    let mut request = json!({"model": "gpt-4", "messages": user("hello there")});
    let plain = json_of(openai(&request));
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let chunks = data_of(openai(&request));
    let pieces = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    let text: String = pieces.collect();
    assert_eq!(
        text,
        plain["choices"][0]["message"]["content"].as_str().unwrap()
    );
    assert!(text.ends_with("You said: hello there"));
    assert_eq!(chunks.last().unwrap()["usage"], plain["usage"]);
    assert_eq!(plain["usage"]["prompt_tokens"], 2);
}

#[test]
fn a_stream_and_a_plain_answer_say_and_count_the_same_in_anthropic() {
    let mut request = json!({"model": "claude", "max_tokens": 99, "messages": user("hello there")});
    let plain = json_of(anthropic(&request));
    request["stream"] = json!(true);
    let events = data_of(anthropic(&request));
    let text: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, plain["content"][0]["text"].as_str().unwrap());
    let end = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .unwrap();
    assert_eq!(
        end["usage"]["output_tokens"],
        plain["usage"]["output_tokens"]
    );
    assert_eq!(events.last().unwrap()["type"], "message_stop");
}

#[test]
fn usage_comes_in_an_openai_stream_only_when_asked_for() {
    let request = json!({"model": "gpt-4", "messages": user("hi"), "stream": true});
    assert!(
        data_of(openai(&request))
            .iter()
            .all(|chunk| chunk.get("usage").is_none())
    );
}

#[test]
fn streamed_tool_arguments_join_to_the_plain_ones() {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let function = json!({"name": "weather", "parameters": parameters});
    let mut request = json!({
        "model": "gpt-4",
        "messages": user("how is it?"),
        "tools": [{"type": "function", "function": function}],
    });
    let plain = json_of(openai(&request));
    let call = &plain["choices"][0]["message"]["tool_calls"][0];
    request["stream"] = json!(true);
    let deltas: Vec<Value> = data_of(openai(&request))
        .iter()
        .map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0].clone())
        .filter(|delta| !delta.is_null())
        .collect();
    let arguments: String = deltas
        .iter()
        .filter_map(|delta| delta["function"]["arguments"].as_str())
        .collect();
    assert_eq!(call["function"]["arguments"], arguments);
    assert_eq!(deltas[0]["id"], call["id"]);
    assert_eq!(deltas[0]["function"]["name"], "weather");
}

#[test]
fn openai_refuses_what_the_real_one_refuses() {
    let base = || json!({"model": "gpt-4", "messages": user("hi")});
    let with = |name: &str, value: Value| {
        let mut request = base();
        request[name] = value;
        openai(&request)
    };
    refused(
        &with("system", json!("x")),
        "Unrecognized request argument supplied: system",
    );
    refused(&with("messages", json!([])), "at least one message");
    refused(&with("model", json!(null)), "model parameter");
    refused(&with("stream_options", json!({})), "stream_options");
    refused(&with("tool_choice", json!("auto")), "tool_choice");
    refused(
        &with(
            "messages",
            json!([{"role": "tool", "content": "5", "tool_call_id": "a"}]),
        ),
        "tool_calls",
    );
    let calls =
        json!([{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let unanswered = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": calls},
        {"role": "user", "content": "well?"},
    ]);
    refused(
        &with("messages", unanswered),
        "must be followed by tool messages",
    );
    refused(
        &with(
            "messages",
            json!([{"role": "user", "content": [{"type": "image"}]}]),
        ),
        "content",
    );
}

#[test]
fn anthropic_refuses_what_the_real_one_refuses() {
    let with = |name: &str, value: Value| {
        let mut request = json!({"model": "claude", "max_tokens": 9, "messages": user("hi")});
        request[name] = value;
        anthropic(&request)
    };
    refused(
        &with("max_tokens", json!(null)),
        "max_tokens: Field required",
    );
    refused(
        &with("stream_options", json!({})),
        "Extra inputs are not permitted",
    );
    refused(&with("temperature", json!(1.5)), "temperature");
    refused(
        &with("messages", json!([{"role": "system", "content": "x"}])),
        "role",
    );
    refused(
        &with("messages", json!([{"role": "assistant", "content": "x"}])),
        "first message",
    );
    refused(&with("messages", user("")), "non-empty");
    let image = json!([{"type": "image_url", "image_url": {"url": "http://x"}}]);
    refused(
        &with("messages", json!([{"role": "user", "content": image}])),
        "expected tags",
    );
    let tool_use = json!([{"type": "tool_use", "id": "a", "name": "f", "input": {}}]);
    let unanswered = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": tool_use},
        {"role": "user", "content": "well?"},
    ]);
    refused(
        &with("messages", unanswered),
        "without `tool_result` blocks",
    );
}

#[test]
fn a_tool_result_is_repeated_in_the_answer() {
    let tool_use = json!([{"type": "tool_use", "id": "a", "name": "f", "input": {}}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "a", "content": "12 degrees"}]);
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": tool_use},
        {"role": "user", "content": result},
    ]);
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let request = json!({"model": "c", "max_tokens": 99, "messages": messages, "tools": tools});
    let answer = json_of(anthropic(&request));
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(
        text.ends_with("You said: hi The tool said: 12 degrees"),
        "{text}"
    );
}

fn responses(body: &Value) -> Reply {
    call(Dialect::Responses, "/v1/responses", body)
}

fn gemini(body: &Value) -> Reply {
    call(
        Dialect::Gemini,
        "/v1beta/models/gemini-2.5-flash:generateContent",
        body,
    )
}

#[test]
fn a_stream_and_a_plain_answer_say_and_count_the_same_in_responses() {
    let mut request = json!({"model": "gpt-4o", "input": "hello there"});
    let plain = json_of(responses(&request));
    request["stream"] = json!(true);
    let events = data_of(responses(&request));
    let pieces = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let text: String = pieces.filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, plain["output"][0]["content"][0]["text"]);
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["usage"], plain["usage"]);
}

#[test]
fn a_stream_and_a_plain_answer_say_and_count_the_same_in_gemini() {
    let request = json!({"contents": [{"parts": [{"text": "hello there"}]}]});
    let plain = json_of(gemini(&request));
    let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";
    let chunks = data_of(call(Dialect::Gemini, &format!("{path}?alt=sse"), &request));
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str())
        .collect();
    assert_eq!(text, plain["candidates"][0]["content"]["parts"][0]["text"]);
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"], plain["usageMetadata"]);
    refused(&call(Dialect::Gemini, path, &request), "alt=sse");
}

#[test]
fn responses_refuse_what_the_real_ones_refuse() {
    let with = |name: &str, value: Value| {
        let mut request = json!({"model": "gpt-4o", "input": "hi"});
        request[name] = value;
        responses(&request)
    };
    refused(&with("messages", json!([])), "Unknown parameter");
    refused(&with("max_output_tokens", json!(3)), "minimum value");
    refused(&with("reasoning", json!({"effort": "low"})), "reasoning");
    refused(
        &with(
            "input",
            json!([{"type": "function_call_output", "call_id": "a", "output": "x"}]),
        ),
        "No tool call found",
    );
    let said = json!([{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]);
    refused(&with("input", said), "input_text");
    let open = json!([{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}]);
    refused(&with("input", open), "No tool output found");
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let tool = json!([{"type": "function", "name": "f", "parameters": schema}]);
    refused(&with("tools", tool), "additionalProperties");
}

#[test]
fn gemini_refuses_what_the_real_one_refuses() {
    let with = |name: &str, value: Value| {
        let mut request = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
        request[name] = value;
        gemini(&request)
    };
    refused(&with("messages", json!([])), "Unknown name");
    refused(&with("contents", json!([])), "contents is not specified");
    refused(
        &with(
            "contents",
            json!([{"role": "assistant", "parts": [{"text": "x"}]}]),
        ),
        "valid role",
    );
    refused(
        &with("contents", json!([{"role": "user", "parts": []}])),
        "must not be empty",
    );
    let call = json!({"functionCall": {"name": "f", "args": {}}});
    let other = json!({"functionResponse": {"name": "g", "response": {}}});
    let mixed = json!([
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [other]},
    ]);
    refused(&with("contents", mixed), "function response parts");
    let schema = json!({"type": "object", "additionalProperties": false});
    let tool = json!({"name": "f", "parameters": schema});
    refused(
        &with("tools", json!([{"functionDeclarations": [tool]}])),
        "additionalProperties",
    );
}

#[test]
fn what_only_looks_like_an_image_is_refused_everywhere() {
    let no_image = "aGVsbG8gdGhlcmU=";
    let url = format!("data:image/png;base64,{no_image}");
    let part = json!([{"type": "image_url", "image_url": {"url": url}}]);
    refused(
        &openai(&json!({"model": "gpt-4", "messages": [{"role": "user", "content": part}]})),
        "image",
    );
    let source = json!({"type": "base64", "media_type": "image/png", "data": no_image});
    let part = json!([{"type": "image", "source": source}]);
    refused(
        &anthropic(
            &json!({"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": part}]}),
        ),
        "image",
    );
    let part = json!([{"type": "input_image", "image_url": url}]);
    refused(
        &responses(&json!({"model": "gpt-4o", "input": [{"role": "user", "content": part}]})),
        "image",
    );
    let part = json!([{"inlineData": {"mimeType": "image/png", "data": no_image}}]);
    refused(&gemini(&json!({"contents": [{"parts": part}]})), "image");
}

#[test]
fn a_thought_comes_back_signed_or_not_at_all() {
    let mut request = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 2048,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": user("why?"),
    });
    let answer = json_of(anthropic(&request));
    assert_eq!(answer["content"][0]["type"], "thinking");
    let mut messages = user("why?").as_array().unwrap().clone();
    messages.push(json!({"role": "assistant", "content": answer["content"]}));
    messages.push(user("and?")[0].clone());
    request["messages"] = json!(messages);
    json_of(anthropic(&request));
    request["messages"][1]["content"][0]["thinking"] = json!("something else");
    refused(&anthropic(&request), "signature");
}
