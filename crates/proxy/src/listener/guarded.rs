//! A connection's bytes, watched: who is silent where it must speak, who does not read what it
//! asked for, who floods.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ai_gateway_telemetry::Closing;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::exchanges::Exchanges;
use super::frames::Frames;
use super::framing::{Framing, Phase};
use crate::settings::ConnectionLimits;

/// A socket that ends with an error when its peer breaks a bound of [`ConnectionLimits`].
///
/// It adds no copy and, as long as bytes come, no look at the clock.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    socket: S,
    /// What was read to tell the protocols apart.
    start: Vec<u8>,
    reader: Reader,
    exchanges: Exchanges,
    limits: ConnectionLimits,
    head_since: Option<Instant>,
    quiet: Option<Quiet>,
    read_timer: Timer,
    stalled_since: Option<Instant>,
    write_timer: Timer,
}

/// Since when no exchange is under way, and how many there had been.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    since: Instant,
    begun: u64,
}

#[derive(Debug)]
enum Reader {
    Http1(Framing),
    Http2(Frames, Flood),
}

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl<S> Guarded<S> {
    /// Watches `socket`, of which `start` has already been read.
    pub(super) fn new(
        socket: S,
        start: Vec<u8>,
        protocol: Protocol,
        exchanges: Exchanges,
        limits: ConnectionLimits,
    ) -> Self {
        Self {
            socket,
            start,
            reader: match protocol {
                Protocol::Http1 => Reader::Http1(Framing::from_request(0, limits.max_head_bytes)),
                Protocol::Http2 => Reader::Http2(Frames::new(), Flood::default()),
            },
            exchanges,
            limits,
            head_since: None,
            quiet: None,
            read_timer: Timer::default(),
            stalled_since: None,
            write_timer: Timer::default(),
        }
    }

    /// Looks at bytes on their way to hyper.
    fn heard(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_in_head = match &mut self.reader {
            Reader::Http1(framing) => {
                framing.read(bytes);
                if let Some((number, fault)) = framing.fault() {
                    self.exchanges.blame(number, fault);
                }
                let phase = framing.phase();
                self.exchanges.in_request(phase != Phase::Between);
                phase == Phase::Head
            }
            Reader::Http2(frames, flood) => {
                frames.read(bytes);
                flood
                    .check(frames.control(), &self.limits)
                    .inspect_err(|_| self.exchanges.close(Closing::ControlFrames))?;
                frames.is_in_head()
            }
        };
        if !is_in_head {
            self.head_since = None;
        } else if self.head_since.is_none() {
            self.head_since = Some(Instant::now());
        }
        Ok(())
    }

    /// Called when nothing is there to be read: ends the wait when it has been too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.head_since.is_none() && !self.exchanges.is_quiet() && self.read_timer.is_running() {
            // Asked with every piece of an answer; when the timer fires is soon enough to look.
            self.quiet = None;
            return Poll::Pending;
        }
        loop {
            let due = self.due();
            ready!(self.read_timer.poll(due, cx));
            if self.head_since.is_none()
                && matches!(self.reader, Reader::Http2(..))
                && !self.exchanges.is_retired()
            {
                // HTTP/2 can say goodbye first; whoever does not hear it is cut a little later.
                self.exchanges.retire();
                self.head_since = Some(Instant::now());
                continue;
            }
            self.exchanges
                .close(match (&self.reader, self.exchanges.is_retired()) {
                    // Told goodbye for its silence, it is given a head's time to hear of it.
                    (Reader::Http2(..), true) => Closing::Idle,
                    _ if self.head_since.is_some() => Closing::HeadTimeout,
                    _ => Closing::Idle,
                });
            return Poll::Ready(io::ErrorKind::TimedOut.into());
        }
    }

    /// When the silence is too long.
    ///
    /// Never, but to be looked at again, while an exchange is under way: that is not the client's
    /// silence, and a body's pauses are watched where the body is read. hyper does not ask again
    /// once the exchange is over, if it has asked before.
    fn due(&mut self) -> Instant {
        if let Some(since) = self.head_since {
            return since + self.limits.head;
        }
        if !self.exchanges.is_quiet() {
            self.quiet = None;
            return Instant::now() + self.limits.keep_alive;
        }
        let begun = self.exchanges.begun();
        let quiet = match self.quiet {
            Some(quiet) if quiet.begun == begun => quiet,
            _ => Quiet {
                since: Instant::now(),
                begun,
            },
        };
        self.quiet = Some(quiet);
        quiet.since + self.limits.keep_alive
    }

    /// Notes what came of a write, and ends it when the peer has not read for too long.
    fn wrote<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.stalled_since.take().is_some() {
                self.exchanges.writing(false);
            }
            return written;
        }
        let since = *self.stalled_since.get_or_insert_with(|| {
            self.exchanges.writing(true);
            Instant::now()
        });
        ready!(self.write_timer.poll(since + self.limits.write_stall, cx));
        self.exchanges.close(Closing::WriteStall);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn credit(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Reader::Http2(_, flood), Poll::Ready(Ok(count))) = (&mut self.reader, written) {
            flood.written += *count as u64;
        }
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Waits, with nothing but the socket held, for an HTTP/1 connection's next request; `unread`
    /// has already come of it. Answers whether there is one.
    ///
    /// Ends when the connection was silent for as long as it may be.
    pub(super) async fn rest(&mut self, unread: &[u8]) -> bool {
        (self.quiet, self.head_since) = (None, None);
        (self.read_timer, self.write_timer) = (Timer::default(), Timer::default());
        self.reader = Reader::Http1(Framing::from_request(
            self.exchanges.begun(),
            self.limits.max_head_bytes,
        ));
        self.start.splice(..0, unread.iter().copied());
        if !self.start.is_empty() {
            return true;
        }
        let mut first = [0; 16];
        let read = tokio::time::timeout(self.limits.keep_alive, self.socket.read(&mut first));
        let count = match read.await {
            Ok(read) => read.unwrap_or(0),
            Err(_) => {
                self.exchanges.close(Closing::Idle);
                0
            }
        };
        self.start.extend(first.iter().take(count));
        count > 0
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.start.is_empty() {
            match Pin::new(&mut this.socket).poll_read(cx, buf) {
                Poll::Ready(read) => read?,
                Poll::Pending => return this.wait(cx).map(Err),
            }
        } else {
            let count = this.start.len().min(buf.remaining());
            buf.put_slice(&this.start.drain(..count).collect::<Vec<_>>());
            // hyper grows its buffer with every read: what came in the meantime is part of this one.
            if this.start.is_empty() {
                this.start = Vec::new();
                if let Poll::Ready(read) = Pin::new(&mut this.socket).poll_read(cx, buf) {
                    read?;
                }
            }
        }
        this.heard(buf.filled().get(before..).unwrap_or_default())?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.credit(&written);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.credit(&written);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.socket).poll_flush(cx) {
            // A write that still waits is not over because nothing is left to be flushed.
            Poll::Ready(flushed) => Poll::Ready(flushed),
            Poll::Pending => self.wrote(cx, Poll::Pending),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.wrote(cx, closed)
    }
}

/// Bounds how many frames without a request come in a while.
#[derive(Debug, Default)]
struct Flood {
    written: u64,
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    control: u64,
    written: u64,
}

impl Flood {
    /// Looks at the clock once a window's worth of frames.
    fn check(&mut self, control: u64, limits: &ConnectionLimits) -> io::Result<()> {
        let window = *self.window.get_or_insert_with(|| Window {
            since: Instant::now(),
            control: 0,
            written: 0,
        });
        // A client may tell of each piece that it has read: what it was sent widens the bound.
        let earned = (self.written - window.written) / BYTES_A_FRAME;
        if control - window.control <= limits.max_control_frames.saturating_add(earned) {
            return Ok(());
        }
        let now = Instant::now();
        if now.saturating_duration_since(window.since) < FLOOD_WINDOW {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.window = Some(Window {
            since: now,
            control,
            written: self.written,
        });
        Ok(())
    }
}

/// A timer that is moved only when it fires, not with each wait: that is cheaper by far.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Whether it will wake whoever polled it last.
    fn is_running(&self) -> bool {
        self.0.as_ref().is_some_and(|sleep| !sleep.is_elapsed())
    }

    pub(super) fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

/// Over which control frames are counted.
const FLOOD_WINDOW: Duration = Duration::from_secs(10);
/// What a client was sent for it to tell of one more piece.
const BYTES_A_FRAME: u64 = 64;
