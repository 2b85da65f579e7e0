use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Call, Dialect, Reply};

fn call(dialect: Dialect, path: &str, body: &Value) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", "2023-06-01".parse().unwrap());
    let body = body.to_string();
    dialect.reply(&Call {
        method: &Method::POST,
        path,
        headers: &headers,
        body: body.as_bytes(),
        name: "here",
        key: None,
        models: &[],
        refuses_other_models: false,
        say: None,
        serial: 7,
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
    let data = events
        .iter()
        .map(|event| event.split_once("data: ").unwrap().1.trim_end());
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
