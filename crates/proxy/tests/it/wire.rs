//! What a client may write on the wire: each row a request, byte for byte, what it is answered,
//! and whether a target hears of it.

mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::rows::Rule::{Answered, Refused, Served};
use self::rows::{BODY, chat, rows};
use crate::fixture::Fixture;

/// A target that counts every byte it hears, and answers each request.
struct Origin {
    url: String,
    heard: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let counter = Arc::clone(&heard);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, Arc::clone(&counter)));
            }
        });
        Self {
            url,
            heard,
            _tasks: tasks,
        }
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, heard: Arc<AtomicUsize>) {
    let body = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": "hi" } }],
    })
    .to_string();
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        heard.fetch_add(count, Ordering::SeqCst);
        // The requests here are small: each comes in one piece and ends with its JSON.
        if buffer[..count].ends_with(b"}") {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.ok();
            stream.write_all(body.as_bytes()).await.ok();
        }
    }
}

/// Sends `request` and reads until the proxy closes; a proxy that goes on is asked to close by a
/// second request, whose answer counts.
async fn send(fixture: &Fixture, request: &str, is_last: bool) -> String {
    let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.ok();
    if !is_last {
        let last = "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(last.as_bytes()).await.ok();
    }
    let mut answer = Vec::new();
    // A reset after the answer is the end as well: there was more to read than was wanted.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn each_row_is_answered_as_its_rule_says() {
    let origin = Origin::start().await;
    let upstream = json!({ "targets": [{ "name": "t", "base_url": origin.url }] });
    let fixture = Fixture::with_upstream(upstream).await;
    for (name, request, rule) in rows() {
        let before = origin.heard();
        let is_last = matches!(rule, Refused(_)) || request.contains("connection: close");
        let answer = send(&fixture, &request, is_last).await;
        let final_head = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
        let status = final_head.get(9..12).unwrap_or_default();
        let heard = origin.heard() - before;
        let (expected, is_heard) = match rule {
            Served => (200, true),
            Refused(status) | Answered(status) => (status, false),
        };
        assert_eq!(status, expected.to_string(), "{name}: {answer}");
        assert_eq!(heard > 0, is_heard, "{name}: {heard} bytes upstream");
        if !is_last {
            assert_eq!(answer.matches("ok\n").count(), 1, "{name}: {answer}");
        }
        assert!(!final_head.contains(" 101 "), "{name}: {answer}");
    }
    let health = fixture.health().remove(0);
    assert!(health.last_failure.is_none(), "{health:?}");
}

#[tokio::test]
async fn a_request_behind_one_at_fault_is_not_served() {
    let origin = Origin::start().await;
    let upstream = json!({ "targets": [{ "name": "t", "base_url": origin.url }] });
    let fixture = Fixture::with_upstream(upstream).await;
    let length = format!("content-length: {}\r\n", BODY.len());
    let requests = format!("{}{}{}", chat(""), chat(&length), chat(""));
    let answer = send(&fixture, &requests, true).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 2, "{answer}");
}
