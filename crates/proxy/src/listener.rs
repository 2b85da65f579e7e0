//! Takes connections, tells HTTP/1.1 from HTTP/2, serves each within its limits, and drains.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Cursor};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::{debug, info, warn};

use crate::body::Body;
use crate::settings::ConnectionLimits;

/// Serves `service` on `socket` until `shutdown` is cancelled, then drains.
///
/// Draining means: no new connection is taken, idle ones are closed, requests under way may
/// finish within [`ConnectionLimits::drain`], and what is left then is cut. Returns when no
/// connection is left. Dropping the future stops accepting but leaves the connections running.
pub async fn serve<S>(
    socket: TcpListener,
    service: S,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let tracker = TaskTracker::new();
    let cut = CancellationToken::new();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let acceptor = Acceptor { socket, slots };
    while let Some(accepted) = shutdown.run_until_cancelled(acceptor.accept()).await {
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: waiting lets some be given back, where
                // trying again at once would burn a core.
                warn!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = Connection {
            limits,
            shutdown: shutdown.clone(),
            streams: TrackedExecutor {
                tracker: tracker.clone(),
                cut: cut.clone(),
            },
        };
        let served = connection.serve(stream, service.clone());
        let cut = cut.clone();
        tracker.spawn(async move {
            if cut.run_until_cancelled(served).await.is_none() {
                debug!("connection cut at the drain deadline");
            }
            drop(permit);
        });
    }
    drop(acceptor);
    tracker.close();
    info!(connections = tracker.len(), "proxy drains");
    if tokio::time::timeout(limits.drain, tracker.wait())
        .await
        .is_err()
    {
        warn!(
            connections = tracker.len(),
            "drain deadline passed, cutting what is left"
        );
        cut.cancel();
        tracker.wait().await;
    }
}

struct Acceptor {
    socket: TcpListener,
    slots: Arc<Semaphore>,
}

impl Acceptor {
    /// Waits for a free slot first, so that a full proxy leaves clients in the kernel's queue.
    async fn accept(&self) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, permit))
    }
}

struct Connection {
    limits: ConnectionLimits,
    shutdown: CancellationToken,
    streams: TrackedExecutor,
}

impl Connection {
    async fn serve<S>(self, mut stream: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let sniff = tokio::time::timeout(self.limits.first_byte, sniff(&mut stream));
        let Some(Ok(Ok(start))) = self.shutdown.run_until_cancelled(sniff).await else {
            return;
        };
        let is_http2 = start.is_http2();
        let (read, write) = stream.into_split();
        let io = TokioIo::new(tokio::io::join(start.into_reader().chain(read), write));
        let service = TowerToHyperService::new(service);
        // On the heap, so that a connection of one protocol holds no room for the other's, and none
        // twice for its own while it is moved here.
        let ended = if is_http2 {
            let mut connection = Box::pin(self.http2().serve_connection(io, service));
            let ended = self.shutdown.run_until_cancelled(connection.as_mut()).await;
            match ended {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        } else {
            let mut connection = Box::pin(self.http1().serve_connection(io, service));
            let ended = self.shutdown.run_until_cancelled(connection.as_mut()).await;
            match ended {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Err(error) = ended {
            debug!(error = %error, "connection ended early");
        }
    }

    fn http1(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(self.limits.max_headers)
            .max_header_size(self.limits.max_head_bytes)
            .max_buf_size(self.limits.max_buffer_bytes)
            .pipeline_flush(true);
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

/// The first bytes of a connection, already read.
struct Start {
    bytes: [u8; 3],
    len: usize,
}

impl Start {
    /// No HTTP/1 method begins like HTTP/2's preface, `PRI * HTTP/2.0`.
    fn is_http2(&self) -> bool {
        self.len == self.bytes.len() && &self.bytes == b"PRI"
    }

    fn into_reader(self) -> Cursor<Vec<u8>> {
        Cursor::new(self.bytes.into_iter().take(self.len).collect())
    }
}

/// Reads until three bytes are there or one of them rules HTTP/2 out.
async fn sniff(stream: &mut TcpStream) -> io::Result<Start> {
    let mut start = Start {
        bytes: [0; 3],
        len: 0,
    };
    while let Some(rest) = start
        .bytes
        .get_mut(start.len..)
        .filter(|rest| !rest.is_empty())
    {
        let read = stream.read(rest).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        start.len += read;
        if start
            .bytes
            .iter()
            .zip(b"PRI")
            .take(start.len)
            .any(|(is, preface)| is != preface)
        {
            break;
        }
    }
    Ok(start)
}

/// Runs an HTTP/2 connection's streams where the drain waits for them, and cuts what is left.
#[derive(Clone, Debug)]
struct TrackedExecutor {
    tracker: TaskTracker,
    cut: CancellationToken,
}

impl<F> Executor<F> for TrackedExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let cut = self.cut.clone();
        self.tracker
            .spawn(async move { cut.run_until_cancelled(future).await.is_some() });
    }
}

/// After a failed `accept`, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Prompts are small next to answers; this is what one stream may send unread.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
/// What one connection may send unread, over all its streams.
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The only way to notice an HTTP/2 peer that vanished without a word.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long that peer may take to answer.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(15);
