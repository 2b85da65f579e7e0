//! Keeps a panic within the request that met it.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The future panicked. What it said went to the panic hook; it may quote a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Panicked;

/// Runs `future`, which is dropped when it panics.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    // Whatever the future held is dropped while the panic unwinds; nothing of it is seen after.
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        },
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_future_and_nothing_else() {
        struct Seen<'a>(&'a std::cell::Cell<bool>);
        impl Drop for Seen<'_> {
            fn drop(&mut self) {
                self.0.set(std::thread::panicking());
            }
        }
        let seen = std::cell::Cell::new(false);
        let ended = caught(async {
            let _seen = Seen(&seen);
            tokio::task::yield_now().await;
            panic!("as a test wants it");
        });
        assert_eq!(ended.await, Err::<(), _>(Panicked));
        assert!(seen.get(), "dropped while it unwinds");
        assert_eq!(caught(async { 1 }).await, Ok(1));
    }
}
