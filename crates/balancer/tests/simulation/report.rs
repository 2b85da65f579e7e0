//! What a run came to.

/// What is measured of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Metric {
    /// The median of a request's time over its time alone on a whole target.
    P50Slowdown,
    /// Its 99th percentile.
    P99Slowdown,
    /// The 99th percentile of the seconds to the first byte.
    P99FirstByte,
    /// Requests that their callers saw fail, of all.
    FailedPercent,
    /// Attempts that came to nothing, of all.
    WastedPercent,
    /// How far the number of picks of a target ever was from its share, in requests.
    MostOff,
    /// The most requests that a target ever had, over the mean.
    PeakInFlight,
    /// The prompts whose beginning was in the cache of the target, of those that may be.
    HitPercent,
    /// How often a minute targets were taken out.
    TripsAMinute,
    /// Seconds from the return of the targets to the first request that one took.
    FirstSuccess,
    /// What the target takes in its busiest 5 s of the minute after its return, over the mean.
    Surge,
    /// What the target takes in the end, as a share of what it would take had nothing happened.
    ReturnShare,
}

impl Metric {
    pub(crate) const ALL: [Self; 12] = [
        Self::P50Slowdown,
        Self::P99Slowdown,
        Self::P99FirstByte,
        Self::FailedPercent,
        Self::WastedPercent,
        Self::MostOff,
        Self::PeakInFlight,
        Self::HitPercent,
        Self::TripsAMinute,
        Self::FirstSuccess,
        Self::Surge,
        Self::ReturnShare,
    ];

    /// What a table calls it, unit included.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P50Slowdown => "p50 slowdown",
            Self::P99Slowdown => "p99 slowdown",
            Self::P99FirstByte => "p99 first byte, s",
            Self::FailedPercent => "failed, %",
            Self::WastedPercent => "wasted attempts, %",
            Self::MostOff => "most off its share, requests",
            Self::PeakInFlight => "peak over mean in flight",
            Self::HitPercent => "prompts cached, %",
            Self::TripsAMinute => "trips a minute",
            Self::FirstSuccess => "first success after, s",
            Self::Surge => "peak of the returning, over the mean",
            Self::ReturnShare => "share of the returning, % of fair",
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) slowdowns: Vec<f64>,
    pub(crate) first_bytes: Vec<f64>,
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    pub(crate) attempts: usize,
    pub(crate) wasted: usize,
    pub(crate) most_off: f64,
    pub(crate) peak_in_flight: f64,
    pub(crate) mean_in_flight: f64,
    pub(crate) hits: u64,
    pub(crate) prompts: u64,
    pub(crate) trips: u64,
    pub(crate) minutes: f64,
    pub(crate) first_success: f64,
    pub(crate) surge: f64,
    pub(crate) return_share: f64,
}

impl Report {
    /// Sorts what percentiles are taken of.
    pub(crate) fn settle(mut self) -> Self {
        for list in [&mut self.slowdowns, &mut self.first_bytes] {
            // The first tenth only fills the targets.
            list.drain(..list.len() / 10);
            list.sort_by(f64::total_cmp);
        }
        self
    }

    pub(crate) fn get(&self, metric: Metric) -> f64 {
        match metric {
            Metric::P50Slowdown => percentile(&self.slowdowns, 50),
            Metric::P99Slowdown => percentile(&self.slowdowns, 99),
            Metric::P99FirstByte => percentile(&self.first_bytes, 99),
            Metric::FailedPercent => percent(self.failed, self.requests),
            Metric::WastedPercent => percent(self.wasted, self.attempts),
            Metric::MostOff => self.most_off,
            Metric::PeakInFlight => self.peak_in_flight / self.mean_in_flight,
            Metric::HitPercent => 100.0 * self.hits as f64 / self.prompts.max(1) as f64,
            Metric::TripsAMinute => self.trips as f64 / self.minutes,
            Metric::FirstSuccess => self.first_success,
            Metric::Surge => self.surge,
            Metric::ReturnShare => 100.0 * self.return_share,
        }
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or(f64::INFINITY)
}
