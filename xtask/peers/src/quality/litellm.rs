//! LiteLLM's router: `simple-shuffle` with its own cooldown, made anew after its documented
//! behaviour and defaults.
//!
//! A deployment is drawn at random by weight from those that do not cool. One cools for 5 s, or as
//! long as its `Retry-After` says, after a 429, and after a failure when more than half of at least
//! five requests of this minute failed. A caller hears of it when all cool. It has no drain.

use super::simulation::{Dice, End, Gateway, Scenario, Server};

pub struct LiteLlm {
    dice: Dice,
    weights: Vec<u32>,
    cools: bool,
    until: Vec<f64>,
    /// Requests of this minute that passed and failed, and which minute it is.
    counts: Vec<[u32; 2]>,
    minute: u64,
    trips: u64,
}

impl LiteLlm {
    pub fn make(scenario: &Scenario, seed: u64) -> Box<dyn Gateway> {
        let len = scenario.speeds.len();
        Box::new(Self {
            dice: Dice::new(seed ^ 0x117e),
            weights: scenario.weights.clone(),
            cools: scenario.has_breaker,
            until: vec![0.0; len],
            counts: vec![[0; 2]; len],
            minute: 0,
            trips: 0,
        })
    }

    fn cool(&mut self, target: usize, now: f64, secs: f64) {
        self.trips += u64::from(self.until[target] <= now);
        self.until[target] = now + secs;
    }
}

impl Gateway for LiteLlm {
    fn pick(&mut self, _: usize, _: u64, now: f64, _: &[Server]) -> Option<usize> {
        let open: Vec<usize> = (0..self.until.len()).filter(|&n| self.until[n] <= now).collect();
        let all: u32 = open.iter().map(|&n| self.weights[n]).sum();
        let mut drawn = self.dice.below(all as usize) as u32;
        open.into_iter().find(|&n| {
            let is_it = drawn < self.weights[n];
            drawn = drawn.saturating_sub(self.weights[n]);
            is_it
        })
    }

    fn first_byte(&mut self, _: usize, _: usize, _: f64, _: f64) {}

    fn end(&mut self, _: usize, target: usize, end: &End) {
        let minute = (end.now / 60.0) as u64;
        if minute != self.minute {
            self.minute = minute;
            self.counts.fill([0; 2]);
        }
        self.counts[target][0] += u32::from(end.is_whole());
        self.counts[target][1] += u32::from(end.is_failure());
        let [passed, failed] = self.counts[target];
        if !self.cools {
        } else if let Some(wait) = end.wait() {
            self.cool(target, end.now, wait);
        } else if end.is_failure() && failed + passed >= 5 && failed > passed {
            self.cool(target, end.now, 5.0);
        }
    }

    fn over(&mut self, _: usize) {}

    fn drain(&mut self, _: usize, _: f64) {}

    fn enable(&mut self, _: usize, _: f64) {}

    fn trips(&self) -> u64 {
        self.trips
    }
}
