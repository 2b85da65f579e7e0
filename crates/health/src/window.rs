//! The share of requests that passed lately.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::Moment;

/// Counts passed and failed requests over a sliding time, in ten exact buckets.
///
/// Shared and lock-free, so that a success costs one compare-and-swap and no lock. A bucket is
/// one word: the number of the slice of time that it counts, and the two counts. Counts stop at
/// about a million a bucket.
pub struct Window {
    /// Nanoseconds that a bucket counts.
    slice: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Window {
    /// Makes an empty window of length `span`, at least 10 ns.
    pub fn new(span: Duration) -> Self {
        Self {
            slice: AtomicU64::new(slice(span)),
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    /// Makes it a window of length `span`, at least 10 ns: empty, unless that is its length.
    pub fn resize(&self, span: Duration) {
        if self.slice.swap(slice(span), Ordering::Relaxed) != slice(span) {
            self.clear();
        }
    }

    /// Counts one request that ended at `now`.
    pub fn record(&self, passed: bool, now: Moment) {
        let number = self.number(now);
        let Some(bucket) = self.bucket(number) else {
            return;
        };
        let mut seen = bucket.load(Ordering::Relaxed);
        loop {
            let (ok, bad) = match Counts::unpack(seen) {
                counts if counts.tag == tag(number) => (counts.ok, counts.bad),
                _ => (0, 0),
            };
            let next = Counts {
                tag: tag(number),
                ok: (ok + u64::from(passed)).min(COUNT_MASK),
                bad: (bad + u64::from(!passed)).min(COUNT_MASK),
            };
            match bucket.compare_exchange_weak(
                seen,
                next.pack(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => seen = current,
            }
        }
    }

    /// How many requests passed and how many failed within the window that ends at `now`.
    pub fn counts(&self, now: Moment) -> (u64, u64) {
        let last = self.number(now);
        let first = last.saturating_sub(BUCKETS as u64 - 1).max(1);
        let mut total = (0, 0);
        for number in first..=last {
            let word = self.bucket(number).map_or(0, |b| b.load(Ordering::Relaxed));
            let counts = Counts::unpack(word);
            if counts.tag == tag(number) {
                total.0 += counts.ok;
                total.1 += counts.bad;
            }
        }
        total
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }

    /// The slice of time that `now` lies in. Counted from one: zero is the mark of no slice.
    fn number(&self, now: Moment) -> u64 {
        (now.as_nanos() / self.slice.load(Ordering::Relaxed)).saturating_add(1)
    }

    fn bucket(&self, number: u64) -> Option<&AtomicU64> {
        usize::try_from(number % BUCKETS as u64)
            .ok()
            .and_then(|index| self.buckets.get(index))
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("slice_ns", &self.slice.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The part of a window of length `span` that one bucket counts, in nanoseconds.
fn slice(span: Duration) -> u64 {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    (nanos / BUCKETS as u64).max(1)
}

const BUCKETS: usize = 10;
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const TAG_MASK: u64 = (1 << 24) - 1;

struct Counts {
    tag: u64,
    ok: u64,
    bad: u64,
}

impl Counts {
    const fn unpack(word: u64) -> Self {
        Self {
            tag: word >> (2 * COUNT_BITS),
            ok: (word >> COUNT_BITS) & COUNT_MASK,
            bad: word & COUNT_MASK,
        }
    }

    const fn pack(&self) -> u64 {
        self.tag << (2 * COUNT_BITS) | self.ok << COUNT_BITS | self.bad
    }
}

/// The low bits of a slice's number, never the zero of an empty bucket.
const fn tag(number: u64) -> u64 {
    number % TAG_MASK + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn the_window_slides_bucket_by_bucket() {
        let window = Window::new(Duration::from_secs(10));
        for second in 0..20 {
            window.record(second % 2 == 0, at(second * 1000));
        }
        assert_eq!(window.counts(at(19_500)), (5, 5));
        assert_eq!(window.counts(at(24_500)), (2, 3));
        assert_eq!(window.counts(at(28_999)), (0, 1));
        assert_eq!(window.counts(at(29_000)), (0, 0));
    }

    #[test]
    fn a_bucket_is_reused_without_its_old_counts() {
        let window = Window::new(Duration::from_secs(10));
        window.record(true, at(100));
        window.record(false, at(10_100));
        assert_eq!(window.counts(at(10_200)), (0, 1));
    }

    #[test]
    fn counts_stop_instead_of_running_over() {
        let window = Window::new(Duration::from_secs(10));
        for bucket in &window.buckets {
            bucket.store(
                Counts {
                    tag: tag(1),
                    ok: COUNT_MASK,
                    bad: COUNT_MASK,
                }
                .pack(),
                Ordering::Relaxed,
            );
        }
        window.record(true, at(0));
        window.record(false, at(0));
        assert_eq!(window.counts(at(0)), (COUNT_MASK, COUNT_MASK));
    }
}
