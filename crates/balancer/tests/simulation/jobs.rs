//! The requests.

use super::dice::Dice;
use super::scenario::{Prompts, Scenario};
use super::server::{INPUT_PER_OUTPUT, SECONDS_A_TOKEN, full_speed};

/// What one request is and how it fares.
pub(crate) struct Job {
    pub(crate) arrival: f64,
    pub(crate) input: f64,
    pub(crate) output: f64,
    pub(crate) key: u64,
    pub(crate) gateway: usize,
    /// How long its caller waits for a first byte.
    pub(crate) patience: f64,
    pub(crate) cut: f64,
    pub(crate) attempts: usize,
    pub(crate) sent: f64,
    pub(crate) is_answered: bool,
    pub(crate) server: Option<usize>,
}

impl Job {
    pub(crate) fn prompt(&self) -> f64 {
        self.input / INPUT_PER_OUTPUT * SECONDS_A_TOKEN
    }

    pub(crate) fn work(&self) -> f64 {
        self.prompt() + self.output * SECONDS_A_TOKEN
    }
}

/// The requests, and when the last one comes.
pub(crate) fn jobs(scenario: &Scenario, dice: &mut Dice) -> (Vec<Job>, f64) {
    let (median, sigma) = match scenario.prompts {
        Prompts::Own => (800.0, 1.3),
        Prompts::Sessions { .. } => (6000.0, 0.5),
    };
    let mean_input = median * (sigma * sigma / 2.0_f64).exp();
    let mean_work = (mean_input / INPUT_PER_OUTPUT + 308.0) * SECONDS_A_TOKEN;
    let capacity = scenario.speeds.iter().sum::<f64>() * full_speed(scenario.slots) / mean_work;
    let gap = 1.0 / (scenario.load * capacity);
    let mut now = 0.0;
    let mut chance = Dice::new(dice.word());
    let jobs = (0..scenario.requests).map(|n| {
        now += dice.exponential(gap);
        let input = dice.lognormal(median, sigma).max(1.0);
        let output = dice.lognormal(150.0, 1.2).clamp(1.0, 16_000.0);
        let gateway = dice.below(scenario.gateways);
        let patience = if chance.unit() < 0.8 {
            chance.exponential(0.5)
        } else {
            f64::MAX
        };
        let key = match scenario.prompts {
            Prompts::Own => n,
            Prompts::Sessions { sessions, .. } => chance.below(sessions),
        };
        Job {
            arrival: now,
            input,
            output,
            key: Dice::new(key as u64).word(),
            gateway,
            patience: patience.min(1e9),
            cut: chance.unit() * 2.0,
            attempts: 0,
            sent: 0.0,
            is_answered: false,
            server: None,
        }
    });
    (jobs.collect(), now)
}
