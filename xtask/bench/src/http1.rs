//! Reads HTTP/1.1 messages off a socket: little work a message, so that neither end of a
//! measurement outweighs what stands between them.

mod body;

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use self::body::Body;

/// What the first lines of a message say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The status of an answer; 0 in a request.
    pub(crate) status: u16,
    /// Whether a request asks for the Messages API.
    pub(crate) is_messages: bool,
    /// Whether the sender closes the connection after this message.
    pub(crate) closes: bool,
}

/// Which side's messages a [`Wire`] reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reads {
    /// Requests, as a server does.
    Requests,
    /// Answers, as a client does.
    Answers,
}

/// A socket and what was read from it beyond the last message.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    reads: Reads,
    buffer: Box<[u8]>,
    filled: usize,
}

impl Wire {
    /// Takes over a connected socket.
    pub(crate) fn new(stream: TcpStream, reads: Reads) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self {
            stream,
            reads,
            buffer,
            filled: 0,
        }
    }

    /// Connects to `address` as a client.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .context("connection refused")?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream, Reads::Answers))
    }

    /// Writes the whole of `bytes`.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream
            .write_all(bytes)
            .await
            .context("connection lost while writing")
    }

    /// Reads one message, hands its decoded body to `sink` piece by piece, and returns its head;
    /// `None` when the other side closed before a first byte.
    pub(crate) async fn read(
        &mut self,
        mut sink: impl FnMut(&[u8]),
    ) -> anyhow::Result<Option<Head>> {
        let (head, mut body, mut at) = loop {
            if let Some(found) = parse(self.reads, self.buffer.get(..self.filled).unwrap_or(&[]))? {
                break found;
            }
            ensure!(self.filled < self.buffer.len(), "head too large");
            if self.fill().await? == 0 {
                ensure!(self.filled == 0, "closed within a head");
                return Ok(None);
            }
        };
        loop {
            let input = self.buffer.get(at..self.filled).unwrap_or(&[]);
            at += body.feed(input, &mut sink)?;
            if body.is_done() {
                break;
            }
            (at, self.filled) = (0, 0);
            if self.fill().await? == 0 {
                ensure!(body.ends_at_close(), "closed within a body");
                break;
            }
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(Some(head))
    }

    /// Whether bytes beyond the last message have been read.
    pub(crate) fn has_leftover(&self) -> bool {
        self.filled > 0
    }

    async fn fill(&mut self) -> anyhow::Result<usize> {
        let room = self.buffer.get_mut(self.filled..).unwrap_or(&mut []);
        let count = self
            .stream
            .read(room)
            .await
            .context("connection lost while reading")?;
        self.filled += count;
        Ok(count)
    }
}

/// A parsed head, the body behind it, and where in the input that begins.
type Start = (Head, Body, usize);

/// Parses a head at the start of `input`: what it says, its body's framing, and where that starts.
fn parse(reads: Reads, input: &[u8]) -> anyhow::Result<Option<Start>> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = Head {
        status: 0,
        is_messages: false,
        closes: false,
    };
    let (end, fields, without) = match reads {
        Reads::Requests => {
            let mut request = httparse::Request::new(&mut headers);
            let httparse::Status::Complete(end) = request.parse(input)? else {
                return Ok(None);
            };
            head.is_messages = request.path.is_some_and(|path| path.contains("/messages"));
            (end, request.headers, Body::Length(0))
        }
        Reads::Answers => {
            let mut answer = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(end) = answer.parse(input)? else {
                return Ok(None);
            };
            head.status = answer.code.unwrap_or(0);
            (end, answer.headers, Body::UntilClose)
        }
    };
    let mut body = without;
    for field in fields.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            body = Body::Length(std::str::from_utf8(field.value)?.trim().parse()?);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if !field.value.eq_ignore_ascii_case(b"chunked") {
                bail!("unknown transfer coding");
            }
            body = Body::chunked();
        } else if field.name.eq_ignore_ascii_case("connection") {
            head.closes |= field.value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(Some((head, body, end)))
}

/// Enough for the head of any message here, and for a large body in few reads.
const BUFFER_BYTES: usize = 32 * 1024;

/// More than any peer sends.
const MAX_HEADERS: usize = 96;
