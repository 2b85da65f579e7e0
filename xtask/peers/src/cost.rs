//! Taking the processor time of something short.

use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Nanoseconds of processor time that a call takes when two threads call at once: the median of
/// the rounds in which both ran side by side, each on a processor of its own, undisturbed.
pub fn nanos_of_two(act: impl Fn() + Sync) -> f64 {
    let gate = AtomicUsize::new(0);
    let thread = || (1..=ROUNDS).map(|round| side_by_side(&gate, round, &act)).collect::<Vec<_>>();
    let [one, two] = std::thread::scope(|scope| {
        let threads = [scope.spawn(thread), scope.spawn(thread)];
        threads.map(|thread| thread.join().expect("it does not panic"))
    });
    let both = one.iter().zip(&two).filter(|(one, two)| one.ran_beside(two));
    let mut costs: Vec<f64> = both.map(|(one, two)| (one.cost + two.cost) / 2.0).collect();
    costs.sort_by(f64::total_cmp);
    costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A round of calls of one of two threads: from when to when, and what a call took of the processor.
struct Round {
    start: f64,
    end: f64,
    cost: f64,
}

impl Round {
    fn ran_beside(&self, other: &Self) -> bool {
        let alone = |round: &Self| round.end - round.start < 1.05 * round.cost * f64::from(CALLS);
        let together = self.end.min(other.end) - self.start.max(other.start);
        let either = self.end.max(other.end) - self.start.min(other.start);
        alone(self) && alone(other) && together > 0.9 * either
    }
}

/// Makes a round of calls, once both threads are there.
fn side_by_side(gate: &AtomicUsize, round: usize, act: &impl Fn()) -> Round {
    gate.fetch_add(1, Ordering::SeqCst);
    let mut spins = 0_u32;
    while gate.load(Ordering::SeqCst) < 2 * round {
        spins += 1;
        if spins.is_multiple_of(4096) {
            std::thread::yield_now();
        }
    }
    let start = now(ClockId::Monotonic);
    let cost = timed(ClockId::ThreadCPUTime, &mut || act(), CALLS) / f64::from(CALLS);
    Round { start, end: now(ClockId::Monotonic), cost }
}

const ROUNDS: usize = 1000;
const CALLS: u32 = 20_000;

fn timed(clock: ClockId, act: &mut impl FnMut(), calls: u32) -> f64 {
    let start = now(clock);
    (0..calls).for_each(|_| act());
    now(clock) - start
}

fn now(clock: ClockId) -> f64 {
    let now = clock_gettime(clock);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
