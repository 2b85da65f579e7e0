//! A target on bare TCP: it answers every request, notes whose it was, and counts what it hears
//! that no gateway may say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens until it is dropped.
pub(crate) struct Origin {
    pub(crate) url: String,
    heard: Arc<Mutex<Heard>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Heard {
    by_tag: HashMap<String, usize>,
    requests: usize,
    wrong_bytes: usize,
    first_wrong: Option<String>,
}

/// A request as a target reads it: how long it is, and whose.
struct Read {
    length: usize,
    tag: String,
}

impl Origin {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let heard = Arc::new(Mutex::new(Heard::default()));
        let mut tasks = JoinSet::new();
        let notes = Arc::clone(&heard);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&notes)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            url,
            heard,
            _tasks: tasks,
        })
    }

    /// How many requests with this tag came, and forgets them.
    pub(crate) fn take(&self, tag: &str) -> usize {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.by_tag.remove(tag).unwrap_or_default()
    }

    pub(crate) fn requests(&self) -> usize {
        let heard = self.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).requests
    }

    /// Bytes of what is no request, and the first of it.
    pub(crate) fn wrong(&self) -> (usize, Option<String>) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        (heard.wrong_bytes, heard.first_wrong.clone())
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Heard>>) {
    let answer = answer();
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        loop {
            let read = match read(&bytes) {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(why) => return note_wrong(&heard, &bytes, why),
            };
            {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.requests += 1;
                *heard.by_tag.entry(read.tag).or_default() += 1;
            }
            bytes.drain(..read.length);
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
    if !bytes.is_empty() {
        note_wrong(&heard, &bytes, "a request without its end");
    }
}

fn note_wrong(heard: &Mutex<Heard>, bytes: &[u8], why: &str) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.wrong_bytes += bytes.len();
    let shown = bytes.get(..bytes.len().min(600)).unwrap_or_default();
    let shown = || format!("{why}: {}", shown.escape_ascii());
    heard.first_wrong.get_or_insert_with(shown);
}

/// Reads strictly: one length at most, no control character, and JSON where there is to be a chat.
/// `None` when there is more to come.
fn read(bytes: &[u8]) -> Result<Option<Read>, &'static str> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = bytes.get(..end).unwrap_or_default();
    // A value may have other bytes than ASCII's: that is HTTP, of old.
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let [method, path, "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err("no request line");
    };
    let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic());
    if method.is_empty() || !path.starts_with('/') || !is_visible {
        return Err("another request line than a gateway's");
    }
    let mut lengths = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or("a line without a name")?;
        if value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Err("a control character in a value");
        }
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(value),
            "transfer-encoding" | "upgrade" | "expect" | "te" | "trailer" | "authorization"
            | "x-mine" => return Err("a header that is the client's own"),
            _ => {}
        }
    }
    let length: usize = match lengths[..] {
        [] => 0,
        [length] => length.parse().map_err(|_| "a length that is no number")?,
        _ => return Err("two lengths"),
    };
    let start = end + 4;
    let Some(body) = bytes.get(start..start + length) else {
        return Ok(None);
    };
    // What is at another path than a chat's is passed on as it is.
    let body = match serde_json::from_slice::<Value>(body) {
        Err(_) if path == "/v1/chat/completions" => return Err("a chat that is no JSON"),
        body => body.unwrap_or_default(),
    };
    let tag = body.get("user").and_then(Value::as_str);
    Ok(Some(Read {
        length: start + length,
        tag: tag.unwrap_or_default().to_owned(),
    }))
}

fn answer() -> String {
    let body = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": MARK } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// What it says, once an answer.
pub(crate) const MARK: &str = "said-by-the-origin";
