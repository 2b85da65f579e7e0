//! The breaker of those that are compared without one of their own.

use super::simulation::{End, Scenario};

/// Consecutive failures and dates: five failures in a row rest a target for 1 s, doubling to 60 s;
/// a refusal with a date is believed. What is compared is the choice, not who has a breaker at all.
pub struct Breakers {
    is_on: bool,
    row: Vec<u32>,
    until: Vec<f64>,
    drained: Vec<bool>,
    trips: u64,
}

impl Breakers {
    pub fn new(scenario: &Scenario) -> Self {
        let len = scenario.speeds.len();
        Self {
            is_on: scenario.has_breaker,
            row: vec![0; len],
            until: vec![0.0; len],
            drained: vec![false; len],
            trips: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.row.len()
    }

    /// Whether the target may be chosen.
    pub fn is_open(&self, target: usize, now: f64) -> bool {
        self.until[target] <= now && !self.drained[target]
    }

    /// The targets that may be chosen; if none may, all that are not drained.
    pub fn open(&self, now: f64, tried: Option<usize>) -> Vec<usize> {
        let all = || (0..self.len()).filter(|&n| Some(n) != tried);
        let open: Vec<usize> = all().filter(|&n| self.is_open(n, now)).collect();
        if open.is_empty() { all().filter(|&n| !self.drained[n]).collect() } else { open }
    }

    pub fn end(&mut self, target: usize, end: &End) {
        if !self.is_on {
            return;
        }
        if end.is_whole() {
            self.row[target] = 0;
        } else if let Some(wait) = end.wait() {
            self.until[target] = end.now + wait;
        } else if end.is_failure() {
            self.row[target] += 1;
            if self.row[target] >= 5 {
                let rest = 2_f64.powi(self.row[target] as i32 - 5).min(60.0);
                self.trips += u64::from(self.until[target] <= end.now);
                self.until[target] = end.now + rest;
            }
        }
    }

    pub fn set_drained(&mut self, target: usize, is_drained: bool) {
        self.drained[target] = is_drained;
    }

    pub fn trips(&self) -> u64 {
        self.trips
    }
}
