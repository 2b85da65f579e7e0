//! A client's connection to the proxy, HTTP/1.1 or HTTP/2, for many requests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// That of a client; they take turns.
    pub(crate) fn of(client: usize) -> Self {
        if client.is_multiple_of(2) {
            Self::Http1
        } else {
            Self::Http2
        }
    }
}

/// How a client's connection ends when it is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaving {
    /// Politely.
    Fin,
    /// With a reset.
    Rst,
}

impl Leaving {
    /// That of a client; they take turns.
    pub(crate) fn of(client: usize) -> Self {
        if client.is_multiple_of(2) {
            Self::Fin
        } else {
            Self::Rst
        }
    }
}

/// A connection. A clone of one that speaks HTTP/2 is the same connection; it is closed when the
/// last of them is dropped.
pub(crate) struct Line {
    proxy: SocketAddr,
    sender: Sender,
    driver: Arc<JoinSet<()>>,
}

enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

impl Line {
    pub(crate) async fn connect(
        proxy: SocketAddr,
        protocol: Protocol,
        leaving: Leaving,
    ) -> Result<Self> {
        let stream = TcpStream::connect(proxy).await.context("no connection")?;
        stream.set_nodelay(true)?;
        if leaving == Leaving::Rst {
            stream.set_zero_linger()?;
        }
        let io = TokioIo::new(stream);
        let mut driver = JoinSet::new();
        // What a connection meets reaches the request that is on it.
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await?;
                driver.spawn(async move { connection.await.unwrap_or_default() });
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                driver.spawn(async move { connection.await.unwrap_or_default() });
                Sender::Http2(sender)
            }
        };
        Ok(Self {
            proxy,
            sender,
            driver: Arc::new(driver),
        })
    }

    /// The same connection again; `None` where it carries one request at a time.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self {
                proxy: self.proxy,
                sender: Sender::Http2(sender.clone()),
                driver: Arc::clone(&self.driver),
            }),
        }
    }

    /// Whether it is closed, as far as it is known.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Posts `upload` to `path` and waits for the head of the answer. Dropping the future, or the
    /// answer, leaves the request.
    pub(crate) async fn post(&mut self, path: &str, upload: Upload) -> Result<Response<Incoming>> {
        let proxy = self.proxy;
        let request =
            |target: String| Request::post(target).header(CONTENT_TYPE, "application/json");
        let answer = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.context("the connection is closed")?;
                let request = request(path.to_owned()).header(HOST, proxy.to_string());
                sender.send_request(request.body(upload)?).await
            }
            Sender::Http2(sender) => {
                sender.ready().await.context("the connection is closed")?;
                let request = request(format!("http://{proxy}{path}"));
                sender.send_request(request.body(upload)?).await
            }
        };
        answer.context("no head")
    }
}

/// A request's body, which may never end.
#[derive(Debug)]
pub(crate) struct Upload {
    data: Option<Bytes>,
    /// Bytes that are announced and never come.
    missing: u64,
}

impl Upload {
    pub(crate) fn whole(text: String) -> Self {
        Self {
            data: Some(Bytes::from(text)),
            missing: 0,
        }
    }

    /// Half of `text`, and then nothing more.
    pub(crate) fn half(text: String) -> Self {
        let mut data = Bytes::from(text);
        let rest = data.split_off(data.len() / 2);
        Self {
            data: Some(data),
            missing: rest.len() as u64,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.data.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None if self.missing > 0 => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.missing == 0
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.data.as_ref().map_or(0, Bytes::len) as u64;
        SizeHint::with_exact(data + self.missing)
    }
}
