//! Serves a router on a listener until it is told to stop.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tokio_util::sync::CancellationToken;

/// Serves `router` on `listener`, over HTTP/1.1 and over TLS where `tls` is given, until `shutdown` is cancelled; then takes no new
/// connection, lets calls under way finish, and returns after `drain` at the latest.
///
/// At most 512 connections are served at once; more wait. A connection that sends no whole head of
/// a request within 15 s is closed, one that rests between two calls as well. Dropping the future
/// closes every connection at once; a write that has begun is still made or fails as a whole.
///
/// # Errors
///
/// [`io::Error`] when the listener fails for good. A lack of file descriptors is waited out.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let served = loop {
        match next(&listener, &shutdown, &mut connections).await {
            Ok(Some(stream)) => {
                let served = greet(stream, tls.clone(), router.clone(), graceful.watcher());
                connections.spawn(served);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("calls of the Admin API were still under way when it was closed");
    }
    connections.shutdown().await;
    served
}

/// Waits for a connection, while there is room for one; `None` when it is time to stop.
async fn next<T: 'static>(
    listener: &TcpListener,
    shutdown: &CancellationToken,
    connections: &mut JoinSet<T>,
) -> io::Result<Option<TcpStream>> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Ok(Some(stream)),
            Err(error) if is_passing(&error) => tokio::time::sleep(ACCEPT_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}

/// Serves one connection to its end.
async fn greet(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    watcher: Watcher,
) {
    // Without it small answers may wait for the peer's acknowledgement; a socket that cannot be
    // set is about to fail anyway.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let Some(tls) = tls else {
        return speak(stream, router, watcher).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    match tokio::time::timeout(HANDSHAKE_DEADLINE, handshake).await {
        Ok(Ok(stream)) => speak(stream, router, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn speak<I>(stream: I, router: Router, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Tells whether accepting may work again in a moment.
fn is_passing(error: &io::Error) -> bool {
    let is_about_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::OutOfMemory
    );
    is_about_one_connection
        || error
            .raw_os_error()
            .is_some_and(|code| NO_DESCRIPTORS.contains(&code))
}

/// ENFILE and EMFILE, on every Unix.
const NO_DESCRIPTORS: [i32; 2] = [23, 24];

/// More operators than this are not at work at once.
const MAX_CONNECTIONS: usize = 512;

/// Long enough for a head over a slow line.
const HEAD_DEADLINE: Duration = Duration::from_secs(15);

/// Enough for a few round trips over a slow line.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
