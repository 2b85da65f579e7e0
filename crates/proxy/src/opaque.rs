//! Passes an answer through whose form the gateway does not know.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ai_gateway_providers::Usage;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::body::Cut;
use crate::client::Source;
use crate::relay::Break;
use crate::settle::{Ending, Settlement};
use crate::silence::{Silence, StreamLimits};

/// A target's answer, byte by byte.
///
/// Only HTTP's own framing says whether it is whole. When it is not, neither is what the client
/// gets: its connection is closed instead of ended.
pub(crate) struct Opaque {
    source: Source,
    silence: Silence,
    settlement: Settlement,
}

impl Opaque {
    pub(crate) fn new(source: Source, limits: StreamLimits, settlement: Settlement) -> Self {
        Self {
            source,
            silence: Silence::watch(limits, settlement.ending()),
            settlement,
        }
    }

    fn cut(&mut self, why: Break) -> Cut {
        self.settlement
            .settle(Ending::Broken(why), &Usage::default());
        Cut
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
                    this.silence.heard();
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
                    let why = ready!(this.silence.poll(cx));
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
