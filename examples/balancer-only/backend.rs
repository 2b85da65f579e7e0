//! A backend that answers with its name, and can break down.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::uri::{Authority, InvalidUri};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running backend; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Backend {
    name: &'static str,
    authority: Authority,
    is_broken: Arc<AtomicBool>,
    _server: JoinSet<()>,
}

impl Backend {
    pub(crate) async fn start(name: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let authority = address
            .parse()
            .map_err(|error: InvalidUri| io::Error::other(error))?;
        let is_broken = Arc::new(AtomicBool::new(false));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, name, Arc::clone(&is_broken)));
        Ok(Self {
            name,
            authority,
            is_broken,
            _server: server,
        })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn uri(&self) -> Authority {
        self.authority.clone()
    }

    /// From now on it answers every request with 500.
    pub(crate) fn break_down(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    pub(crate) fn mend(&self) {
        self.is_broken.store(false, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, name: &'static str, is_broken: Arc<AtomicBool>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let is_broken = Arc::clone(&is_broken);
        let answer = service_fn(move |_request| {
            let mut response = Response::new(Full::new(Bytes::from_static(name.as_bytes())));
            if is_broken.load(Ordering::Relaxed) {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            async { Ok::<_, Infallible>(response) }
        });
        connections.spawn(async move {
            // A connection that breaks concerns nobody else.
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await
                .ok();
        });
    }
}
