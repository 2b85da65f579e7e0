//! How soon an upstream's answers usually begin, and how many requests may ask a second target.

use std::array;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ai_gateway_model::Hedge;

/// What tells when a request is to ask a second target beside a slow one, and whether it may.
///
/// Every count is one atomic word of its own: nobody waits for anybody.
#[derive(Debug, Default)]
pub struct HedgeMeter {
    /// Streams are there with their first token, plain answers with their last: each kind is
    /// compared with its own.
    streams: Recent,
    plain: Recent,
    /// What requests have put aside for second targets, in hundredths of one.
    saved: AtomicU32,
}

/// What kind of answer a time is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnswerKind {
    /// The time until it began.
    Stream,
    /// The time until it was whole.
    Plain,
}

impl HedgeMeter {
    /// Counts a request, which puts its share aside for a second target. No more than ten are
    /// ever put aside: a long calm pays for no burst.
    pub fn request(&self, hedge: Hedge) {
        let save = |saved: u32| Some((saved + hedge.percent).min(MOST_SAVED));
        // The closure always gives a value, so there is no failure to look at.
        let _ = self
            .saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, save);
    }

    /// Takes what one second target costs, if so much was put aside.
    pub fn take(&self) -> bool {
        let spend = |saved: u32| saved.checked_sub(ONE);
        self.saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
            .is_ok()
    }

    /// Puts back what was taken for a second target that was not asked after all.
    pub fn put_back(&self) {
        self.request(Hedge {
            percent: ONE,
            ..Hedge::default()
        });
    }

    /// Notes how long an answer took, or at least took when nobody waited for its end.
    pub fn took(&self, kind: AnswerKind, time: Duration) {
        self.recent(kind).add(time);
    }

    /// After how long a target counts as slow; `None` while fewer than twenty answers are known.
    ///
    /// The times are those of the last 128 answers of the kind, kept to the microsecond, up to
    /// 71 minutes.
    pub fn slow_after(&self, hedge: Hedge, kind: AnswerKind) -> Option<Duration> {
        let usual = self.recent(kind).percentile(hedge.percentile)?;
        Some(usual.max(hedge.min_delay))
    }

    fn recent(&self, kind: AnswerKind) -> &Recent {
        match kind {
            AnswerKind::Stream => &self.streams,
            AnswerKind::Plain => &self.plain,
        }
    }
}

/// The last times, in no order. One under way may be missed by a reader, none is read in part.
#[derive(Debug)]
struct Recent {
    micros: [AtomicU32; KEPT],
    added: AtomicU32,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            micros: array::from_fn(|_| AtomicU32::new(0)),
            added: AtomicU32::new(0),
        }
    }
}

impl Recent {
    fn add(&self, time: Duration) {
        // Zero says that there is nothing.
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1);
        let place = self.added.fetch_add(1, Ordering::Relaxed) as usize % KEPT;
        if let Some(slot) = self.micros.get(place) {
            slot.store(micros, Ordering::Relaxed);
        }
    }

    fn percentile(&self, percentile: u32) -> Option<Duration> {
        let mut times = self
            .micros
            .each_ref()
            .map(|slot| slot.load(Ordering::Relaxed));
        times.sort_unstable();
        let known = times.partition_point(|&micros| micros == 0);
        let times = times.get(known..)?;
        if times.len() < LEAST {
            return None;
        }
        let place = times.len() * percentile as usize / 100;
        let micros = times.get(place.min(times.len() - 1))?;
        Some(Duration::from_micros(u64::from(*micros)))
    }
}

/// Enough for the 99th percentile to be more than the largest, and sorted in microseconds.
const KEPT: usize = 128;
/// Of fewer nobody can say what is usual.
const LEAST: usize = 20;
/// What a second target costs.
const ONE: u32 = 100;
const MOST_SAVED: u32 = 10 * ONE;

#[cfg(test)]
mod tests {
    use super::*;

    fn hedge(percent: u32) -> Hedge {
        Hedge {
            percentile: 90,
            min_delay: Duration::from_millis(5),
            percent,
        }
    }

    fn taken(meter: &HedgeMeter) -> usize {
        (0..1000).take_while(|_| meter.take()).count()
    }

    #[test]
    fn a_share_of_the_requests_may_ask_a_second_target() {
        let meter = HedgeMeter::default();
        assert_eq!(taken(&meter), 0, "nothing was put aside");
        for _ in 0..59 {
            meter.request(hedge(5));
        }
        assert_eq!(taken(&meter), 2);
        meter.request(hedge(5));
        assert_eq!(taken(&meter), 1, "what is left over counts on");
    }

    #[test]
    fn a_long_calm_pays_for_ten() {
        let meter = HedgeMeter::default();
        for _ in 0..10_000 {
            meter.request(hedge(5));
        }
        assert_eq!(taken(&meter), 10);
        meter.put_back();
        assert_eq!(taken(&meter), 1);
    }

    #[test]
    fn what_is_slow_is_known_from_twenty_answers_on_and_for_each_kind() {
        let meter = HedgeMeter::default();
        let slow = |kind| meter.slow_after(hedge(5), kind);
        for millis in 1..20 {
            meter.took(AnswerKind::Stream, Duration::from_millis(millis));
        }
        assert_eq!(slow(AnswerKind::Stream), None);
        meter.took(AnswerKind::Stream, Duration::from_millis(20));
        assert_eq!(slow(AnswerKind::Stream), Some(Duration::from_millis(19)));
        assert_eq!(slow(AnswerKind::Plain), None);
    }

    #[test]
    fn nothing_is_slow_before_the_least_delay_and_old_times_are_forgotten() {
        let meter = HedgeMeter::default();
        for _ in 0..KEPT {
            meter.took(AnswerKind::Plain, Duration::MAX);
        }
        let slow = || meter.slow_after(hedge(5), AnswerKind::Plain);
        assert_eq!(slow(), Some(Duration::from_micros(u64::from(u32::MAX))));
        for _ in 0..KEPT {
            meter.took(AnswerKind::Plain, Duration::ZERO);
        }
        assert_eq!(slow(), Some(Duration::from_millis(5)));
    }
}
