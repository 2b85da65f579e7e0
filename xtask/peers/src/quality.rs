//! How well requests are balanced: a deterministic simulation in virtual time that drives the real
//! balancer, the real pingora selection, and re-creations of what other proxies do.

mod policies;
mod report;
mod scenario;
mod simulation;

use self::policies::ROSTER;
use self::report::Table;
use self::scenario::scenarios;

/// Runs every scenario with every policy, prints the table, and draws it into `plots`.
pub fn run(plots: Option<&str>) {
    let mut table = Table::new(ROSTER.iter().map(|entry| entry.name));
    for scenario in scenarios() {
        let measure = |entry: &policies::Entry| {
            let mut runs: Vec<f64> =
                (1..=SEEDS).map(|seed| simulation::run(&scenario, entry, seed)).collect();
            runs.sort_by(f64::total_cmp);
            runs[runs.len() / 2]
        };
        // A policy a thread: they share nothing.
        let figures = std::thread::scope(|scope| {
            let threads: Vec<_> =
                ROSTER.iter().map(|entry| scope.spawn(|| measure(entry))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        table.row(scenario.name, scenario.metric.name(), figures);
    }
    println!("{}", table.markdown());
    if let Some(folder) = plots {
        table.draw(folder).expect("the folder can be written to");
    }
}

/// Each figure is the median of this many runs.
const SEEDS: u64 = 3;
