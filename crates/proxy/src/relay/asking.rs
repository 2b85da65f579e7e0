//! While other targets are asked to go on with a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ai_gateway_providers::Interrupted;
use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::Break;
use crate::dispatch::{Resumed, Resumption};
use crate::story::Story;
use crate::waiting::COMMENT;

/// Others are asked to go on; meanwhile the client is told that somebody is at it.
///
/// Dropping it ends the attempt under way and tells the story.
pub(super) struct Asking {
    why: Break,
    asked: Pin<Box<dyn Future<Output = Resumed> + Send>>,
    patience: Option<Patience>,
}

/// When the client is told the next time.
struct Patience {
    every: Duration,
    next: Pin<Box<Sleep>>,
}

/// What there is to tell.
pub(super) enum Told {
    /// That others are still being asked.
    Comment(Bytes),
    /// What came of it, and why others were asked.
    Resumed(Break, Resumed),
}

impl Asking {
    pub(super) fn begin(
        why: Break,
        resumption: Box<Resumption>,
        story: Story,
        broken: Interrupted,
    ) -> Self {
        let patience = resumption.keep_alive().map(|every| Patience {
            every,
            next: Box::pin(tokio::time::sleep(every)),
        });
        Self {
            why,
            patience,
            asked: Box::pin(resumption.resume(story, broken)),
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Told> {
        if let Poll::Ready(resumed) = self.asked.as_mut().poll(cx) {
            return Poll::Ready(Told::Resumed(self.why, resumed));
        }
        let Some(Patience { every, next }) = &mut self.patience else {
            return Poll::Pending;
        };
        ready!(next.as_mut().poll(cx));
        next.as_mut().reset(Instant::now() + *every);
        Poll::Ready(Told::Comment(Bytes::from_static(COMMENT)))
    }
}
