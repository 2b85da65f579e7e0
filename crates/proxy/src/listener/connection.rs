//! Serves one connection within its limits, over the protocol that it speaks.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ai_gateway_telemetry::{Closing, Telemetry};
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::debug;

use super::exchanges::{Exchange, Exchanges};
use super::guarded::{Guarded, Protocol, Timer};
use super::pace::{self, Pace};
use crate::body::Body;
use crate::settings::ConnectionLimits;

/// How one connection is served.
pub(super) struct Connection {
    pub(super) limits: ConnectionLimits,
    /// Ends the connection after the exchanges under way; the listener's drain does it too.
    pub(super) retired: CancellationToken,
    pub(super) streams: TrackedExecutor,
    pub(super) closings: Closings,
}

/// Counts the connections that are closed. A clone counts together.
#[derive(Clone, Debug, Default)]
pub(super) struct Closings(pub(super) Option<Telemetry>);

impl Closings {
    pub(super) fn count(&self, closing: Closing) {
        debug!(reason = closing.as_str(), "connection or stream closed");
        if let Some(telemetry) = &self.0 {
            telemetry.connection_closed(closing);
        }
    }
}

impl Connection {
    /// Serves `socket` to its end. Dropping the future closes it.
    pub(super) async fn serve<I, S>(self, mut socket: I, service: S)
    where
        I: AsyncRead + AsyncWrite + Unpin,
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + Unpin,
    {
        let sniff = tokio::time::timeout(self.limits.first_byte, sniff(&mut socket));
        let Some((start, protocol)) = self.unless_silent(sniff).await else {
            return;
        };
        let exchanges = Exchanges::new(self.retired.clone());
        let guarded = Guarded::new(socket, start, protocol, exchanges.clone(), self.limits);
        let io = TokioIo::new(guarded);
        let service = Counted {
            service,
            exchanges: exchanges.clone(),
            max_requests: self.limits.max_requests,
        };
        // On the heap, so that a connection of one protocol holds no room for the other's, and none
        // twice for its own while it is moved here.
        let ended = match protocol {
            Protocol::Http2 => {
                let mut connection = Box::pin(self.http2().serve_connection(io, service));
                tokio::select! {
                    biased;
                    ended = connection.as_mut() => ended,
                    () = self.expiry() => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                }
            }
            Protocol::Http1 => self.serve_http1(io, service).await,
        };
        if let Err(error) = &ended {
            debug!(%error, "connection ended early");
        }
        let refused = ended.err().as_ref().and_then(refusal);
        if let Some(closing) = exchanges.closing().or(refused) {
            self.closings.count(closing);
        }
    }

    /// Waits for a connection's first bytes: for its whole time, or once the listener drains only
    /// as long as a client takes that has just connected.
    async fn unless_silent<T>(
        &self,
        sniff: impl Future<Output = Result<Option<T>, Elapsed>>,
    ) -> Option<T> {
        let mut sniff = pin!(sniff);
        let sniffed = match self.retired.run_until_cancelled(sniff.as_mut()).await {
            Some(sniffed) => sniffed,
            None => tokio::time::timeout(LATE, sniff).await.ok()?,
        };
        if sniffed.is_err() {
            self.closings.count(Closing::FirstByteTimeout);
        }
        sniffed.ok().flatten()
    }

    /// Serves requests one after the other. Between two that are far apart, hyper's connection,
    /// with its buffers, is given up, and only the socket kept.
    async fn serve_http1<I, S>(
        &self,
        mut io: TokioIo<Guarded<I>>,
        service: Counted<S>,
    ) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin,
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone,
        S::Future: Unpin,
    {
        let http1 = self.http1();
        let mut expiry = pin!(self.expiry());
        loop {
            let mut connection = Box::new(http1.serve_connection(io, service.clone()));
            tokio::select! {
                biased;
                ended = self.until_resting(&mut connection, &service.exchanges) => {
                    if let Some(ended) = ended {
                        return ended;
                    }
                }
                () = &mut expiry => {
                    // Where none was begun, the first request is on its way; its answer will say
                    // that it is the last.
                    if service.exchanges.begun() > 0 {
                        Pin::new(&mut *connection).graceful_shutdown();
                    }
                    return connection.await;
                }
            }
            // Not kept while it rests: the connection's box, and the buffer that was read into.
            let unread = {
                let connection = connection;
                let parts = connection.into_parts();
                io = parts.io;
                parts.read_buf.to_vec()
            };
            tokio::select! {
                biased;
                is_called = io.inner_mut().rest(&unread) => {
                    if !is_called {
                        return Ok(());
                    }
                }
                () = &mut expiry => return Ok(()),
            }
        }
    }

    /// Runs an HTTP/1 connection until it ends, or has nothing to do for
    /// [`ConnectionLimits::rest_after`]: `None`.
    async fn until_resting<C: Future + Unpin>(
        &self,
        connection: &mut C,
        exchanges: &Exchanges,
    ) -> Option<C::Output> {
        // When it may rest, and after how many exchanges.
        let mut rest: Option<(Instant, u64)> = None;
        let mut timer = Timer::default();
        poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if !exchanges.is_between() {
                rest = None;
                return Poll::Pending;
            }
            let begun = exchanges.begun();
            let due = match rest {
                Some((due, before)) if before == begun => due,
                _ => Instant::now() + self.limits.rest_after,
            };
            rest = Some((due, begun));
            timer.poll(due, cx).map(|()| None)
        })
        .await
    }

    /// Returns when the connection is too old, has served enough or is to end for another reason.
    async fn expiry(&self) {
        // Connections that came together, after a restart, are not to leave together.
        let age = self
            .limits
            .max_age
            .mul_f64(fastrand::f64().mul_add(AGE_JITTER, 1.0));
        // Either is a reason.
        let _too_old = tokio::time::timeout(age, self.retired.cancelled()).await;
    }

    fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        // Without a timer: the deadlines of heads and pauses are kept where the bytes are read.
        // Without `pipeline_flush`: it leaves the refusal of a broken head unsent when more bytes
        // came behind it.
        builder
            .header_read_timeout(None)
            .max_headers(self.limits.max_headers)
            .max_header_size(self.limits.max_head_bytes)
            .max_buf_size(self.limits.max_buffer_bytes);
        builder
    }

    fn http2(&self) -> http2::Builder<TrackedExecutor> {
        let mut builder = http2::Builder::new(self.streams.clone());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.max_streams)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(self.limits.max_head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(self.limits.max_buffer_bytes)
            .keep_alive_interval(HTTP2_PING_INTERVAL)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT);
        builder
    }
}

/// What hyper refused by itself, before there was a request.
fn refusal(error: &hyper::Error) -> Option<Closing> {
    if error.is_parse_too_large() {
        Some(Closing::HeadTooLarge)
    } else if error.is_parse() {
        Some(Closing::Malformed)
    } else {
        None
    }
}

/// Reads until the first bytes tell the protocol; `None` when the connection ends before.
///
/// No HTTP/1 method begins like HTTP/2's preface, `PRI * HTTP/2.0`.
async fn sniff<I: AsyncRead + Unpin>(socket: &mut I) -> Option<(Vec<u8>, Protocol)> {
    let mut start = [0; PREFACE.len()];
    let mut len = 0;
    loop {
        let read = socket.read(start.get_mut(len..)?).await.ok()?;
        if read == 0 {
            return None;
        }
        len += read;
        let read = start.get(..len)?;
        if !PREFACE.starts_with(read) {
            return Some((read.to_vec(), Protocol::Http1));
        }
        if len == PREFACE.len() {
            return Some((read.to_vec(), Protocol::Http2));
        }
    }
}

/// Counts a connection's requests, and marks those whose head is at fault.
#[derive(Clone, Debug)]
struct Counted<S> {
    service: S,
    exchanges: Exchanges,
    max_requests: u64,
}

impl<S> hyper::service::Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (number, exchange) = self.exchanges.begin();
        let is_last = number + 1 >= self.max_requests;
        let is_http1 = request.version() != Version::HTTP_2;
        if is_last && !is_http1 {
            self.exchanges.retire();
        }
        if let Some(fault) = self.exchanges.fault_of(number) {
            request.extensions_mut().insert(fault);
        }
        Answering {
            answer: self.service.clone().call(request),
            exchange: Some(exchange),
            closes: is_http1 && (is_last || self.exchanges.is_retired()),
        }
    }
}

/// An answer that is being made; its exchange goes on with its body.
struct Answering<F> {
    answer: F,
    exchange: Option<Exchange>,
    /// Whether an HTTP/1 connection ends with it.
    closes: bool,
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = ready!(Pin::new(&mut self.answer).poll(cx))?;
        if self.closes {
            let headers = answer.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let exchange = self.exchange.take();
        Poll::Ready(Ok(
            answer.map(|body| body.watched(exchange, Pace::of_stream()))
        ))
    }
}

/// Runs an HTTP/2 connection's streams where the drain waits for them, and cuts those that stall
/// and what is left.
#[derive(Clone, Debug)]
pub(super) struct TrackedExecutor {
    pub(super) tracker: TaskTracker,
    pub(super) cut: CancellationToken,
    pub(super) stall: Duration,
    pub(super) closings: Closings,
}

impl<F> Executor<F> for TrackedExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let cut = self.cut.clone();
        let (stall, closings) = (self.stall, self.closings.clone());
        self.tracker.spawn(async move {
            if cut.run_until_cancelled(pace::watched(future, stall)).await == Some(false) {
                closings.count(Closing::WriteStall);
            }
        });
    }
}

const PREFACE: &[u8] = b"PRI";
/// For the first bytes of a client that connected as the listener began to drain.
const LATE: Duration = Duration::from_millis(500);
/// How much longer than its age a connection may last, at most, as a share.
const AGE_JITTER: f64 = 0.1;
/// Prompts are small next to answers; this is what one stream may send unread.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
/// What one connection may send unread, over all its streams.
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The only way to notice an HTTP/2 peer that vanished without a word.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long that peer may take to answer.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(15);
