//! The one place where the proxy learns what time it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time: monotonic from a fixed start, and the wall's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts the clock; follows tokio's, which a test may pause.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Since the clock was started.
    pub(crate) fn monotonic(self) -> Duration {
        self.start.elapsed()
    }

    /// The wall's time.
    pub(crate) fn wall() -> SystemTime {
        #[expect(clippy::disallowed_methods, reason = "this is where wall time enters")]
        SystemTime::now()
    }

    /// Milliseconds since the Unix epoch; 0 while the machine's clock stands before it.
    pub(crate) fn wall_ms() -> u64 {
        let since_epoch = Self::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}
