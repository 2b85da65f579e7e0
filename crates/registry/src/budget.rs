//! How many tries an upstream's requests made in vain, against how many they may.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ai_gateway_model::RetryBudget;

/// Counts an upstream's requests, and the further tries of them that were in vain, by the second.
///
/// A try that helped is not counted: while any target is well, requests that fail on another find
/// it, however many they are. When nothing helps, the tries soon stop.
#[derive(Debug)]
pub struct RetryMeter {
    /// The second, the requests and the vain tries that began in it, each in its bits.
    seconds: [AtomicU64; SECONDS],
}

impl Default for RetryMeter {
    fn default() -> Self {
        Self {
            seconds: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl RetryMeter {
    /// Counts a request, `now` after a fixed moment.
    pub fn request(&self, now: Duration) {
        self.add(now, REQUEST);
    }

    /// Counts a further try that was in vain, `now` after the same moment.
    pub fn in_vain(&self, now: Duration) {
        self.add(now, VAIN);
    }

    /// Whether one more try may be made, `now` after the same moment.
    ///
    /// Tries under way are not counted yet, so those that are made at the same time may go beyond
    /// the budget by their number.
    pub fn allows(&self, budget: RetryBudget, now: Duration) -> bool {
        let RetryBudget::Limited {
            percent,
            per_second,
        } = budget
        else {
            return true;
        };
        let second = now.as_secs();
        let (mut requests, mut vain) = (0, 0);
        for at in second.saturating_sub(WINDOW - 1)..=second {
            let counted = self.slot(at).load(Ordering::Relaxed);
            if counted >> SECOND_SHIFT == at & SECOND_MASK {
                requests += counted >> REQUEST_SHIFT & COUNT_MASK;
                vain += counted & COUNT_MASK;
            }
        }
        vain < requests * u64::from(percent) / 100 + u64::from(per_second) * WINDOW
    }

    fn add(&self, now: Duration, one: u64) {
        let second = now.as_secs();
        let fresh = (second & SECOND_MASK) << SECOND_SHIFT;
        let count = |counted: u64| {
            let counted = if counted & !COUNTS == fresh {
                counted
            } else {
                fresh
            };
            // A count that is full stays so: its neighbour's bits are not its own.
            let is_full = counted & (one * COUNT_MASK) == one * COUNT_MASK;
            Some(if is_full { counted } else { counted + one })
        };
        // The closure always gives a value, so there is no failure to look at.
        let _ = self
            .slot(second)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    fn slot(&self, second: u64) -> &AtomicU64 {
        let place = usize::try_from(second % SECONDS as u64).unwrap_or(0);
        self.seconds.get(place).unwrap_or(&self.seconds[0])
    }
}

/// Over how many seconds is counted.
const WINDOW: u64 = 10;
/// A few more than the window, so that the second about to be left is not written over.
const SECONDS: usize = 16;
/// Twenty bits each for requests and vain tries: a million a second.
const REQUEST_SHIFT: u32 = 20;
const SECOND_SHIFT: u32 = 40;
const COUNT_MASK: u64 = (1 << 20) - 1;
const SECOND_MASK: u64 = (1 << 24) - 1;
const COUNTS: u64 = (1 << SECOND_SHIFT) - 1;
const REQUEST: u64 = 1 << REQUEST_SHIFT;
const VAIN: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const TENTH: RetryBudget = RetryBudget::Limited {
        percent: 10,
        per_second: 0,
    };

    /// Makes tries in vain until no more may be made, and says how many there were.
    fn exhaust(meter: &RetryMeter, budget: RetryBudget, now: Duration) -> u32 {
        for made in 0..10_000 {
            if !meter.allows(budget, now) {
                return made;
            }
            meter.in_vain(now);
        }
        panic!("there is no bound");
    }

    #[test]
    fn a_share_of_the_requests_may_be_tried_in_vain() {
        let meter = RetryMeter::default();
        let at = Duration::from_secs(3);
        assert_eq!(exhaust(&meter, TENTH, at), 0);
        for _ in 0..1000 {
            meter.request(at);
        }
        assert_eq!(exhaust(&meter, TENTH, at), 100);
        assert!(meter.allows(RetryBudget::Unlimited, at));
    }

    #[test]
    fn so_many_a_second_may_be_made_in_any_case() {
        let meter = RetryMeter::default();
        let budget = RetryBudget::Limited {
            percent: 0,
            per_second: 2,
        };
        assert_eq!(exhaust(&meter, budget, Duration::from_secs(100)), 20);
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let meter = RetryMeter::default();
        for second in 0..10 {
            for _ in 0..10 {
                meter.request(Duration::from_secs(second));
            }
        }
        assert_eq!(exhaust(&meter, TENTH, Duration::from_secs(9)), 10);
        assert_eq!(exhaust(&meter, TENTH, Duration::from_secs(10)), 0);
        // All requests but those of the last second are out of the window, and so are the tries.
        meter.request(Duration::from_secs(27));
        for _ in 0..99 {
            meter.request(Duration::from_secs(28));
        }
        assert_eq!(exhaust(&meter, TENTH, Duration::from_secs(36)), 10);
        // The second whose place it takes was 1,600 seconds ago.
        assert!(!meter.allows(TENTH, Duration::from_secs(1628)));
    }

    #[test]
    fn a_full_count_does_not_run_over() {
        let meter = RetryMeter::default();
        meter.seconds[0].store(COUNT_MASK << REQUEST_SHIFT, Ordering::Relaxed);
        meter.request(Duration::ZERO);
        meter.in_vain(Duration::ZERO);
        let counted = meter.seconds[0].load(Ordering::Relaxed);
        assert_eq!(counted, COUNT_MASK << REQUEST_SHIFT | 1);
    }
}
