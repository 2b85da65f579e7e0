//! The dialects of clouds, and Cohere's.

use aws_smithy_eventstream::frame::read_message_from;
use serde_json::{Value, json};

use super::{Reply, call, data_of, json_of, user};
use crate::dialect::Dialect;

const CONVERSE: &str = "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse";
const COHERE: &str = "/v2/chat";
const VERTEX: &str =
    "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro:generateContent";
const PREDICT: &str =
    "/v1/projects/p/locations/global/publishers/anthropic/models/claude-haiku-4-5:rawPredict";
const AZURE: &str = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21";

fn said(text: &str) -> Value {
    json!([{"role": "user", "content": [{"text": text}]}])
}

#[track_caller]
fn refused(dialect: Dialect, target: &str, body: &Value, status: u16, words: &str) {
    let (told, message) = match call(dialect, target, body) {
        Reply::Json { status, body } => (status, body.to_string()),
        Reply::Exception {
            status, message, ..
        } => (status, message),
        other @ Reply::Events(_) => panic!("not refused: {other:?}"),
    };
    assert_eq!(told, status, "{message}");
    assert!(message.contains(words), "{message}");
}

/// The kind and the payload of each message of a binary stream.
#[track_caller]
fn messages_of(reply: Reply) -> Vec<(String, Value)> {
    let Reply::Events(events) = reply else {
        panic!("no stream: {reply:?}")
    };
    let read = events.into_iter().map(|mut event| {
        let message = read_message_from(&mut event).unwrap();
        let mut headers = message.headers().iter();
        let kind = headers.find(|header| header.name().as_str() == ":event-type");
        let kind = kind
            .unwrap()
            .value()
            .as_string()
            .unwrap()
            .as_str()
            .to_owned();
        (kind, serde_json::from_slice(message.payload()).unwrap())
    });
    read.collect()
}

#[test]
fn a_stream_and_a_plain_answer_say_and_count_the_same_in_bedrock() {
    let request = json!({"messages": said("hello there")});
    let plain = json_of(call(Dialect::Bedrock, CONVERSE, &request));
    let target = format!("{CONVERSE}-stream");
    let messages = messages_of(call(Dialect::Bedrock, &target, &request));
    let pieces = messages
        .iter()
        .filter_map(|(_, payload)| payload["delta"]["text"].as_str());
    let text: String = pieces.collect();
    assert_eq!(plain["output"]["message"]["content"][0]["text"], text);
    assert!(text.ends_with("You said: hello there"), "{text}");
    let (kind, last) = messages.last().unwrap();
    assert_eq!(
        (kind.as_str(), &last["usage"]),
        ("metadata", &plain["usage"])
    );
}

#[test]
fn a_stream_and_a_plain_answer_say_and_count_the_same_in_cohere() {
    let mut request = json!({"model": "command-a-03-2025", "messages": user("hello there")});
    let plain = json_of(call(Dialect::Cohere, COHERE, &request));
    request["stream"] = json!(true);
    let events = data_of(call(Dialect::Cohere, COHERE, &request));
    let pieces = events
        .iter()
        .filter_map(|event| event["delta"]["message"]["content"]["text"].as_str());
    assert_eq!(
        plain["message"]["content"][0]["text"],
        pieces.collect::<String>()
    );
    assert_eq!(events.last().unwrap()["delta"]["usage"], plain["usage"]);
}

#[test]
fn clouds_serve_the_dialects_of_others_at_paths_of_their_own() {
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let answer = json_of(call(Dialect::Vertex, VERTEX, &contents));
    assert_eq!(answer["modelVersion"], "gemini-2.5-pro");
    let count = VERTEX.replace(":generateContent", ":countTokens");
    let answer = json_of(call(Dialect::Vertex, &count, &contents));
    assert_eq!(answer["totalTokens"], 1);
    refused(
        Dialect::Vertex,
        &count,
        &Value::Null,
        400,
        "contents is not specified",
    );
    let body = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": user("hello")});
    let answer = json_of(call(Dialect::VertexAnthropic, PREDICT, &body));
    assert_eq!(answer["model"], "claude-haiku-4-5");
    let body = json!({"model": "whatever", "messages": user("hello")});
    let answer = json_of(call(Dialect::Azure, AZURE, &body));
    assert_eq!(answer["model"], "gpt-4o");
    assert!(answer["prompt_filter_results"].is_array());
    let body = json!({"model": "gpt-4o", "messages": user("hello"), "stream": true});
    let chunks = data_of(call(Dialect::Azure, "/openai/v1/chat/completions", &body));
    assert_eq!(chunks[0]["choices"], json!([]));
    assert_eq!(chunks[1]["model"], "gpt-4o");
}

#[test]
fn bedrock_refuses_what_the_real_one_refuses() {
    let refused = |body: Value, words: &str| refused(Dialect::Bedrock, CONVERSE, &body, 400, words);
    refused(json!({"messages": []}), "must start with a user message");
    refused(json!({"messages": said(" ")}), "is blank");
    refused(
        json!({"messages": said("hi"), "max_tokens": 9}),
        "not a field",
    );
    let twice = json!([said("hi")[0], said("hi")[0]]);
    refused(json!({"messages": twice}), "alternate");
    let used = json!([
        said("hi")[0],
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "x"}]}}]},
    ]);
    refused(
        json!({"messages": used}),
        "toolConfig field must be defined",
    );
    let unanswered = json!([used[0], used[1], said("hi")[0]]);
    refused(
        json!({"messages": unanswered}),
        "Expected toolResult blocks",
    );
    let open = json!({"type": "object", "properties": {}}).to_string();
    let form = json!({"type": "json_schema", "structure": {"jsonSchema": {"schema": open}}});
    refused(
        json!({"messages": said("hi"), "outputConfig": {"textFormat": form}}),
        "additionalProperties",
    );
}

#[test]
fn cohere_refuses_what_the_real_one_refuses() {
    let refused = |status: u16, more: Value, words: &str| {
        let mut body = json!({"model": "command-a-03-2025", "messages": user("hi")});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        refused(Dialect::Cohere, COHERE, &body, status, words);
    };
    refused(422, json!({"top_p": 0.5}), "top_p");
    refused(400, json!({"messages": []}), "at least 1 message");
    refused(
        400,
        json!({"messages": [{"role": "developer", "content": "x"}]}),
        "role",
    );
    refused(400, json!({"tool_choice": "REQUIRED"}), "needs tools");
    refused(400, json!({"thinking": {"type": "enabled"}}), "thinking");
    refused(
        400,
        json!({"response_format": {"type": "json_schema"}}),
        "json_object",
    );
    let orphan = json!({"role": "tool", "tool_call_id": "a", "content": "x"});
    refused(
        400,
        json!({"messages": [orphan]}),
        "must follow its tool call",
    );
}

#[test]
fn clouds_refuse_what_the_real_ones_refuse() {
    let part = json!({"functionCall": {"id": "a", "name": "f", "args": {}}});
    let body = json!({"contents": [{"role": "model", "parts": [part]}]});
    refused(Dialect::Vertex, VERTEX, &body, 400, "Unknown name");
    let mut body = json!({"max_tokens": 9, "messages": user("hi")});
    refused(
        Dialect::VertexAnthropic,
        PREDICT,
        &body,
        400,
        "anthropic_version",
    );
    body["anthropic_version"] = json!("vertex-2023-10-16");
    body["model"] = json!("claude-haiku-4-5");
    refused(Dialect::VertexAnthropic, PREDICT, &body, 400, "model");
    let body = json!({"messages": user("hi")});
    let undated = "/openai/deployments/gpt-4o/chat/completions";
    refused(Dialect::Azure, undated, &body, 404, "Resource not found");
}
