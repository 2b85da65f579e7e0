//! Streams in the two dialects, read as a client reads them.

use std::io;
use std::time::Duration;

use ai_gateway_testkit::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Failure, question};

/// The dialect that the client speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

impl Dialect {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
        }
    }

    /// The piece of text in an event's data, if it brings one.
    fn piece(self, data: &Value) -> Option<&str> {
        let pointer = match self {
            Self::OpenAi => "/choices/0/delta/content",
            Self::Anthropic => "/delta/text",
        };
        data.pointer(pointer).and_then(Value::as_str)
    }

    fn is_end(self, data: &str) -> bool {
        match self {
            Self::OpenAi => data == "[DONE]",
            Self::Anthropic => data.contains("\"message_stop\""),
        }
    }
}

/// A stream that was read to its end.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) provider: String,
    pub(crate) text: String,
    pub(crate) first_token: Duration,
}

/// Asks for a stream and hands each piece of its text to `show` as it comes.
pub(crate) async fn ask(
    client: &Client,
    dialect: Dialect,
    model: &str,
    mut show: impl FnMut(&str) -> io::Result<()>,
) -> Result<Told, Failure> {
    let began = Instant::now();
    let mut request = question(Some(model));
    if let Some(request) = request.as_object_mut() {
        request.insert("stream".into(), json!(true));
    }
    let mut answer = client.stream(dialect.path(), &request).await?;
    let provider = answer.header("x-gateway-provider").to_owned();
    let (mut unread, mut text, mut first_token, mut is_ended) =
        (Vec::new(), String::new(), None, false);
    while let Some(bytes) = answer.chunk().await? {
        unread.extend_from_slice(&bytes);
        while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = unread.drain(..end + 2).collect();
            let event = String::from_utf8_lossy(&event);
            let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
                continue;
            };
            is_ended |= dialect.is_end(data);
            let read: Value = serde_json::from_str(data).unwrap_or_default();
            if let Some(piece) = dialect.piece(&read).filter(|piece| !piece.is_empty()) {
                first_token.get_or_insert_with(|| began.elapsed());
                text.push_str(piece);
                show(piece)?;
            }
        }
    }
    if !is_ended {
        return Err(format!("the stream from {provider} broke off after {text:?}").into());
    }
    Ok(Told {
        provider,
        text,
        first_token: first_token.unwrap_or_default(),
    })
}
