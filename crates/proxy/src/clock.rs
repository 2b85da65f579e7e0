//! The one place where the proxy learns what time it is.

use std::time::{Duration, UNIX_EPOCH};

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

    /// Milliseconds since the Unix epoch; 0 while the machine's clock stands before it.
    pub(crate) fn wall_ms() -> u64 {
        #[expect(clippy::disallowed_methods, reason = "this is where wall time enters")]
        let now = std::time::SystemTime::now();
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }
}
