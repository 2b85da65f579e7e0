//! How well requests are balanced: a deterministic simulation in virtual time that drives the real
//! balancer, the real pingora and tower, and re-creations of what other proxies do.

mod breakers;
mod litellm;
mod pingora;
mod plots;
mod prequal;
mod recreated;
mod roster;
mod scores;
#[path = "../../../crates/balancer/tests/simulation/simulation.rs"]
mod simulation;
mod table;
mod tower_p2c;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use self::roster::{Entry, ROSTER};
use self::scores::Scores;
use self::simulation::{Metric, Report, Scenario, run as simulate, scenarios};

/// Runs every scenario with every policy, or those whose names are `wanted`; prints the table, and
/// draws it into `plots`.
pub fn run(plots: Option<&str>, wanted: &[String]) {
    let names: Vec<&str> = scenarios(0).iter().map(|scenario| scenario.id).collect();
    if let Some(unknown) = wanted.iter().find(|id| !names.contains(&id.as_str())) {
        eprintln!("no scenario is called {unknown}; there are {}", names.join(", "));
        std::process::exit(2);
    }
    let mut rows = scenarios(REQUESTS);
    rows.retain(|scenario| wanted.is_empty() || wanted.iter().any(|id| id == scenario.id));
    let scores = measure(rows);
    println!("{}", table::markdown(&scores));
    if let Some(folder) = plots {
        let written = table::write_all(&scores, folder).and_then(|()| plots::draw(&scores, folder));
        written.expect("the folder can be written to");
    }
}

/// A run: the scenario, the policy, the seed.
type Run = (usize, usize, u64);

/// Runs everything, on as many threads as there are processors.
fn measure(rows: Vec<Scenario>) -> Scores {
    let runs: Vec<Run> = (0..rows.len())
        .flat_map(|row| (0..ROSTER.len()).map(move |policy| (row, policy)))
        .filter(|&(row, policy)| (ROSTER[policy].takes_part)(&rows[row]))
        .flat_map(|(row, policy)| (1..=SEEDS).map(move |seed| (row, policy, seed)))
        .collect();
    let bar = ProgressBar::new(runs.len() as u64);
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} runs, {eta} left, {msg}");
    bar.set_style(style.expect("the template is sound"));
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&(row, policy, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            bar.set_message(rows[row].id);
            let report = one(&rows[row], &ROSTER[policy], seed);
            reports.lock().expect("nobody panicked").push(((row, policy), report));
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    bar.finish_and_clear();
    let reports = reports.into_inner().expect("nobody panicked");
    Scores::new(rows, &ROSTER, &reports)
}

/// What a run came to, figure by figure.
type Figures = [f64; Metric::ALL.len()];

fn one(scenario: &Scenario, entry: &Entry, seed: u64) -> Figures {
    let report: Report = simulate(scenario, &entry.make, seed);
    Metric::ALL.map(|metric| report.get(metric))
}

/// Requests a run.
const REQUESTS: usize = 60_000;
/// Each figure is the median of this many runs.
const SEEDS: u64 = 3;
