//! Ends an HTTP/2 stream whose client does not take what it asked for.
//!
//! On HTTP/1 such a client shows in the socket. On HTTP/2 it leaves the stream's window shut while
//! the connection goes on, and hyper, which waits for the window, asks the answer for nothing.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

tokio::task_local! {
    /// The pace of the stream that this task serves.
    static STREAM: Arc<Pace>;
}

/// How an answer's body is asked for: odd while it waits to be asked, one more with each change.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    /// The pace of the stream that the current task serves; `None` on HTTP/1.
    pub(crate) fn of_stream() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// Notes that the body has something and waits to be asked for it.
    pub(crate) fn offered(&self) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store((now + 1) | 1, Ordering::Relaxed);
    }

    /// Notes that the body has nothing now.
    pub(crate) fn waiting(&self) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store((now + 1) & !1, Ordering::Relaxed);
    }

    /// Returns when nobody has asked for what is offered for `stall`, or for half as long again.
    async fn stalled(&self, stall: Duration) {
        let (mut before, mut seen_twice) = (0, false);
        loop {
            tokio::time::sleep(stall / 2).await;
            let now = self.0.load(Ordering::Relaxed);
            // The first look may come just after the offer; the next two are half a stall apart.
            let is_same = now & 1 == 1 && now == before;
            if is_same && seen_twice {
                return;
            }
            seen_twice = is_same;
            before = now;
        }
    }
}

/// Runs a stream's task until it ends or stalls; answers whether it ended.
pub(super) async fn watched(task: impl Future, stall: Duration) -> bool {
    let pace = Arc::new(Pace::default());
    tokio::select! {
        biased;
        _ = STREAM.scope(Arc::clone(&pace), task) => true,
        () = pace.stalled(stall) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_asks_is_ended() {
        let begin = tokio::time::Instant::now();
        let ended = watched(
            async {
                Pace::of_stream().unwrap().offered();
                std::future::pending::<()>().await;
            },
            STALL,
        );
        assert!(!ended.await);
        assert!((STALL..=STALL * 2).contains(&begin.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_target_and_a_slow_reader_are_no_stall() {
        let ended = watched(
            async {
                let pace = Pace::of_stream().unwrap();
                for _ in 0..10 {
                    pace.offered();
                    tokio::time::sleep(STALL - Duration::from_secs(1)).await;
                }
                pace.waiting();
                tokio::time::sleep(STALL * 10).await;
            },
            STALL,
        );
        assert!(ended.await);
    }
}
