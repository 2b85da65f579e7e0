//! What is learnt about a target from the requests that end: lock-free words, each two halves.

use std::sync::OnceLock;
use std::time::Duration;

use ai_gateway_health::Moment;

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What was learnt about one target.
pub(crate) struct Load {
    /// What a token costs here, and what that is to be multiplied with for requests that are wasted:
    /// both follow from what is below, and are reckoned when a request ends, not at each look.
    cost: AtomicU64,
    /// Seconds per weighted token; 0 when nothing is known.
    spt: AtomicU32,
    /// Seconds that a request takes.
    service: AtomicU32,
    rare: OnceLock<Box<Rare>>,
}

/// What is only learnt of targets that fail or are limited, or for some algorithms.
struct Rare {
    /// The share of requests that passed.
    success: AtomicU32,
    /// The part of its room that a rate limit left, and when it last shrank, in ms.
    room: AtomicU64,
    /// Recent failures that count as if in flight, and as of when, in ms.
    ghosts: AtomicU64,
    /// Seconds to the first byte, and as of when, in ms.
    ttft: AtomicU64,
    /// Tokens used, fading over a minute, and as of when, in ms.
    usage: AtomicU64,
    /// Tokens for a minute.
    budget: AtomicU32,
}

impl Rare {
    fn new() -> Box<Self> {
        Box::new(Self {
            success: AtomicU32::new(1.0_f32.to_bits()),
            room: AtomicU64::new(pack(1.0, 0)),
            ghosts: AtomicU64::new(0),
            ttft: AtomicU64::new(0),
            usage: AtomicU64::new(0),
            budget: AtomicU32::new(1.0_f32.to_bits()),
        })
    }
}

impl Load {
    pub(crate) fn new() -> Self {
        Self {
            cost: AtomicU64::new(pack(0.0, 1.0_f32.to_bits())),
            spt: AtomicU32::new(0),
            service: AtomicU32::new(0),
            rare: OnceLock::new(),
        }
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Rare::new)
    }

    /// Makes room for what is learnt where requests are timed or their tokens counted.
    pub(crate) fn prepare(&self, budget: f32) {
        self.rare()
            .budget
            .store(budget.to_bits(), Ordering::Relaxed);
    }

    /// Seconds per weighted token; 0 when nothing is known.
    pub(crate) fn spt(&self) -> f32 {
        f32::from_bits(self.spt.load(Ordering::Relaxed))
    }

    /// What a token costs here, `usual` where none was timed: [`token_cost`] over the room and the
    /// share of requests that passed.
    #[inline]
    pub(crate) fn cost(&self, usual: f32) -> f32 {
        let (cost, waste) = unpack(self.cost.load(Ordering::Relaxed));
        (if cost > 0.0 { cost } else { usual }) * f32::from_bits(waste)
    }

    /// Takes over seconds per token.
    fn set_spt(&self, spt: f32) {
        self.spt.store(spt.to_bits(), Ordering::Relaxed);
        change(&self.cost, |_, waste| (token_cost(spt), waste));
    }

    /// Reckons anew how much is wasted.
    fn reckon_waste(&self) {
        change(&self.cost, |cost, _| {
            let worth = self.room() * self.success().max(LEAST_SUCCESS);
            (cost, worth.recip().to_bits())
        });
    }

    /// The share of requests that passed, from 0 to 1.
    pub(crate) fn success(&self) -> f32 {
        match self.rare.get() {
            Some(rare) => f32::from_bits(rare.success.load(Ordering::Relaxed)),
            None => 1.0,
        }
    }

    /// The part of its room that rate limits left, from 0.01 to 1.
    #[inline]
    pub(crate) fn room(&self) -> f32 {
        match self.rare.get() {
            Some(rare) => unpack(rare.room.load(Ordering::Relaxed)).0,
            None => 1.0,
        }
    }

    /// Recent failures that count as if they were still in flight.
    pub(crate) fn ghosts(&self, now: Moment) -> f32 {
        let ghosts = self.rare.get().map_or(0.0, |rare| {
            faded(
                rare.ghosts.load(Ordering::Relaxed),
                now,
                self.service_secs(),
            )
        });
        if ghosts < LEAST_GHOST { 0.0 } else { ghosts }
    }

    /// Seconds to the first byte, by a mean that falls over ten seconds.
    pub(crate) fn ttft(&self, now: Moment) -> Option<f32> {
        let word = self.rare.get()?.ttft.load(Ordering::Relaxed);
        (word != 0).then(|| faded(word, now, TTFT_FADES_SECS).max(f32::MIN_POSITIVE))
    }

    /// Tokens used in about the last minute, over those for a minute.
    pub(crate) fn usage(&self, now: Moment) -> f32 {
        self.rare.get().map_or(0.0, |rare| {
            let used = faded(rare.usage.load(Ordering::Relaxed), now, USAGE_FADES_SECS);
            used / f32::from_bits(rare.budget.load(Ordering::Relaxed))
        })
    }

    /// Notes a request that passed.
    #[inline]
    pub(crate) fn passed(&self) {
        if unpack(self.cost.load(Ordering::Relaxed)).1 != 1.0_f32.to_bits() {
            self.recover();
        }
    }

    #[cold]
    fn recover(&self) {
        self.change_success(|success| {
            let better = success + RECOVERS * (1.0 - success);
            if better > 0.999 { 1.0 } else { better }
        });
        if self.room() < 1.0 {
            change(&self.rare().room, |room, ms| {
                ((room + ROOM_STEP).min(1.0), ms)
            });
        }
        self.reckon_waste();
    }

    fn change_success(&self, next: impl Fn(f32) -> f32) {
        let cell = &self.rare().success;
        let mut seen = cell.load(Ordering::Relaxed);
        loop {
            let success = next(f32::from_bits(seen)).to_bits();
            match cell.compare_exchange_weak(seen, success, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => seen = current,
            }
        }
    }

    /// Notes a failure of the target.
    pub(crate) fn failed(&self, now: Moment) {
        self.change_success(|success| success * FALLS);
        let fades = self.service_secs();
        change(&self.rare().ghosts, |ghosts, ms| {
            (faded(pack(ghosts, ms), now, fades) + 1.0, stamp(now))
        });
        self.reckon_waste();
    }

    /// Notes that the target asked for fewer requests.
    pub(crate) fn limited(&self, now: Moment) {
        change(&self.rare().room, |room, ms| {
            if room < 1.0 && elapsed_ms(ms, now) < 1000 {
                return (room, ms);
            }
            ((room * ROOM_FALLS).max(LEAST_ROOM), stamp(now))
        });
        self.reckon_waste();
    }

    /// Notes that an answer of `tokens` weighted tokens took `secs`; gives back the new mean.
    pub(crate) fn timed(&self, secs: f32, tokens: f32) -> f32 {
        // A clock that stood still meanwhile says no less: lesser numbers would be slow to reckon
        // with.
        let time = secs.max(LEAST_SECS);
        let sample = time / tokens.max(1.0);
        let spt = self.spt();
        let mean = if spt > 0.0 {
            spt + SMOOTH * (sample - spt)
        } else {
            sample
        };
        // Of two that come at once one may be lost; the next makes up for it.
        self.set_spt(mean.max(f32::MIN_POSITIVE));
        let usual = f32::from_bits(self.service.load(Ordering::Relaxed));
        let next = if usual > 0.0 {
            usual + SMOOTH * (time - usual)
        } else {
            time
        };
        self.service.store(next.to_bits(), Ordering::Relaxed);
        mean
    }

    /// Notes an answer that did not come within `secs`: says something only if it would be slow.
    pub(crate) fn at_least(&self, secs: f32) {
        let known = self.spt();
        let usual = f32::from_bits(self.service.load(Ordering::Relaxed));
        if known > 0.0 && secs > usual {
            let slower = if usual > 0.0 {
                known * secs / usual
            } else {
                known
            };
            self.set_spt(known + SMOOTH * (slower - known));
        }
    }

    /// Notes a first byte after `time`.
    pub(crate) fn first_byte(&self, time: Duration, now: Moment) {
        let sample = time.as_secs_f32().max(1e-6);
        change(&self.rare().ttft, |mean, ms| {
            if mean <= sample {
                return (sample, stamp(now));
            }
            let kept = faded(pack(1.0, ms), now, TTFT_FADES_SECS);
            (sample + kept * (mean - sample), stamp(now))
        });
    }

    /// Notes tokens used.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate needs no more than 24 bits"
    )]
    pub(crate) fn used(&self, tokens: u64, now: Moment) {
        change(&self.rare().usage, |used, ms| {
            (
                faded(pack(used, ms), now, USAGE_FADES_SECS) + tokens as f32,
                stamp(now),
            )
        });
    }

    fn service_secs(&self) -> f32 {
        let seconds = f32::from_bits(self.service.load(Ordering::Relaxed));
        if seconds > 0.0 {
            seconds
        } else {
            UNKNOWN_SERVICE_SECS
        }
    }
}

/// What a token costs that takes so many seconds: a pace counts for more than requests in flight.
#[inline]
pub(crate) fn token_cost(spt: f32) -> f32 {
    spt * spt.sqrt()
}

const fn pack(value: f32, other: u32) -> u64 {
    (value.to_bits() as u64) << 32 | other as u64
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "takes the halves of a word"
)]
const fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

/// Replaces a word by what `next` makes of its halves.
fn change(cell: &AtomicU64, mut next: impl FnMut(f32, u32) -> (f32, u32)) {
    // Whoever changes a word sees all that its last changer went by.
    let mut seen = cell.load(Ordering::Acquire);
    loop {
        let (value, other) = unpack(seen);
        let (value, other) = next(value, other);
        let packed = pack(value, other);
        match cell.compare_exchange_weak(seen, packed, Ordering::Release, Ordering::Acquire) {
            Ok(_) => return,
            Err(current) => seen = current,
        }
    }
}

/// The moment in ms, as far as 32 bits tell: comes round after 49 days.
#[expect(
    clippy::cast_possible_truncation,
    reason = "comes round, and differences stay right"
)]
const fn stamp(now: Moment) -> u32 {
    (now.as_nanos() / 1_000_000) as u32
}

/// The ms since a stamp; none for one that lies ahead.
fn elapsed_ms(stamped: u32, now: Moment) -> u32 {
    let elapsed = stamp(now).wrapping_sub(stamped);
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

/// A stamped value, faded by `e` for every `secs` since.
#[expect(
    clippy::cast_precision_loss,
    reason = "fading needs no more than 24 bits"
)]
fn faded(word: u64, now: Moment, secs: f32) -> f32 {
    let (value, ms) = unpack(word);
    if value == 0.0 {
        return 0.0;
    }
    let elapsed = elapsed_ms(ms, now) as f32 / 1000.0;
    value * (-elapsed / secs).exp()
}

/// What an answer takes at least.
const LEAST_SECS: f32 = 1e-6;
/// How much one sample counts in a mean.
const SMOOTH: f32 = 0.05;
/// What a failure leaves of the share of requests that passed.
const FALLS: f32 = 0.7;
/// How much of what is missing in that share a success brings back.
const RECOVERS: f32 = 0.3;
/// What a rate limit leaves of a target's room.
const ROOM_FALLS: f32 = 0.7;
/// What a success adds to it.
const ROOM_STEP: f32 = 0.002;
/// What rate limits leave of it in the end.
const LEAST_ROOM: f32 = 0.01;
/// Over which time the mean time to the first byte falls.
const TTFT_FADES_SECS: f32 = 10.0;
/// Over which time used tokens fade: what is left of a steady use is a minute's worth.
const USAGE_FADES_SECS: f32 = 60.0;
/// How long a request takes, as long as none was timed.
const UNKNOWN_SERVICE_SECS: f32 = 2.0;
/// A target that only failed lately still counts for this much, so that it is tried now and then.
const LEAST_SUCCESS: f32 = 0.02;
/// Below this a failure is forgotten.
const LEAST_GHOST: f32 = 0.05;

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[track_caller]
    fn close(left: f32, right: f32) {
        assert!((left - right).abs() < 1e-3, "{left} is not {right}");
    }

    #[test]
    fn the_first_sample_is_the_mean_and_later_ones_move_it_by_a_twentieth() {
        let load = Load::new();
        close(load.timed(1.0, 10.0), 0.1);
        close(load.timed(2.0, 10.0), 0.105);
    }

    #[test]
    fn answers_within_one_tick_of_a_coarse_clock_do_not_vanish() {
        let load = Load::new();
        for _ in 0..5000 {
            load.timed(0.0, 100.0);
        }
        assert!(load.spt() >= 1e-9 && load.service_secs() >= 1e-7);
    }

    #[test]
    fn the_window_of_the_mean_slides() {
        let load = Load::new();
        for _ in 0..200 {
            load.timed(10.0, 1.0);
        }
        for _ in 0..200 {
            load.timed(1.0, 1.0);
        }
        close(load.spt(), 1.0);
    }

    #[test]
    fn success_falls_fast_and_comes_back_whole() {
        let load = Load::new();
        load.failed(at(1));
        load.failed(at(1));
        close(load.success(), 0.49);
        for _ in 0..30 {
            load.passed();
        }
        assert!(load.success() >= 1.0, "no work is left for later successes");
    }

    #[test]
    fn rate_limits_shrink_the_room_at_most_once_a_second() {
        let load = Load::new();
        for _ in 0..50 {
            load.limited(at(5_000));
        }
        close(load.room(), 0.7);
        load.limited(at(6_000));
        close(load.room(), 0.49);
        for second in 7..40 {
            load.limited(at(second * 1000));
        }
        close(load.room(), 0.01);
    }

    #[test]
    fn ghosts_fade_with_the_time_that_a_request_takes() {
        let load = Load::new();
        load.timed(10.0, 1.0);
        load.failed(at(1000));
        close(load.ghosts(at(1000)), 1.0);
        close(load.ghosts(at(11_000)), 0.3679);
        close(load.ghosts(at(100_000)), 0.0);
    }

    #[test]
    fn a_slow_first_byte_counts_at_once_and_is_forgotten_slowly() {
        let load = Load::new();
        load.first_byte(Duration::from_millis(100), at(1000));
        load.first_byte(Duration::from_secs(2), at(1000));
        close(load.ttft(at(1000)).unwrap(), 2.0);
        load.first_byte(Duration::from_millis(100), at(1000));
        close(load.ttft(at(1000)).unwrap(), 2.0);
        close(load.ttft(at(11_000)).unwrap(), 0.7358);
    }

    #[test]
    fn a_clock_that_steps_back_fades_nothing() {
        let load = Load::new();
        load.failed(at(10_000));
        close(load.ghosts(at(1)), 1.0);
    }
}
