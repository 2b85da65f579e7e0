//! Serves a router on a listener until it is told to stop.

use std::{io, time::Duration};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `router` on `listener` until `shutdown` is cancelled; then takes no new connection, lets
/// calls under way finish, and returns after `drain` at the latest.
///
/// Dropping the future closes every connection at once; a write that has begun is still made or
/// fails as a whole.
///
/// # Errors
///
/// [`io::Error`] when the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    let stop = shutdown.clone();
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .into_future();
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        served = serving => served,
        () = deadline => Ok(()),
    }
}
