//! The body of every answer: whole, or relayed as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::listener::{Exchange, Pace};

/// What a client is sent after the head.
///
/// Dropping it before its end tells whatever produces it that the client is gone.
pub struct Body {
    kind: Kind,
    /// What the listener knows of it: that it is under way, and whether it is asked for.
    exchange: Option<Exchange>,
    pace: Option<Arc<Pace>>,
}

enum Kind {
    Whole(Option<Bytes>),
    Relayed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Cut> + Send>>),
}

/// The answer cannot be finished, nor can its end be told in its own words: the connection is
/// closed instead, so that nobody takes what was sent for whole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer was cut")]
pub struct Cut;

impl Body {
    /// A body that is there whole.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::Whole(Some(bytes.into())))
    }

    /// A body that is passed on piece by piece.
    pub fn relayed(body: impl http_body::Body<Data = Bytes, Error = Cut> + Send + 'static) -> Self {
        Self::of(Kind::Relayed(Box::pin(body)))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            exchange: None,
            pace: None,
        }
    }

    /// Ends `exchange` with the body, and tells `pace` how the body is asked for.
    pub(crate) fn watched(mut self, exchange: Option<Exchange>, pace: Option<Arc<Pace>>) -> Self {
        if let Some(pace) = &pace {
            pace.offered();
        }
        self.exchange = exchange;
        self.pace = pace;
        self
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Whole(_) => "Body::Whole",
            Kind::Relayed(_) => "Body::Relayed",
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(
                bytes
                    .take()
                    .filter(|bytes| !bytes.is_empty())
                    .map(|bytes| Ok(Frame::data(bytes))),
            ),
            Kind::Relayed(body) => body.as_mut().poll_frame(cx),
        };
        if let Some(pace) = &self.pace {
            match polled {
                Poll::Ready(_) => pace.offered(),
                Poll::Pending => pace.waiting(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Kind::Relayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Relayed(body) => body.size_hint(),
        }
    }
}
