//! A bare hyper proxy, the floor of the gateway's own stack: every request goes to one address
//! over pooled connections, with nothing read, checked or counted.
//!
//! `peer-hyper LISTEN UPSTREAM`, one thread, until it is killed.

use std::{convert::Infallible, env::args, net::SocketAddr};

use anyhow::Context as _;
use hyper::{
    Request, Uri,
    body::Incoming,
    header::{CONNECTION, HOST},
    http::uri::{Authority, Scheme},
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpListener, task::JoinSet};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = args().skip(1);
    let listen: SocketAddr = arguments.next().context("LISTEN is missing")?.parse()?;
    let upstream: Authority = arguments.next().context("UPSTREAM is missing")?.parse()?;

    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build::<_, Incoming>(connector);
    let listener = TcpListener::bind(listen).await?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        connections.spawn(async move {
            let forward = service_fn(|mut request: Request<Incoming>| {
                readdress(&mut request, &upstream);
                let answer = client.request(request);
                async move { answer.await }
            });
            let io = TokioIo::new(stream);
            // A connection that fails is the load generator's to count.
            let _: Result<(), _> = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(io, forward)
                .await;
            Ok::<(), Infallible>(())
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Points `request` at `upstream` and drops what concerns the client's own connection.
fn readdress(request: &mut Request<Incoming>, upstream: &Authority) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.clone());
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(CONNECTION);
}
