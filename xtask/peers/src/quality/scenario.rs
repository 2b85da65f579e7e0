//! What happens to the targets, and what is measured.

/// One row of the table.
pub struct Scenario {
    pub name: &'static str,
    pub metric: Metric,
    /// Work that each target does in a second, relative to a whole one.
    pub speeds: Vec<f64>,
    /// Load, as a share of what all targets together can do.
    pub load: f64,
    pub requests: usize,
    pub gateways: usize,
    pub trouble: Trouble,
    /// Whether targets rest after failures and limits.
    pub has_breaker: bool,
    pub attempts: usize,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Metric {
    P99Slowdown,
    FailedPercent,
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Self::P99Slowdown => "p99 slowdown",
            Self::FailedPercent => "% failed",
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq)]
pub enum Trouble {
    None,
    /// One target after the other is five times slower for two minutes.
    SlowInTurn,
    /// The first target answers every request with an error in 20 ms, for a fifth of the run.
    FastErrors,
    /// The first target does so for 30 s of every minute.
    Flapping,
    /// Each target takes so many requests a minute, and refuses the rest with a date. Here
    /// `speeds` are what they may take; what they can do is equal.
    Quotas,
}

pub fn scenarios() -> Vec<Scenario> {
    let unequal = |n: usize| (0..n).map(|i| 0.4 + 1.2 * (i % 8) as f64 / 7.0).collect::<Vec<_>>();
    let plain = |name, speeds, load| Scenario {
        name,
        metric: Metric::P99Slowdown,
        speeds,
        load,
        requests: 60_000,
        gateways: 1,
        trouble: Trouble::None,
        has_breaker: true,
        attempts: 1,
    };
    let failing = |name, trouble, has_breaker, attempts| Scenario {
        metric: Metric::FailedPercent,
        trouble,
        has_breaker,
        attempts,
        ..plain(name, vec![1.0; 8], 0.6)
    };
    vec![
        plain("8 equal, load 0.75", vec![1.0; 8], 0.75),
        plain("8 equal, load 0.90", vec![1.0; 8], 0.90),
        plain("8 unequal (0.4–1.6), load 0.75", unequal(8), 0.75),
        Scenario { gateways: 4, ..plain("the same through 4 gateways", unequal(8), 0.75) },
        Scenario {
            trouble: Trouble::SlowInTurn,
            ..plain("8 equal, one 5 times slower in turn", vec![1.0; 8], 0.68)
        },
        plain("64 unequal, load 0.75", unequal(64), 0.75),
        failing("errors in 20 ms on one of 8, no breaker, no retry", Trouble::FastErrors, false, 1),
        failing("the same with breaker and one retry", Trouble::FastErrors, true, 2),
        failing("one of 8 flaps every 30 s, breaker, no retry", Trouble::Flapping, true, 1),
        Scenario {
            speeds: unequal(8),
            ..failing("unequal requests a minute, 85 % of them used, one retry", Trouble::Quotas, true, 2)
        },
    ]
}
