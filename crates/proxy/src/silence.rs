//! How long an answer may pause, and how long it may take in all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::relay::Break;

/// The bounds of an answer that is being passed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    /// Between two pieces.
    pub(crate) idle: Duration,
    /// The end of the whole request's time.
    pub(crate) deadline: Instant,
}

/// Watches an answer's pauses.
///
/// The timer is moved only when it fires, not with each piece: that is cheaper by far.
pub(crate) struct Silence {
    limits: StreamLimits,
    heard_at: Instant,
    timer: Pin<Box<Sleep>>,
    ending: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Silence {
    /// Begins to watch; `ending` ends the answer, whatever its pauses.
    pub(crate) fn watch(limits: StreamLimits, ending: CancellationToken) -> Self {
        let now = Instant::now();
        let first = limits.deadline.min(now + limits.idle);
        Self {
            limits,
            heard_at: now,
            timer: Box::pin(tokio::time::sleep_until(first)),
            ending: Box::pin(ending.cancelled_owned()),
        }
    }

    /// Notes that a piece came.
    pub(crate) fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Waits no longer than `time` from now for all that is still to come.
    pub(crate) fn wait_at_most(&mut self, time: Duration) {
        self.limits.deadline = self.limits.deadline.min(Instant::now() + time);
        self.timer.as_mut().reset(self.limits.deadline);
    }

    /// Ready when the answer has paused, or taken, too long, or the gateway ends it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Break> {
        if self.ending.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Break::Stopping);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.limits.deadline {
                return Poll::Ready(Break::Deadline);
            }
            let silent_at = self.heard_at + self.limits.idle;
            if now >= silent_at {
                return Poll::Ready(Break::Silent);
            }
            self.timer
                .as_mut()
                .reset(silent_at.min(self.limits.deadline));
        }
    }
}
