//! How a quantity went over time.

use std::fmt;

/// What was seen, and when.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Seconds since the first one, and KiB.
    seen: Vec<(f64, f64)>,
}

/// Where memory goes while nothing changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slope {
    kib_a_minute: f64,
    /// From the first quarter of the samples to the last.
    grown_kib: f64,
}

impl Samples {
    pub(crate) fn add(&mut self, seconds: f64, kib: u64) {
        let kib = u32::try_from(kib).map_or(f64::from(u32::MAX), f64::from);
        self.seen.push((seconds, kib));
    }

    pub(crate) fn most(&self) -> f64 {
        self.seen.iter().map(|(_, kib)| *kib).fold(0.0, f64::max)
    }

    pub(crate) fn mean(&self) -> f64 {
        mean(self.seen.iter().map(|(_, kib)| *kib))
    }

    /// The line of least squares, the first fifth left out: what is warming up is no leak.
    pub(crate) fn slope(&self) -> Slope {
        let warm = self.seen.get(self.seen.len() / 5..).unwrap_or_default();
        let middle = mean(warm.iter().map(|(at, _)| *at));
        let level = mean(warm.iter().map(|(_, kib)| *kib));
        let rise: f64 = warm
            .iter()
            .map(|(at, kib)| (at - middle) * (kib - level))
            .sum();
        let run: f64 = warm.iter().map(|(at, _)| (at - middle).powi(2)).sum();
        let quarter = warm.len().div_ceil(4);
        let last = warm.iter().rev().take(quarter).map(|(_, kib)| *kib);
        let first = warm.iter().take(quarter).map(|(_, kib)| *kib);
        Slope {
            kib_a_minute: if run > 0.0 { 60.0 * rise / run } else { 0.0 },
            grown_kib: mean(last) - mean(first),
        }
    }
}

impl Slope {
    /// Whether what it grew by is what any process's memory does by itself.
    pub(crate) fn is_level(self) -> bool {
        self.grown_kib <= ALLOWED_KIB
    }
}

impl fmt::Display for Slope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:+.0} KiB a minute, {:+.0} KiB from the first quarter to the last (allowed {ALLOWED_KIB})",
            self.kib_a_minute, self.grown_kib
        )
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// What an allocator takes and gives back by itself.
const ALLOWED_KIB: f64 = 4096.0;

#[cfg(test)]
mod tests {
    use super::Samples;

    fn samples(kib: impl Fn(u32) -> u32) -> Samples {
        let mut samples = Samples::default();
        for second in 0..600 {
            samples.add(f64::from(second), u64::from(kib(second)));
        }
        samples
    }

    #[test]
    fn a_leak_shows_and_a_warm_up_does_not() {
        let leak = samples(|second| 100_000 + 20 * second).slope();
        assert!((leak.kib_a_minute - 1200.0).abs() < 1.0);
        assert!(!leak.is_level());
        let warm = samples(|second| 100_000 + 1_000 * second.min(60)).slope();
        assert!(warm.is_level(), "{warm}");
        assert!(warm.kib_a_minute.abs() < 1.0);
    }
}
