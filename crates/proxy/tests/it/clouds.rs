//! Providers whose paths, framing or credentials depend on more than a base URL.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, chat, chat_stream, messages};

/// A server that answers one request with the given type and body, and hands out what it got.
async fn answering(content_type: &str, body: Vec<u8>) -> (String, JoinHandle<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    #[expect(clippy::disallowed_methods, reason = "the test waits for its end")]
    let served = tokio::spawn(async move {
        let (mut connection, _) = socket.accept().await.unwrap();
        let mut request = Vec::new();
        while !is_whole(&request) {
            let read = connection.read_buf(&mut request).await.unwrap();
            assert_ne!(read, 0, "the request broke off");
        }
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&body).await.unwrap();
        connection.shutdown().await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

async fn in_front_of(url: &str, target: Value) -> Fixture {
    let mut target = target;
    target["base_url"] = json!(url);
    target["model_map"] = json!({ "m": target["model"] });
    target["models"] = json!(["m"]);
    target.as_object_mut().unwrap().remove("model");
    Fixture::with_upstream(json!({ "targets": [target] })).await
}

fn bedrock() -> Value {
    json!({
        "provider": "bedrock",
        "region": "eu-west-1",
        "model": "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "credentials": {
            "aws_access_key_id": "AKIDEXAMPLE",
            "aws_secret_access_key": "canary-secret",
            "aws_session_token": "canary-token",
        },
    })
}

#[tokio::test]
async fn a_chat_reaches_bedrock_signed() {
    let answer = json!({
        "output": { "message": { "role": "assistant", "content": [{ "text": "Hello." }] } },
        "stopReason": "end_turn",
        "usage": { "inputTokens": 3, "outputTokens": 2, "totalTokens": 5 },
    });
    let (url, served) = answering("application/json", answer.to_string().into()).await;
    let fixture = in_front_of(&url, bedrock()).await;
    let answer = fixture.client().post("/v1/chat/completions", &chat()).await;
    let answer = answer.unwrap().json();
    assert_eq!(
        answer["choices"][0]["message"]["content"], "Hello.",
        "{answer}"
    );
    let request = served.await.unwrap();
    assert!(
        request.starts_with(
            "POST /model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse HTTP/1.1\r\n"
        ),
        "{request}"
    );
    assert!(
        request.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="),
        "{request}"
    );
    assert!(request.contains("x-amz-security-token: canary-token\r\n"));
    assert!(!request.contains("canary-secret"));
}

#[tokio::test]
async fn a_stream_of_bedrock_s_reaches_each_client_in_its_own_framing() {
    let mut stream = Vec::new();
    for (kind, payload) in [
        ("messageStart", r#"{"role":"assistant"}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"text":"Hello."}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("messageStop", r#"{"stopReason":"end_turn"}"#),
        (
            "metadata",
            r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#,
        ),
    ] {
        let text = |text: &'static str| HeaderValue::String(text.into());
        let message = Message::new(payload)
            .add_header(Header::new(":message-type", text("event")))
            .add_header(Header::new(":event-type", text(kind)));
        write_message_to(&message, &mut stream).unwrap();
    }
    for (path, body, end) in [
        ("/v1/chat/completions", chat_stream(), "data: [DONE]\n\n"),
        (
            "/v1/messages",
            messages(true),
            "{\"type\":\"message_stop\"}\n\n",
        ),
    ] {
        let media_type = "application/vnd.amazon.eventstream";
        let (url, served) = answering(media_type, stream.clone()).await;
        let fixture = in_front_of(&url, bedrock()).await;
        let mut answer = fixture.client().stream(path, &body).await.unwrap();
        assert_eq!(answer.header("content-type"), "text/event-stream");
        let events = String::from_utf8(answer.rest().await.unwrap().to_vec()).unwrap();
        assert!(
            events.contains("Hello.") && events.ends_with(end),
            "{events}"
        );
        assert!(
            served
                .await
                .unwrap()
                .contains("/converse-stream HTTP/1.1\r\n")
        );
    }
}

#[tokio::test]
async fn claude_on_vertex_has_its_model_in_the_path() {
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{ "type": "text", "text": "Hello." }],
        "stop_reason": "end_turn", "usage": { "input_tokens": 3, "output_tokens": 2 },
    });
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let (url, served) = answering("application/json", answer.to_string().into()).await;
        let target =
            json!({ "provider": "vertex-anthropic", "model": "claude-sonnet-4-5@20250929" });
        let fixture = in_front_of(&format!("{url}/v1/projects/p"), target).await;
        let asked = fixture.client().post(path, &messages(false)).await.unwrap();
        assert_eq!(asked.status, 200, "{}", asked.text());
        let request = served.await.unwrap();
        let begins =
            "POST /v1/projects/p/models/claude-sonnet-4-5@20250929:rawPredict HTTP/1.1\r\n";
        assert!(request.starts_with(begins), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
        assert!(body.get("model").is_none());
    }
}

#[tokio::test]
async fn azure_s_dated_versions_have_a_path_for_each_model() {
    let answer = json!({
        "object": "chat.completion", "model": "gpt-4o",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hello." }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
        "data": [], "output": [], "status": "completed",
    });
    let dated = |path: &'static str, call: &'static str| (Some("2024-10-21"), path, call);
    for (version, path, call) in [
        dated(
            "/v1/chat/completions",
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        ),
        dated(
            "/v1/embeddings",
            "/openai/deployments/gpt-4o/embeddings?api-version=2024-10-21",
        ),
        dated("/v1/responses", "/openai/responses?api-version=2024-10-21"),
        (None, "/v1/chat/completions", "/openai/v1/chat/completions"),
        (None, "/v1/responses", "/openai/v1/responses"),
        (None, "/v1/embeddings", "/openai/v1/embeddings"),
    ] {
        let (url, served) = answering("application/json", answer.to_string().into()).await;
        let mut target = json!({
            "provider": "azure",
            "model": "gpt-4o",
            "credentials": { "header_name": "api-key", "header_value": "k" },
        });
        if let Some(version) = version {
            target["api_version"] = json!(version);
        }
        let fixture = in_front_of(&url, target).await;
        let mut body = chat();
        body["input"] = json!("hello");
        let answer = fixture.client().post(path, &body).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let request = served.await.unwrap();
        assert!(
            request.starts_with(&format!("POST {call} HTTP/1.1\r\n")),
            "{request}"
        );
        assert!(request.contains("api-key: k\r\n"));
    }
}
