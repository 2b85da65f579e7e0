//! Passes an answer through whose form the gateway does not know.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ai_gateway_providers::Usage;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::body::Cut;
use crate::relay::{Break, StreamLimits};
use crate::settle::{Ending, Settlement};

/// A target's answer, byte by byte.
///
/// Only HTTP's own framing says whether it is whole. When it is not, neither is what the client
/// gets: its connection is closed instead of ended.
pub(crate) struct Opaque {
    source: Incoming,
    limits: StreamLimits,
    silence: Pin<Box<Sleep>>,
    heard_at: Instant,
    settlement: Settlement,
}

impl Opaque {
    pub(crate) fn new(source: Incoming, limits: StreamLimits, settlement: Settlement) -> Self {
        let now = Instant::now();
        Self {
            source,
            limits,
            silence: Box::pin(tokio::time::sleep_until(
                limits.deadline.min(now + limits.idle),
            )),
            heard_at: now,
            settlement,
        }
    }

    fn cut(&mut self, why: Break) -> Cut {
        self.settlement
            .settle(Ending::Broken(why), &Usage::default());
        Cut
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Break> {
        loop {
            ready!(self.silence.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.limits.deadline {
                return Poll::Ready(Break::Deadline);
            }
            let silent_at = self.heard_at + self.limits.idle;
            if now >= silent_at {
                return Poll::Ready(Break::Silent);
            }
            self.silence
                .as_mut()
                .reset(silent_at.min(self.limits.deadline));
        }
    }
}

impl http_body::Body for Opaque {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        loop {
            match Pin::new(&mut this.source).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.heard_at = Instant::now();
                    if frame.is_data() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(_))) => {
                    return Poll::Ready(Some(Err(this.cut(Break::Disconnected))));
                }
                Poll::Ready(None) => {
                    this.settlement.settle(Ending::Complete, &Usage::default());
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let why = ready!(this.poll_silence(cx));
                    return Poll::Ready(Some(Err(this.cut(why))));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

impl Drop for Opaque {
    fn drop(&mut self) {
        // With a length announced, the body is dropped once that much is sent, end or not.
        let ending = if self.source.is_end_stream() {
            Ending::Complete
        } else {
            Ending::ClientGone
        };
        self.settlement.settle(ending, &Usage::default());
    }
}
