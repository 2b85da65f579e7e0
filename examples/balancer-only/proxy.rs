//! A reverse proxy around a balancer: pick a target, send, say how it went; at a failure, the next.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use ai_gateway_balancer::{Balancer, FailureKind, Lease, Outcome};
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

type Pool = Client<HttpConnector, Full<Bytes>>;

/// Serves until it is dropped. Each target of `balancer` has its address attached.
pub(crate) async fn serve(listener: TcpListener, balancer: Balancer<Authority>) {
    let pool: Pool = Client::builder(TokioExecutor::new()).build_http();
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (balancer, pool) = (balancer.clone(), pool.clone());
        let service = service_fn(move |request| {
            let (balancer, pool) = (balancer.clone(), pool.clone());
            async move { Ok::<_, Infallible>(answer(&balancer, &pool, request).await) }
        });
        connections.spawn(async move {
            // A connection that breaks concerns nobody else; its leases are dropped with it.
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

async fn answer(
    balancer: &Balancer<Authority>,
    pool: &Pool,
    request: Request<Incoming>,
) -> Response<BoxBody<Bytes, hyper::Error>> {
    let (head, body) = request.into_parts();
    // Kept whole, so that it can be sent again. A real proxy puts a limit on it.
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return plain(StatusCode::BAD_REQUEST, "the request broke off");
    };
    let mut attempts = balancer.request();
    loop {
        let lease = match attempts.pick() {
            Ok(lease) => lease,
            Err(error) => return plain(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        };
        let mut onward = Request::new(Full::new(body.clone()));
        *onward.method_mut() = head.method.clone();
        *onward.uri_mut() = aim(&head.uri, &lease);
        let sent = pool.request(onward).await;
        let outcome = judge(&sent);
        match sent {
            // The lease goes with the body, so that the target stays occupied to its last byte.
            Ok(response) if outcome == Outcome::Success => {
                return response.map(|body| {
                    Leased {
                        body,
                        lease: Some(lease),
                    }
                    .boxed()
                });
            }
            Ok(response) if !(outcome.is_retryable() && attempts.allows_retry()) => {
                lease.finish(outcome);
                return response.map(|body| body.boxed());
            }
            Err(error) if !attempts.allows_retry() => {
                lease.finish(outcome);
                return plain(StatusCode::BAD_GATEWAY, &error.to_string());
            }
            Ok(_) | Err(_) => lease.finish(outcome),
        }
    }
}

/// What an answer means for the target that gave it.
fn judge(sent: &Result<Response<Incoming>, Error>) -> Outcome {
    match sent {
        Ok(response) => match response.status().as_u16() {
            429 => Outcome::RateLimited { retry_after: None },
            503 => Outcome::Unavailable { retry_after: None },
            500.. => Outcome::Failure(FailureKind::Status),
            400.. => Outcome::CallerFault,
            _ => Outcome::Success,
        },
        Err(error) if error.is_connect() => Outcome::Failure(FailureKind::Connect),
        Err(_) => Outcome::Failure(FailureKind::Stream),
    }
}

fn aim(uri: &Uri, target: &Authority) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(target.clone());
    Uri::from_parts(parts).unwrap_or_default()
}

fn plain(status: StatusCode, text: &str) -> Response<BoxBody<Bytes, hyper::Error>> {
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {});
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    response
}

/// An answer's body with the lease that it is served under. When the caller leaves, both are dropped,
/// and the lease counts for nothing but gives its place back.
struct Leased {
    body: Incoming,
    lease: Option<Lease<Authority>>,
}

impl Leased {
    fn finish(&mut self, outcome: Outcome) {
        if let Some(lease) = self.lease.take() {
            lease.finish(outcome);
        }
    }
}

impl Body for Leased {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Err(_))) => self.finish(Outcome::Failure(FailureKind::Stream)),
            Poll::Ready(None) => self.finish(Outcome::Success),
            // A body of known length is not polled again after its last byte.
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.finish(Outcome::Success),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
