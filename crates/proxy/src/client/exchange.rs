//! One request on its way: written as far as the target takes it, read up to the answer's head.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{Method, Response};

use super::head::{self, Head, Progress};
use super::idle::Idle;
use super::socket::Socket;
use super::source::{Lent, Source};
use super::{Outgoing, SendError};

/// A request that is sent, perhaps over several connections before one takes a byte of it.
pub(super) struct Exchange {
    method: Method,
    unsent: Unsent,
    idle: Arc<Idle>,
}

/// What of a request is still to be written.
pub(super) struct Unsent {
    /// The rest of it, in reverse: the next piece is the last.
    pieces: Vec<Bytes>,
    has_begun: bool,
    is_flushed: bool,
}

impl Unsent {
    /// Writes what the target takes; ready when that is all.
    pub(super) fn poll(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            for (slice, piece) in slices.iter_mut().zip(self.pieces.iter().rev()) {
                *slice = IoSlice::new(piece);
            }
            let count = self.pieces.len().min(MAX_SLICES);
            let slices = slices.get(..count).unwrap_or_default();
            let written = ready!(socket.poll_write(cx, slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.has_begun = true;
            self.advance(written);
        }
        if !self.is_flushed {
            ready!(socket.poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.last_mut() {
            if written < piece.len() {
                return piece.advance(written);
            }
            written -= piece.len();
            self.pieces.pop();
        }
    }

    /// Leaves the rest unwritten.
    fn give_up(&mut self) {
        self.pieces.clear();
        self.is_flushed = true;
    }

    fn is_done(&self) -> bool {
        self.pieces.is_empty() && self.is_flushed
    }
}

impl Exchange {
    /// Prepares `request`; its connection goes to `idle` after the answer.
    pub(super) fn new(request: &Outgoing, idle: Arc<Idle>) -> Self {
        let mut pieces = Vec::with_capacity(request.body().len() + 1);
        let filled = |piece: &&Bytes| !piece.is_empty();
        pieces.extend(request.body().iter().rev().filter(filled).cloned());
        pieces.push(head::write(request).into());
        Self {
            method: request.method().clone(),
            unsent: Unsent {
                pieces,
                has_begun: false,
                is_flushed: false,
            },
            idle,
        }
    }

    /// Whether nothing of the request has gone out.
    pub(super) fn is_unsent(&self) -> bool {
        !self.unsent.has_begun
    }

    /// Sends the request over `socket` and reads up to the head of its answer.
    ///
    /// # Errors
    ///
    /// [`SendError::Broken`] and [`SendError::BadHead`].
    pub(super) async fn run(&mut self, mut socket: Socket) -> Result<Response<Source>, SendError> {
        let mut partial = Vec::new();
        let mut is_cut = false;
        let begun = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.unsent.poll(&mut socket, cx) {
                if self.is_unsent() {
                    return Poll::Ready(Err(SendError::Broken(error)));
                }
                // It may have answered before it stopped reading.
                self.unsent.give_up();
                is_cut = true;
            }
            poll_head(&mut socket, cx, &mut partial, &self.method)
        })
        .await?;
        let Head {
            status,
            headers,
            framing,
            keeps_alive,
        } = *begun.head;
        let unsent = Unsent {
            pieces: std::mem::take(&mut self.unsent.pieces),
            ..self.unsent
        };
        let lent = Lent {
            socket,
            idle: Arc::clone(&self.idle),
            is_reusable: keeps_alive && begun.is_clean && !is_cut,
            unsent: (!unsent.is_done()).then(|| Box::new(unsent)),
        };
        let mut response = Response::new(Source::new(lent, framing, begun.body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// The head of an answer, and what came with it.
struct Begun {
    head: Box<Head>,
    /// The beginning of the body.
    body: Bytes,
    /// Whether nothing came behind the body.
    is_clean: bool,
}

/// Reads up to the end of the head.
fn poll_head(
    socket: &mut Socket,
    cx: &mut Context<'_>,
    partial: &mut Vec<u8>,
    method: &Method,
) -> Poll<Result<Begun, SendError>> {
    loop {
        let read = ready!(socket.poll_read(cx, |bytes| {
            if bytes.is_empty() {
                return Err(SendError::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
            take_head(bytes, partial, method)
        }));
        if let Some(begun) = read.map_err(SendError::Broken)?? {
            return Poll::Ready(Ok(begun));
        }
    }
}

fn take_head(
    bytes: &[u8],
    partial: &mut Vec<u8>,
    method: &Method,
) -> Result<Option<Begun>, SendError> {
    let is_first = partial.is_empty();
    if !is_first {
        partial.extend_from_slice(bytes);
        // Only the end of a line can be the end of the head.
        if memchr::memchr(b'\n', bytes).is_none() && partial.len() <= MAX_HEAD_BYTES {
            return Ok(None);
        }
    }
    let all = if is_first { bytes } else { partial.as_slice() };
    let (mut head, length) = match head::read(all, method).map_err(SendError::BadHead)? {
        Progress::Whole(head, length) => (head, length),
        Progress::Partial(interim) => {
            let rest = all.get(interim..).unwrap_or_default();
            if rest.len() > MAX_HEAD_BYTES {
                return Err(SendError::BadHead("it is too long"));
            }
            *partial = rest.to_vec();
            return Ok(None);
        }
    };
    let mut rest = all.get(length..).unwrap_or_default();
    let body = head.framing.decode(&mut rest);
    let body = body.map_err(|_| SendError::BadHead("the body behind it is not well framed"))?;
    let is_clean = rest.is_empty();
    partial.clear();
    Ok(Some(Begun {
        head,
        body,
        is_clean,
    }))
}

/// What one write takes; a request has rarely more pieces.
const MAX_SLICES: usize = 8;
/// The head of an answer, without interim ones.
const MAX_HEAD_BYTES: usize = 64 * 1024;
