//! Where the time comes from.

mod coarse;
#[cfg(feature = "quanta")]
mod tsc;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ai_gateway_health::Moment;

pub use self::coarse::CoarseClock;
#[cfg(feature = "quanta")]
pub use self::tsc::TscClock;

/// Tells the time, as nanoseconds since an origin of its own.
///
/// May stand still and may step back: elapsed times are then zero.
pub trait Clock: Send + Sync + 'static {
    /// Nanoseconds since the clock's origin.
    fn now_ns(&self) -> u64;
}

impl<C: Clock> Clock for Arc<C> {
    fn now_ns(&self) -> u64 {
        (**self).now_ns()
    }
}

/// The operating system's monotonic clock; the default. A read costs 20 to 30 ns.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    origin: Instant,
}

impl MonotonicClock {
    /// Makes a clock whose origin is a second before now, so that no moment is zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that the rest is given"
    )]
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            origin: now.checked_sub(Duration::from_secs(1)).unwrap_or(now),
        }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    #[inline]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that the rest is given"
    )]
    fn now_ns(&self) -> u64 {
        let elapsed = Instant::now().saturating_duration_since(self.origin);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that somebody moves: a test or a simulation. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// Makes a clock that shows its origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let moved = |now: u64| Some(now.saturating_add(nanos));
        let _before = self
            .nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    /// Makes the clock show `moment`, be it earlier or later.
    pub fn set(&self, moment: Moment) {
        self.nanos.store(moment.as_nanos(), Ordering::Relaxed);
    }

    /// What the clock shows.
    pub fn now(&self) -> Moment {
        Moment::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl Clock for ManualClock {
    #[inline]
    fn now_ns(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }
}

/// The clock of a balancer: the usual ones without an indirect call.
#[derive(Clone)]
pub(crate) enum ClockSource {
    Monotonic(MonotonicClock),
    Manual(ManualClock),
    Coarse(CoarseClock),
    #[cfg(feature = "quanta")]
    Tsc(TscClock),
    Other(Arc<dyn Clock>),
}

impl ClockSource {
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        Moment::from_nanos(match self {
            Self::Monotonic(clock) => clock.now_ns(),
            Self::Manual(clock) => clock.now_ns(),
            Self::Coarse(clock) => clock.now_ns(),
            #[cfg(feature = "quanta")]
            Self::Tsc(clock) => clock.now_ns(),
            Self::Other(clock) => clock.now_ns(),
        })
    }

    /// Takes `clock`, without the indirect call where it is one of this crate's own.
    pub(crate) fn of(clock: impl Clock) -> Self {
        let any: &dyn std::any::Any = &clock;
        if let Some(manual) = any.downcast_ref::<ManualClock>() {
            return Self::Manual(manual.clone());
        }
        if let Some(monotonic) = any.downcast_ref::<MonotonicClock>() {
            return Self::Monotonic(*monotonic);
        }
        if let Some(coarse) = any.downcast_ref::<CoarseClock>() {
            return Self::Coarse(coarse.clone());
        }
        #[cfg(feature = "quanta")]
        if let Some(tsc) = any.downcast_ref::<TscClock>() {
            return Self::Tsc(tsc.clone());
        }
        Self::Other(Arc::new(clock))
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_show_the_same_time() {
        let clock = ManualClock::new();
        let source = ClockSource::of(clock.clone());
        clock.advance(Duration::from_secs(3));
        assert_eq!(source.now(), Moment::from_nanos(3_000_000_000));
        clock.advance(Duration::MAX);
        assert_eq!(source.now(), Moment::NEVER);
    }

    #[test]
    fn clocks_of_this_crate_are_read_without_an_indirect_call() {
        let sources = [
            ClockSource::of(MonotonicClock::new()),
            ClockSource::of(CoarseClock::new()),
            #[cfg(feature = "quanta")]
            ClockSource::of(TscClock::new()),
        ];
        for source in &sources {
            assert!(!matches!(source, ClockSource::Other(_)));
            assert!(source.now() > Moment::ZERO);
        }
    }

    #[test]
    fn the_monotonic_clock_does_not_step_back() {
        let clock = MonotonicClock::new();
        let first = clock.now_ns();
        assert!(first > 0 && clock.now_ns() >= first);
    }
}
