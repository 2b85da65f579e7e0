//! An answer's body that ends its lease.

use std::pin::Pin;
use std::task::{Context, Poll};

use ai_gateway_health::{FailureKind, Outcome};
use http_body::{Body, Frame, SizeHint};

use crate::lease::Lease;

/// An answer's body that holds the lease until the end: the target counts as busy for as long as
/// it streams.
///
/// The end of the body is a success (or what [`Lease::wrap_body`] was told), an error is a failed
/// stream, and a body that is dropped before its end is a caller who left.
#[derive(Debug)]
pub struct LeasedBody<T, B> {
    lease: Option<Lease<T>>,
    outcome: Outcome,
    body: Pin<Box<B>>,
}

impl<T> Lease<T> {
    /// Hands the lease to the body of the answer; `outcome` is what its head said.
    pub fn wrap_body<B: Body>(self, outcome: Outcome, body: B) -> LeasedBody<T, B> {
        LeasedBody {
            lease: Some(self),
            outcome,
            body: Box::pin(body),
        }
    }
}

impl<T, B> Unpin for LeasedBody<T, B> {}

impl<T, B: Body> Body for LeasedBody<T, B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Poll::Ready(frame) = self.body.as_mut().poll_frame(context) else {
            return Poll::Pending;
        };
        let end = match &frame {
            Some(Ok(_)) => {
                if let Some(lease) = &mut self.lease {
                    lease.first_byte();
                }
                self.body.is_end_stream().then_some(self.outcome)
            }
            Some(Err(_)) => Some(Outcome::Failure(FailureKind::Stream)),
            None => Some(self.outcome),
        };
        if let Some(outcome) = end
            && let Some(lease) = self.lease.take()
        {
            lease.finish(outcome);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
