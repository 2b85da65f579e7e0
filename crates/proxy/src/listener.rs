//! Takes connections, tells HTTP/1.1 from HTTP/2, serves each within its limits, and drains.

mod connection;
mod exchanges;
mod frames;
mod framing;
mod guarded;
mod pace;
mod slots;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_telemetry::{Closing, Telemetry};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use tracing::{debug, info, warn};

use self::connection::{Closings, Connection, TrackedExecutor};
use self::slots::{Slot, Slots};
use crate::body::Body;
use crate::lanes::Lanes;
use crate::settings::ConnectionLimits;

pub(crate) use self::exchanges::Exchange;
pub(crate) use self::framing::Misframed;
pub(crate) use self::pace::Pace;

/// A socket to take connections from, and how to talk with them.
#[derive(Clone)]
pub struct Door {
    socket: Arc<TcpListener>,
    tls: Option<TlsAcceptor>,
    closings: Closings,
    lanes: Option<Lanes>,
}

impl Door {
    /// Speaks TLS with every connection.
    pub fn with_tls(socket: TcpListener, tls: Arc<ServerConfig>) -> Self {
        Self {
            socket: Arc::new(socket),
            tls: Some(tls.into()),
            closings: Closings::default(),
            lanes: None,
        }
    }

    /// Counts in `telemetry` which connections are closed, and why.
    #[must_use]
    pub fn counted(mut self, telemetry: Telemetry) -> Self {
        self.closings = Closings(Some(telemetry));
        self
    }

    /// Has the connections served by `lanes`; without, they are served where [`serve`] runs.
    #[must_use]
    pub fn with_lanes(mut self, lanes: Lanes) -> Self {
        self.lanes = Some(lanes);
        self
    }
}

impl From<TcpListener> for Door {
    /// Speaks plain HTTP.
    fn from(socket: TcpListener) -> Self {
        Self {
            socket: Arc::new(socket),
            tls: None,
            closings: Closings::default(),
            lanes: None,
        }
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("socket", &self.socket)
            .field("has_tls", &self.tls.is_some())
            .finish()
    }
}

/// When a listener stops.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Begins the drain.
    pub drain: CancellationToken,
    /// Is cancelled at the drain's deadline: what is under way has a second to say that it ends
    /// ([`Proxy::ending`](crate::Proxy::ending)).
    pub ending: CancellationToken,
}

impl From<CancellationToken> for Shutdown {
    /// Drains when `drain` is cancelled; what is left at the deadline is not told.
    fn from(drain: CancellationToken) -> Self {
        Self {
            drain,
            ending: CancellationToken::new(),
        }
    }
}

/// Serves `service` on `door` until `shutdown` says so, then drains.
///
/// Draining means: no new connection is taken, idle ones are closed, and HTTP/2 clients are told.
/// Requests under way may finish within [`ConnectionLimits::drain`]; those that are left then are
/// told to end, and a second later they are cut. Returns when no connection is left. Dropping the future stops accepting but leaves the connections running.
pub async fn serve<S>(
    door: impl Into<Door>,
    service: S,
    limits: ConnectionLimits,
    shutdown: impl Into<Shutdown>,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + Unpin,
{
    let Shutdown { drain, ending } = shutdown.into();
    let Door {
        socket,
        tls,
        closings,
        lanes,
    } = door.into();
    let streams = TrackedExecutor {
        tracker: TaskTracker::new(),
        cut: CancellationToken::new(),
        stall: limits.write_stall,
        closings: closings.clone(),
    };
    let slots = Slots::new(limits.max_connections, limits.max_connections_per_ip);
    let acceptor = Acceptor {
        socket,
        slots,
        closings: closings.clone(),
    };
    while let Some((stream, slot)) = drain.run_until_cancelled(acceptor.accept()).await {
        let connection = Connection {
            limits,
            retired: drain.child_token(),
            streams: streams.clone(),
            closings: closings.clone(),
        };
        let kept = Kept {
            cut: streams.cut.clone(),
            closings: closings.clone(),
            _slot: slot,
        };
        let (tls, service) = (tls.clone(), service.clone());
        let greet = |stream| Box::pin(greet(connection, stream, tls, service));
        start(&streams.tracker, lanes.as_ref(), stream, move |stream| {
            kept.until_cut(greet(stream))
        });
    }
    drop(acceptor);
    let tracker = &streams.tracker;
    tracker.close();
    info!(connections = tracker.len(), "proxy drains");
    if tokio::time::timeout(limits.drain, tracker.wait())
        .await
        .is_err()
    {
        end(&streams, &ending).await;
    }
}

/// Has `stream` served by what `serve` makes of it: on a lane, where there are any.
fn start<F>(
    tracker: &TaskTracker,
    lanes: Option<&Lanes>,
    stream: TcpStream,
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(lanes) = lanes else {
        tracker.spawn(serve(stream));
        return;
    };
    // Its socket is to wake the lane's thread, not this one.
    let stream = stream.into_std();
    lanes.spawn(tracker, async move {
        match stream.and_then(TcpStream::from_std) {
            Ok(stream) => serve(stream).await,
            Err(error) => warn!(%error, "connection not handed to a lane"),
        }
    });
}

/// What a connection holds to its end.
struct Kept {
    cut: CancellationToken,
    closings: Closings,
    _slot: Slot,
}

impl Kept {
    /// Serves a connection to its end or to the drain's.
    ///
    /// It comes boxed: a task would hold room for it twice, before and after it is first polled.
    async fn until_cut(self, served: Pin<Box<impl Future<Output = ()>>>) {
        if self.cut.run_until_cancelled(served).await.is_none() {
            self.closings.count(Closing::DrainDeadline);
        }
    }
}

/// Serves a connection, over TLS where there is an acceptor.
async fn greet<S>(connection: Connection, stream: TcpStream, tls: Option<TlsAcceptor>, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + Unpin,
{
    let Some(tls) = tls else {
        return connection.serve(stream, service).await;
    };
    // On the heap, so that a plain connection holds no room for it.
    let secured = Box::pin(async move {
        let within = connection.limits.tls_handshake;
        match tokio::time::timeout(within, tls.accept(stream)).await {
            Ok(Ok(stream)) => connection.serve(stream, service).await,
            Ok(Err(error)) => {
                debug!(%error, "TLS handshake failed");
                connection.closings.count(Closing::TlsHandshake);
            }
            Err(_) => connection.closings.count(Closing::TlsTimeout),
        }
    });
    secured.await;
}

/// Ends what is under way past the deadline: by a word first, then by force.
async fn end(streams: &TrackedExecutor, ending: &CancellationToken) {
    let tracker = &streams.tracker;
    warn!(
        connections = tracker.len(),
        "drain deadline passed, ending what is left"
    );
    ending.cancel();
    if tokio::time::timeout(LAST_WORDS, tracker.wait())
        .await
        .is_err()
    {
        streams.cut.cancel();
        tracker.wait().await;
    }
}

struct Acceptor {
    socket: Arc<TcpListener>,
    slots: Slots,
    closings: Closings,
}

impl Acceptor {
    /// Takes the next connection that may be served.
    ///
    /// Waits for a free place first, so that a full proxy leaves clients in the kernel's queue.
    async fn accept(&self) -> (TcpStream, Slot) {
        loop {
            let Some(place) = self.slots.free().await else {
                return std::future::pending().await;
            };
            let (stream, peer) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            };
            let Some(slot) = self.slots.take(place, peer.ip()) else {
                debug!(address = %peer.ip(), "address has too many connections");
                self.closings.count(Closing::AddressFull);
                continue;
            };
            // A socket that cannot be set is about to fail anyway.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "TCP_NODELAY could not be set");
            }
            return (stream, slot);
        }
    }
}

/// Waits before the next `accept`, unless only one connection was at fault.
///
/// Out of file descriptors, most likely: waiting lets some be given back, where trying again at
/// once would burn a core.
async fn pause_after(error: &io::Error) {
    let is_one_connections = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    );
    if !is_one_connections {
        warn!(%error, "connection not accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// After a failed `accept`, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// From the drain's deadline until what is left is cut.
const LAST_WORDS: Duration = Duration::from_secs(1);
