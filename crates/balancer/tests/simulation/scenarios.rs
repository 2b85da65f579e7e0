//! The scenarios.

use super::report::Metric;
use super::scenario::{Prompts, Scenario, Trouble};

/// Every scenario, with `requests` requests each.
pub(crate) fn scenarios(requests: usize) -> Vec<Scenario> {
    let mut all = speeds();
    all.extend(contents());
    all.extend(failures());
    all.extend(changes());
    for scenario in &mut all {
        scenario.requests = requests;
    }
    all
}

/// Targets that are as fast as they are.
fn speeds() -> Vec<Scenario> {
    let of_unequal = |id, name| Scenario {
        metrics: &[Metric::P99Slowdown],
        ..named(id, name).with(unequal(8), 0.75)
    };
    let in_turn = |id, name, secs| Scenario {
        trouble: Trouble::SlowInTurn(secs),
        ..named(id, name).with(vec![1.0; 8], 0.68)
    };
    vec![
        named("equal-75", "8 equal, load 0.75").with(vec![1.0; 8], 0.75),
        named("equal-90", "8 equal, load 0.90").with(vec![1.0; 8], 0.90),
        named("unequal", "8 unequal (0.4–1.6), load 0.75").with(unequal(8), 0.75),
        Scenario {
            gateways: 4,
            ..of_unequal("gateways-4", "8 unequal through 4 gateways")
        },
        Scenario {
            gateways: 16,
            ..of_unequal("gateways-16", "8 unequal through 16 gateways")
        },
        of_unequal("unequal-64", "64 unequal, load 0.75").with(unequal(64), 0.75),
        Scenario {
            slots: 4,
            ..of_unequal("slots-4", "8 unequal with 4 slots instead of 32")
        },
        in_turn(
            "slow-120",
            "8 equal, one 5 times slower in turn, 2 min",
            120.0,
        ),
        in_turn(
            "slow-900",
            "8 equal, one 5 times slower in turn, 15 min",
            900.0,
        ),
    ]
}

/// Requests that differ in more than their length.
fn contents() -> Vec<Scenario> {
    let prompts = Prompts::Sessions {
        sessions: 400,
        remembered: 60,
    };
    vec![
        Scenario {
            memory: 100_000.0,
            ..named("memory", "8 equal, little memory for prompts")
        },
        Scenario {
            metrics: &[Metric::P99FirstByte, Metric::HitPercent],
            prompts,
            ..named(
                "prefixes",
                "8 equal, long prompts of 400 sessions, 60 cached a target",
            )
        },
        Scenario {
            metrics: &[Metric::MostOff],
            weights: vec![50, 30, 20],
            ..named("weights", "3 equal, weights 50 : 30 : 20").with(vec![1.0; 3], 0.40)
        },
    ]
}

/// Targets that fail or refuse.
fn failures() -> Vec<Scenario> {
    let failing = |id, name, trouble, attempts| Scenario {
        metrics: &[Metric::FailedPercent],
        trouble,
        attempts,
        ..named(id, name)
    };
    let quotas = "unequal requests a minute, 85 % of them used, one retry";
    vec![
        Scenario {
            has_breaker: false,
            ..failing(
                "errors",
                "errors in 20 ms on one of 8, no breaker, no retry",
                Trouble::FastErrors,
                1,
            )
        },
        failing(
            "errors-breaker",
            "errors in 20 ms on one of 8, breaker, one retry",
            Trouble::FastErrors,
            2,
        ),
        Scenario {
            metrics: &[Metric::FailedPercent, Metric::TripsAMinute],
            ..failing(
                "flapping",
                "one of 8 flaps every 30 s, no retry",
                Trouble::Flapping,
                1,
            )
        },
        failing(
            "cuts",
            "one of 8 cuts half of its streams",
            Trouble::Cuts,
            2,
        ),
        Scenario {
            speeds: unequal(8),
            metrics: &[Metric::FailedPercent, Metric::WastedPercent],
            ..failing("quotas", quotas, Trouble::Quotas, 2)
        },
    ]
}

/// Targets that go and come.
fn changes() -> Vec<Scenario> {
    vec![
        Scenario {
            metrics: &[Metric::FirstSuccess, Metric::FailedPercent],
            trouble: Trouble::Outage,
            attempts: 2,
            ..named("outage", "all 8 down for a minute, one retry")
        },
        Scenario {
            metrics: &[Metric::ReturnShare],
            trouble: Trouble::Leaving,
            attempts: 2,
            ..named("leaving", "one of 8 hangs, callers lose patience")
        },
        Scenario {
            metrics: &[Metric::FailedPercent, Metric::P99Slowdown],
            trouble: Trouble::Drains,
            ..named("drains", "rolling restart, each target drained first")
        },
        Scenario {
            metrics: &[Metric::Surge, Metric::P99Slowdown],
            trouble: Trouble::Returns,
            attempts: 2,
            ..named("returns", "one of 8 returns cold, one retry")
        },
    ]
}

/// Eight equal targets that do six tenths of what they can.
fn named(id: &'static str, name: &'static str) -> Scenario {
    Scenario {
        id,
        name,
        metrics: &[Metric::P99Slowdown, Metric::P99FirstByte],
        weights: vec![1; 8],
        speeds: vec![1.0; 8],
        load: 0.60,
        requests: 0,
        gateways: 1,
        trouble: Trouble::None,
        has_breaker: true,
        attempts: 1,
        prompts: Prompts::Own,
        slots: 32,
        memory: f64::INFINITY,
    }
}

impl Scenario {
    /// The same with targets of these speeds, and of one weight unless others are given.
    fn with(mut self, speeds: Vec<f64>, load: f64) -> Self {
        if self.weights.len() != speeds.len() {
            self.weights.resize(speeds.len(), 1);
        }
        self.speeds = speeds;
        self.load = load;
        self
    }
}

/// From 0.4 to 1.6 of a whole target.
fn unequal(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.4 + 1.2 * (i % 8) as f64 / 7.0).collect()
}
