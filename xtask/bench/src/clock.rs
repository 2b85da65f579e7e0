//! The one clock of a measurement, the same in every process of this machine.

use std::time::{Duration, Instant};

use rustix::{
    thread::clock_nanosleep_absolute,
    time::{ClockId, Timespec, clock_gettime},
};

/// Reads the monotonic clock for use within this process.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement is about real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Reads the monotonic clock in nanoseconds, comparable between processes.
pub(crate) fn stamp_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Blocks this thread for `pause`: only for the chore's own thread, while nothing is measured.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing else runs on the chore's thread then"
)]
pub(crate) fn pause(pause: Duration) {
    std::thread::sleep(pause);
}

/// Blocks this thread until [`stamp_ns`] reads `at_ns`.
pub(crate) fn sleep_until_ns(at_ns: u64) {
    let Ok(at) = Timespec::try_from(Duration::from_nanos(at_ns)) else {
        return;
    };
    // A signal may wake it early.
    while clock_nanosleep_absolute(ClockId::Monotonic, &at).is_err() && stamp_ns() < at_ns {}
}
