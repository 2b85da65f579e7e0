//! The processor's own counter as a clock.

use super::Clock;

/// The processor's time stamp counter, where it runs evenly, and else the operating system's
/// monotonic clock: a read costs about 10 ns instead of 20 to 30.
///
/// Making the first one of a process compares the counter with the operating system's clock, which
/// can take up to 200 ms.
#[derive(Clone, Debug)]
pub struct TscClock {
    clock: quanta::Clock,
    origin: quanta::Instant,
}

impl TscClock {
    /// Makes a clock whose origin is a second before now, so that no moment is zero.
    pub fn new() -> Self {
        let clock = quanta::Clock::new();
        let origin = clock.now();
        Self { clock, origin }
    }
}

impl Default for TscClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TscClock {
    #[inline]
    fn now_ns(&self) -> u64 {
        let elapsed = self.clock.now().saturating_duration_since(self.origin);
        u64::try_from(elapsed.as_nanos())
            .unwrap_or(u64::MAX)
            .saturating_add(SECOND_NS)
    }
}

const SECOND_NS: u64 = 1_000_000_000;

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::MonotonicClock;

    #[test]
    fn it_goes_as_fast_as_the_operating_systems_clock() {
        let (tsc, usual) = (TscClock::new(), MonotonicClock::new());
        let (tsc_first, usual_first) = (tsc.now_ns(), usual.now_ns());
        while usual.now_ns() < usual_first + 50_000_000 {
            std::hint::spin_loop();
        }
        // The second pair is read the other way round: so what the operating system's clock says
        // is more than what passed between the reads of the counter.
        let tsc_passed = tsc.now_ns() - tsc_first;
        let usual_passed = usual.now_ns() - usual_first;
        assert!(tsc_first >= SECOND_NS);
        assert!(tsc_passed < usual_passed + 5_000_000, "{tsc_passed}");
        assert!(tsc_passed > 45_000_000, "{tsc_passed} of {usual_passed}");
    }
}
