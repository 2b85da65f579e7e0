//! Taking the processor time of something short.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time that one call of `act` takes: the least of many rounds, as all
/// noise adds.
pub fn nanos(mut act: impl FnMut()) -> f64 {
    let mut calls = 256;
    while timed(ClockId::ThreadCPUTime, &mut act, calls) < 3e6 {
        calls *= 2;
    }
    let round = |_| timed(ClockId::ThreadCPUTime, &mut act, calls) / f64::from(calls);
    (0..60).map(round).fold(f64::INFINITY, f64::min)
}

/// Milliseconds of processor time that one call of `act`, which takes long, needs: the least of 20.
pub fn millis(mut act: impl FnMut()) -> f64 {
    let round = |_| timed(ClockId::ThreadCPUTime, &mut act, 1) / 1e6;
    (0..20).map(round).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds of processor time that a call takes when two threads call at once.
pub fn nanos_of_two(act: impl Fn() + Sync) -> f64 {
    let calls = 100_000;
    let thread = || {
        let mut act = || act();
        let round = |_| timed(ClockId::ThreadCPUTime, &mut act, calls) / f64::from(calls);
        let mut rounds: Vec<f64> = (0..200).map(round).collect();
        rounds.sort_by(f64::total_cmp);
        // The least would be a round in which the other thread did not run.
        rounds[rounds.len() / 4]
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(thread), scope.spawn(thread)];
        threads.map(|thread| thread.join().expect("it does not panic")).iter().sum::<f64>() / 2.0
    })
}

fn timed(clock: ClockId, act: &mut impl FnMut(), calls: u32) -> f64 {
    let start = clock_gettime(clock);
    (0..calls).for_each(|_| act());
    let end = clock_gettime(clock);
    (end.tv_sec - start.tv_sec) as f64 * 1e9 + (end.tv_nsec - start.tv_nsec) as f64
}
