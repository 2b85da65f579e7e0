//! A point in time, as the crate's callers count it.

use core::ops::Add;
use core::time::Duration;

/// A point in time: nanoseconds since an origin that the caller chooses, such as its start.
///
/// All arithmetic saturates, so a clock that steps back yields an elapsed time of zero, and a
/// date too far away becomes [`Moment::NEVER`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// Later than every moment that a clock can show.
    pub const NEVER: Self = Self(u64::MAX);

    /// Makes a moment of `nanos` nanoseconds since the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}
