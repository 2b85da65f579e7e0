//! The body of an answer, read when it is asked for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::exchange::Unsent;
use super::framing::Framing;
use super::idle::Idle;
use super::socket::Socket;

/// The body of a target's answer.
///
/// It has the connection for itself: at its end the connection goes back to the pool, and when it
/// is dropped before that, the connection is closed.
pub(crate) struct Source {
    /// What has been read and not yet handed over.
    ready: Bytes,
    framing: Framing,
    lent: Option<Lent>,
}

/// A connection while an answer is read from it.
pub(super) struct Lent {
    pub(super) socket: Socket,
    pub(super) idle: Arc<Idle>,
    pub(super) is_reusable: bool,
    /// What the target had not taken of the request when it began to answer.
    pub(super) unsent: Option<Box<Unsent>>,
}

impl Source {
    /// The rest of a body of which `ready` has come.
    pub(super) fn new(lent: Lent, framing: Framing, ready: Bytes) -> Self {
        let mut source = Self {
            ready,
            framing,
            lent: Some(lent),
        };
        if source.framing.is_over() {
            source.give_back();
        }
        source
    }

    /// Gives the connection back, if it may be used again.
    fn give_back(&mut self) {
        if let Some(lent) = self.lent.take()
            && lent.is_reusable
            && lent.unsent.is_none()
        {
            lent.idle.put(lent.socket);
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(lent) = &mut self.lent else {
            return Poll::Ready(Ok(()));
        };
        if let Some(unsent) = &mut lent.unsent {
            match unsent.poll(&mut lent.socket, cx) {
                Poll::Ready(Ok(())) => lent.unsent = None,
                // It has answered, and wants no more of the request.
                Poll::Ready(Err(_)) => (lent.unsent, lent.is_reusable) = (None, false),
                Poll::Pending => {}
            }
        }
        let framing = &mut self.framing;
        let read = ready!(lent.socket.poll_read(cx, |mut bytes| {
            if bytes.is_empty() {
                return Ok(None);
            }
            let piece = framing.decode(&mut bytes).map_err(io::Error::other)?;
            Ok(Some((piece, bytes.is_empty())))
        }));
        match read.flatten() {
            Ok(Some((piece, is_clean))) => {
                self.ready = piece;
                lent.is_reusable &= is_clean;
                if self.framing.is_over() {
                    self.give_back();
                }
                Poll::Ready(Ok(()))
            }
            Ok(None) if matches!(self.framing, Framing::UntilClosed) => {
                self.framing = Framing::Counted(0);
                self.lent = None;
                Poll::Ready(Ok(()))
            }
            Ok(None) => self.broken(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => self.broken(error),
        }
    }

    /// Nothing comes after a fault.
    fn broken(&mut self, error: io::Error) -> Poll<io::Result<()>> {
        self.framing = Framing::Counted(0);
        self.lent = None;
        Poll::Ready(Err(error))
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let piece = std::mem::take(&mut this.ready);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.framing.is_over() {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(this.poll_more(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && self.framing.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing.left() {
            Some(left) => SizeHint::with_exact(self.ready.len() as u64 + left),
            None => SizeHint::default(),
        }
    }
}
