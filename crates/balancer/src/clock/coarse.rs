//! A clock that is cheap to read, as somebody else reads the real one now and then.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::{Clock, MonotonicClock};

/// The operating system's monotonic clock as of the last tick: a read costs less than 1 ns.
///
/// Stands still between ticks, so everything that it dates is late by up to a period: rests,
/// rates and drains by so little that nobody notices; times to the first byte and seconds per token
/// are rounded to it. With a period of 1 ms that is exact enough for answers of language models.
/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct CoarseClock {
    shown: Arc<AtomicU64>,
    real: MonotonicClock,
}

impl CoarseClock {
    /// Makes a clock that shows the present until it is [ticked](Self::tick).
    pub fn new() -> Self {
        let real = MonotonicClock::new();
        Self {
            shown: Arc::new(AtomicU64::new(real.now_ns())),
            real,
        }
    }

    /// Makes a clock and a thread that ticks it every `period`, at least 100 µs. The thread ends
    /// within a period after the last clone is gone.
    ///
    /// # Errors
    ///
    /// The operating system's, when it starts no thread.
    pub fn ticking(period: Duration) -> io::Result<Self> {
        let clock = Self::new();
        let (shown, real) = (Arc::downgrade(&clock.shown), clock.real);
        let period = period.max(LEAST_PERIOD);
        thread::Builder::new()
            .name("coarse-clock".into())
            .spawn(move || {
                while show(&shown, &real) {
                    thread::park_timeout(period);
                }
            })?;
        Ok(clock)
    }

    /// Moves the clock on to the present. For those with a timer of their own; any number may.
    pub fn tick(&self) {
        self.shown.fetch_max(self.real.now_ns(), Ordering::Relaxed);
    }
}

/// Moves the clock on, if it is still there.
fn show(shown: &Weak<AtomicU64>, real: &MonotonicClock) -> bool {
    let shown = shown.upgrade();
    if let Some(shown) = &shown {
        shown.fetch_max(real.now_ns(), Ordering::Relaxed);
    }
    shown.is_some()
}

impl Default for CoarseClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for CoarseClock {
    #[inline]
    fn now_ns(&self) -> u64 {
        self.shown.load(Ordering::Relaxed)
    }
}

const LEAST_PERIOD: Duration = Duration::from_micros(100);

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_until_it_is_ticked() {
        let clock = CoarseClock::new();
        let (twin, first) = (clock.clone(), clock.now_ns());
        let real = clock.real.now_ns();
        assert_eq!(clock.now_ns(), first);
        clock.tick();
        assert!(twin.now_ns() >= real && real >= first);
    }

    #[test]
    fn its_thread_moves_it_and_ends_with_it() {
        let clock = CoarseClock::ticking(Duration::ZERO).expect("a thread");
        let (first, shown) = (clock.now_ns(), Arc::downgrade(&clock.shown));
        while clock.now_ns() == first {
            thread::yield_now();
        }
        drop(clock);
        // The thread holds it only while it shows the time.
        while shown.strong_count() > 0 {
            thread::yield_now();
        }
        assert!(!show(&shown, &MonotonicClock::new()));
    }
}
