//! Prequal's hot-cold lexicographic rule, made anew after its paper; without its pool of answers,
//! as probes are answered at once here.
//!
//! Three targets, drawn at random, are asked for their requests in flight. Those above the 84th
//! percentile of all are hot. Of the others, the one whose late answers took the shortest is
//! chosen; where all three are hot, the one with the fewest requests.

use std::collections::HashMap;

use super::breakers::Breakers;
use super::simulation::{Dice, End, Gateway, Scenario, Server};

pub struct Prequal {
    dice: Dice,
    /// Mean seconds of late answers.
    latency: Vec<f64>,
    breakers: Breakers,
    tried: HashMap<usize, usize>,
}

impl Prequal {
    pub fn make(scenario: &Scenario, seed: u64) -> Box<dyn Gateway> {
        Box::new(Self {
            dice: Dice::new(seed ^ 0x9e4a),
            latency: vec![0.0; scenario.speeds.len()],
            breakers: Breakers::new(scenario),
            tried: HashMap::new(),
        })
    }
}

impl Gateway for Prequal {
    fn pick(&mut self, job: usize, _: u64, now: f64, servers: &[Server]) -> Option<usize> {
        let open = self.breakers.open(now, self.tried.get(&job).copied());
        let probes = [(); 3].map(|()| open[self.dice.below(open.len())]);
        let mut loads: Vec<usize> = servers.iter().map(Server::in_flight).collect();
        loads.sort_unstable();
        let hot = loads[loads.len() * 84 / 100];
        let cold = probes.into_iter().filter(|&n| servers[n].in_flight() <= hot);
        let quick = |a: &usize, b: &usize| self.latency[*a].total_cmp(&self.latency[*b]);
        let least = || probes.into_iter().min_by_key(|&n| servers[n].in_flight());
        let target = cold.min_by(quick).or_else(least)?;
        self.tried.insert(job, target);
        Some(target)
    }

    fn first_byte(&mut self, _: usize, _: usize, _: f64, _: f64) {}

    fn end(&mut self, _: usize, target: usize, end: &End) {
        if end.is_whole() {
            self.latency[target] += 0.3 * (end.secs - self.latency[target]);
        }
        self.breakers.end(target, end);
    }

    fn over(&mut self, job: usize) {
        self.tried.remove(&job);
    }

    fn drain(&mut self, target: usize, _: f64) {
        self.breakers.set_drained(target, true);
    }

    fn enable(&mut self, target: usize, _: f64) {
        self.breakers.set_drained(target, false);
    }

    fn trips(&self) -> u64 {
        self.breakers.trips()
    }
}
