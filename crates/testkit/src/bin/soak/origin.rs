//! A target on bare TCP, which answers each request as it is told to.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request as a target reads it.
#[derive(Debug)]
pub(crate) struct Asked {
    head: String,
    pub(crate) body: Value,
    /// In bytes, with its head.
    length: usize,
}

impl Asked {
    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let found = lines.find(|(named, _)| named.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The text of the last message.
    pub(crate) fn question(&self) -> &str {
        let messages = self.body.get("messages").and_then(Value::as_array);
        let content = messages.and_then(|all| all.last()?.get("content"));
        let content = content.map(|content| content.pointer("/0/text").unwrap_or(content));
        content.and_then(Value::as_str).unwrap_or_default()
    }
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// The next request on the same connection.
    Request,
    /// The connection's end.
    Close,
}

/// Answers requests.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Answers one. An error ends the connection.
    fn answer(
        &self,
        asked: &Asked,
        to: &mut TcpStream,
    ) -> impl Future<Output = io::Result<Next>> + Send;
}

/// Listens until it is dropped.
pub(crate) struct Origin {
    pub(crate) url: String,
    malformed: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Origin {
    pub(crate) async fn start<A: Answers>(answers: Arc<A>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let malformed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&malformed);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, counted) = (Arc::clone(&answers), Arc::clone(&counted));
                connections.spawn(async move {
                    // Whoever leaves is part of the game.
                    serve(stream, &*answers, &counted).await.ok();
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            url,
            malformed,
            _tasks: tasks,
        })
    }

    /// Requests that were none.
    pub(crate) fn malformed(&self) -> usize {
        self.malformed.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: &impl Answers,
    malformed: &AtomicUsize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        match read(&bytes) {
            Ok(Some(asked)) => {
                bytes.drain(..asked.length);
                if answers.answer(&asked, &mut stream).await? == Next::Close {
                    return Ok(());
                }
            }
            Ok(None) => match stream.read(&mut piece).await? {
                // A request that breaks off is a client's that left.
                0 => return Ok(()),
                count => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            },
            Err(Malformed) => {
                malformed.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        }
    }
}

struct Malformed;

/// Reads a request; `None` when there is more to come.
fn read(bytes: &[u8]) -> Result<Option<Asked>, Malformed> {
    if !bytes.is_empty() && !b"POST ".starts_with(bytes.get(..5).unwrap_or(bytes)) {
        return Err(Malformed);
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length
        .and_then(|(_, length)| length.parse().ok())
        .ok_or(Malformed)?;
    let Some(body) = bytes.get(end + 4..end + 4 + length) else {
        return Ok(None);
    };
    let body = serde_json::from_slice(body).map_err(|_| Malformed)?;
    Ok(Some(Asked {
        head,
        body,
        length: end + 4 + length,
    }))
}

/// Writes the head of an event stream; `more` are headers.
pub(crate) async fn begin_stream(to: &mut TcpStream, more: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{more}transfer-encoding: chunked\r\n\r\n"
    );
    to.write_all(head.as_bytes()).await
}

/// Writes a piece of a stream.
pub(crate) async fn send(to: &mut TcpStream, piece: &str) -> io::Result<()> {
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    to.write_all(chunk.as_bytes()).await
}

/// Ends a stream.
pub(crate) async fn end_stream(to: &mut TcpStream) -> io::Result<()> {
    to.write_all(b"0\r\n\r\n").await
}

/// Writes a plain answer; `more` are headers.
pub(crate) async fn send_plain(
    to: &mut TcpStream,
    status: u16,
    more: &str,
    body: &Value,
) -> io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n{body}"
    );
    to.write_all(answer.as_bytes()).await
}

/// An event of a chat completion's stream.
pub(crate) fn chunk(delta: &Value, finish: &Value) -> String {
    let chunk = json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    });
    format!("data: {chunk}\n\n")
}

/// A plain chat completion that says `text`.
pub(crate) fn completion(text: &str) -> Value {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": text } }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    })
}
