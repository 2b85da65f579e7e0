//! A connection that remembers what it read and can end in a chosen way.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::lock;
use crate::Cut;

/// The connection, as the HTTP server uses it.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    state: Arc<WireState>,
}

/// The connection, as the behaviours see it.
#[derive(Debug, Default)]
pub(super) struct WireState {
    received: Mutex<Vec<u8>>,
    flushed: Mutex<Option<Waker>>,
    ends_with_reset: AtomicBool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<WireState>) {
        let state = Arc::new(WireState::default());
        (
            Self {
                stream,
                state: Arc::clone(&state),
            },
            state,
        )
    }
}

impl WireState {
    /// The head of the request that was read last, with its empty line.
    pub(super) fn take_head(&self) -> Bytes {
        let received = std::mem::take(&mut *lock(&self.received));
        let end = received.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let mut head = Bytes::from(received);
        head.truncate(end.map_or(0, |end| end + 4));
        head
    }

    /// Drops what was read so far; the next request begins after it.
    pub(super) fn forget_received(&self) {
        lock(&self.received).clear();
    }

    /// Wakes `waker` once everything that was written has reached the socket.
    pub(super) fn wake_when_flushed(&self, waker: &Waker) {
        *lock(&self.flushed) = Some(waker.clone());
    }

    /// Says how the connection ends when it is dropped.
    pub(super) fn end_with(&self, how: Cut) {
        self.ends_with_reset
            .store(how == Cut::Reset, Ordering::Release);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.state.ends_with_reset.load(Ordering::Acquire) {
            // Without lingering the kernel answers the peer with a reset.
            self.stream.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(new) = buffer.filled().get(before..) {
            lock(&self.state.received).extend_from_slice(new);
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready()
            && let Some(waker) = lock(&self.state.flushed).take()
        {
            waker.wake();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
