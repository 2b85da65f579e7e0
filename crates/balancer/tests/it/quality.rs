//! Bounds on how well requests are balanced, in short runs of the simulation.
//!
//! `cargo xtask bench quality` runs the same scenarios longer, and beside other balancers.

use ai_gateway_balancer::Algorithm;

use crate::simulation::{Metric, Ours, Report, Scenario, run, scenarios};

/// What a short run of the scenario called `id` comes to.
fn simulate(id: &str, algorithm: &Algorithm) -> Report {
    let all = scenarios(REQUESTS);
    let scenario = all.iter().find(|scenario| scenario.id == id);
    simulate_one(scenario.expect("it is a scenario"), algorithm)
}

fn simulate_one(scenario: &Scenario, algorithm: &Algorithm) -> Report {
    let make = |scenario: &Scenario, seed| Ours::make(scenario, seed, algorithm.clone());
    run(scenario, &make, 1)
}

fn figure(id: &str, algorithm: &Algorithm, metric: Metric) -> f64 {
    simulate(id, algorithm).get(metric)
}

/// Checks that a figure of every algorithm that is meant to balance load is at most `bound`.
#[track_caller]
fn check_all(id: &str, metric: Metric, bound: f64) {
    for algorithm in [
        Algorithm::TokenLatency,
        Algorithm::LeastConnections,
        Algorithm::Weighted,
    ] {
        let figure = figure(id, &algorithm, metric);
        let name = metric.name();
        assert!(figure <= bound, "{id}, {algorithm}: {name} is {figure:.3}");
    }
}

#[track_caller]
fn check(id: &str, algorithm: &Algorithm, metric: Metric, bound: f64) {
    let figure = figure(id, algorithm, metric);
    let name = metric.name();
    assert!(figure <= bound, "{id}, {algorithm}: {name} is {figure:.3}");
}

/// Checks that the 99th percentile of slowdowns with `token-latency` is at most this part of that
/// with `least-connections`.
#[track_caller]
fn check_beside_counts(id: &str, part: f64) {
    let ours = figure(id, &Algorithm::TokenLatency, Metric::P99Slowdown);
    let counts = figure(id, &Algorithm::LeastConnections, Metric::P99Slowdown);
    assert!(ours <= part * counts, "{id}: {ours:.2} beside {counts:.2}");
}

#[test]
fn every_scenario_can_be_measured() {
    for scenario in scenarios(500) {
        let report = simulate_one(&scenario, &Algorithm::TokenLatency);
        let name = scenario.name;
        assert!(!scenario.metrics.is_empty(), "{name} shows nothing");
        for metric in Metric::ALL {
            let figure = report.get(metric);
            assert!(figure.is_finite(), "{name}: {} is {figure}", metric.name());
        }
        for metric in scenario.metrics {
            assert!(Metric::ALL.contains(metric), "{metric:?} is not written");
        }
    }
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    let all = |report: Report| Metric::ALL.map(|metric| report.get(metric).to_bits());
    let once = || all(simulate("flapping", &Algorithm::TokenLatency));
    assert_eq!(once(), once());
}

#[test]
fn weights_are_met_to_the_request() {
    check("weights", &Algorithm::Weighted, Metric::MostOff, 1.0);
}

#[test]
fn equal_targets_are_loaded_evenly() {
    for id in ["equal-75", "equal-90", "memory"] {
        check_beside_counts(id, 1.05);
        check(id, &Algorithm::TokenLatency, Metric::PeakInFlight, 2.5);
    }
}

#[test]
fn slow_targets_get_less() {
    check_beside_counts("unequal", 0.8);
    check_beside_counts("gateways-4", 0.8);
    check_beside_counts("unequal-64", 0.8);
}

#[test]
fn a_target_that_turns_slow_is_seen() {
    check_beside_counts("slow-120", 0.75);
    check_beside_counts("slow-900", 0.75);
}

#[test]
fn fast_errors_attract_nothing() {
    // The target's fair share of the run would be 2.5 %.
    check(
        "errors",
        &Algorithm::TokenLatency,
        Metric::FailedPercent,
        0.6,
    );
}

#[test]
fn a_breaker_and_one_retry_hide_fast_errors() {
    check_all("errors-breaker", Metric::FailedPercent, 0.0);
}

#[test]
fn a_flapping_target_and_one_that_cuts_streams_rest() {
    // The fair share of either would be 6.25 %.
    check_all("flapping", Metric::FailedPercent, 0.6);
    check_all("cuts", Metric::FailedPercent, 0.6);
}

#[test]
fn quotas_are_kept_to() {
    for algorithm in [Algorithm::TokenLatency, Algorithm::Weighted] {
        check("quotas", &algorithm, Metric::FailedPercent, 0.15);
        check("quotas", &algorithm, Metric::WastedPercent, 6.0);
    }
    let counted = figure(
        "quotas",
        &Algorithm::LeastConnections,
        Metric::FailedPercent,
    );
    assert!(counted > 1.0, "quotas that nobody notices test nothing");
}

#[test]
fn a_drain_loses_no_request() {
    check_all("drains", Metric::FailedPercent, 0.0);
}

#[test]
fn a_target_that_returns_is_not_overrun() {
    check_all("returns", Metric::Surge, 2.0);
}

#[test]
fn callers_who_leave_do_not_lock_a_target_out() {
    for algorithm in [
        Algorithm::TokenLatency,
        Algorithm::LeastConnections,
        Algorithm::Weighted,
        Algorithm::RoundRobin,
    ] {
        let share = figure("leaving", &algorithm, Metric::ReturnShare);
        assert!(share >= 70.0, "{algorithm}: {share:.0} % of its fair share");
    }
}

#[test]
fn an_outage_of_all_ends_when_the_targets_return() {
    check_all("outage", Metric::FirstSuccess, 2.0);
    let report = simulate("outage", &Algorithm::TokenLatency);
    // Nobody can serve for a minute; what fails beside that was under way when it began.
    let down = 100.0 / report.minutes;
    let failed = report.get(Metric::FailedPercent);
    assert!(failed <= 1.35 * down, "{failed:.1} % failed of {down:.1} %");
}

#[test]
fn prompts_that_begin_alike_meet_their_cache() {
    let share = |algorithm| figure("prefixes", &algorithm, Metric::HitPercent);
    let (followed, spread) = (
        share(Algorithm::PrefixAffinity),
        share(Algorithm::TokenLatency),
    );
    assert!(
        followed >= 80.0,
        "{followed:.0} %, and {spread:.0} % without"
    );
}

/// Enough for some minutes of virtual time.
const REQUESTS: usize = 5000;
