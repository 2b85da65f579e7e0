//! An HTTP/1.1 client for targets: pooled connections, each driven by whoever waits for its answer.
//!
//! There is no task a connection and no channel between the two: the future of a request writes and
//! reads its socket itself, and so does the body of the answer. Nothing is read before somebody
//! asks for it, and a connection that waits holds no buffer.

mod chunks;
mod exchange;
mod framing;
mod head;
mod idle;
mod socket;
mod source;

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

use self::exchange::Exchange;
use self::idle::Idle;
use self::socket::Socket;

pub(crate) use self::source::Source;

/// A request to a target, its body in slices: the client's bytes need no copy when only the model
/// between them changes.
pub(crate) type Outgoing = Request<Vec<Bytes>>;

/// A pool of connections to one origin with one credential; `C` makes new ones.
pub(crate) struct Pool<C> {
    connector: C,
    idle: Arc<Idle>,
}

/// Why a request brought no head of an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// There is no connection.
    #[error("no connection could be made")]
    Connect(#[source] BoxError),
    /// The connection broke or ended before the answer's head.
    #[error("the connection broke before the answer's head")]
    Broken(#[source] io::Error),
    /// What came is no head of an answer, or one that could be framed in two ways.
    #[error("the answer's head is not well formed: {0}")]
    BadHead(&'static str),
}

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

impl<C> Pool<C>
where
    C: Service<Uri, Response = MaybeHttpsStream<TokioIo<TcpStream>>, Error = BoxError> + Clone,
{
    /// A pool without a connection yet, for so many lanes.
    pub(crate) fn new(connector: C, lanes: usize) -> Self {
        Self {
            connector,
            idle: Arc::new(Idle::new(lanes)),
        }
    }

    /// Sends `request` over a connection of the pool or a new one, and
    /// gives the head of the answer; the answer's body reads on.
    ///
    /// A connection that turns out to be closed before a byte of the request has gone out is left
    /// for another one. Dropping the future, or the body before its end, closes the connection.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub(crate) async fn request(&self, request: &Outgoing) -> Result<Response<Source>, SendError> {
        let mut exchange = Exchange::new(request, Arc::clone(&self.idle));
        while let Some(socket) = self.idle.take() {
            match exchange.run(socket).await {
                Err(unsent) if exchange.is_unsent() => {
                    tracing::debug!(error = %unsent, "a pooled connection was closed");
                }
                answered => return answered,
            }
        }
        let dialled = self.connector.clone().oneshot(request.uri().clone());
        let socket: Socket = dialled.await.map_err(SendError::Connect)?.into();
        exchange.run(socket).await
    }
}

#[cfg(test)]
mod tests;
