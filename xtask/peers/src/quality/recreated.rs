//! What other proxies do, made anew after their published behaviour, each with its project's
//! defaults.

use std::collections::HashMap;

use super::breakers::Breakers;
use super::simulation::{Dice, End, Gateway, Scenario, Server};

#[derive(Clone, Copy, PartialEq)]
pub enum Rule {
    /// Envoy's least request: of two drawn with replacement, the one with fewer active requests,
    /// which count to the end of the stream. With unequal weights turns by deadline, of weight over
    /// active requests and one.
    Envoy,
    /// nginx's `least_conn`: the fewest connections over the weight; ties by smooth weighted turns.
    Nginx,
    /// HAProxy's `leastconn`: the fewest connections over the weight; ties by who was used longest
    /// ago.
    Haproxy,
    /// linkerd: of two, the lower peak EWMA (10 s) of the time to the first data, times pending
    /// requests, which count to the first data.
    Linkerd,
    /// The same with `penalize-failures`: a failure counts as 5 s, or what its `Retry-After` says,
    /// and is forgotten over 10 s.
    LinkerdPenalty,
    /// agentgateway: of two, the better EWMA of successes over that of latency and a tenth of it
    /// for each pending request.
    Agentgateway,
}

impl Rule {
    fn is_linkerd(self) -> bool {
        matches!(self, Self::Linkerd | Self::LinkerdPenalty)
    }
}

pub struct Recreated {
    rule: Rule,
    dice: Dice,
    weights: Vec<f64>,
    has_weights: bool,
    active: Vec<u32>,
    latency: Vec<Peak>,
    penalty: Vec<Peak>,
    /// EWMA of the share of requests that passed.
    success: Vec<f64>,
    /// When it was used last, in picks; its next turn by deadline; its smooth turn.
    used: Vec<u64>,
    deadline: Vec<f64>,
    turn: Vec<f64>,
    breakers: Breakers,
    tried: HashMap<usize, usize>,
    /// Requests whose answer began.
    answered: HashMap<usize, ()>,
}

/// A mean that rises at once and falls over ten seconds.
#[derive(Clone, Copy, Default)]
struct Peak {
    value: f64,
    as_of: f64,
}

impl Peak {
    fn at(self, now: f64) -> f64 {
        self.value * (-(now - self.as_of) / 10.0).exp()
    }

    fn note(&mut self, sample: f64, now: f64) {
        let kept = (-(now - self.as_of) / 10.0).exp();
        self.value = if sample > self.value { sample } else { self.value * kept + sample * (1.0 - kept) };
        self.as_of = now;
    }
}

impl Recreated {
    pub fn make(scenario: &Scenario, seed: u64, rule: Rule) -> Box<dyn Gateway> {
        let len = scenario.speeds.len();
        let first = if rule.is_linkerd() { 0.03 } else { 0.0 };
        Box::new(Self {
            rule,
            dice: Dice::new(seed ^ 0xabcd),
            weights: scenario.weights.iter().copied().map(f64::from).collect(),
            has_weights: scenario.weights.iter().any(|&weight| weight != scenario.weights[0]),
            active: vec![0; len],
            latency: vec![Peak { value: first, as_of: 0.0 }; len],
            penalty: vec![Peak::default(); len],
            success: vec![1.0; len],
            used: vec![0; len],
            deadline: vec![0.0; len],
            turn: vec![0.0; len],
            breakers: Breakers::new(scenario),
            tried: HashMap::new(),
            answered: HashMap::new(),
        })
    }

    fn choose(&mut self, open: &[usize], now: f64) -> usize {
        match self.rule {
            Rule::Envoy if self.has_weights => {
                let by_deadline = |a: &usize, b: &usize| self.deadline[*a].total_cmp(&self.deadline[*b]);
                let n = open.iter().copied().min_by(by_deadline).unwrap_or(0);
                self.deadline[n] += f64::from(self.active[n] + 1) / self.weights[n];
                n
            }
            Rule::Envoy => {
                let (one, two) = (self.draw(open), self.draw(open));
                if self.active[two] < self.active[one] { two } else { one }
            }
            Rule::Nginx => {
                let load = |n: usize| f64::from(self.active[n]) / self.weights[n];
                let least = open.iter().map(|&n| load(n)).fold(f64::INFINITY, f64::min);
                let ties: Vec<usize> = open.iter().copied().filter(|&n| load(n) <= least).collect();
                self.smooth_turn(&ties)
            }
            Rule::Haproxy => {
                let key = |n: usize| (f64::from(self.active[n]) / self.weights[n], self.used[n]);
                let less = |a: &usize, b: &usize| key(*a).partial_cmp(&key(*b)).unwrap_or(std::cmp::Ordering::Equal);
                open.iter().copied().min_by(less).unwrap_or(0)
            }
            Rule::Linkerd | Rule::LinkerdPenalty | Rule::Agentgateway => {
                let one = self.draw(open);
                let two = (0..8).map(|_| self.draw(open)).find(|&n| n != one).unwrap_or(one);
                if self.cost(two, now) < self.cost(one, now) { two } else { one }
            }
        }
    }

    fn draw(&mut self, open: &[usize]) -> usize {
        open[self.dice.below(open.len())]
    }

    /// nginx's smooth weighted turn among `ties`.
    fn smooth_turn(&mut self, ties: &[usize]) -> usize {
        let all: f64 = ties.iter().map(|&n| self.weights[n]).sum();
        for &n in ties {
            self.turn[n] += self.weights[n];
        }
        let most = |best: usize, n: usize| if self.turn[n] > self.turn[best] { n } else { best };
        let n = ties.iter().copied().reduce(most).unwrap_or(0);
        self.turn[n] -= all;
        n
    }

    fn cost(&self, n: usize, now: f64) -> f64 {
        let pending = f64::from(self.active[n]);
        match self.rule {
            Rule::Linkerd => self.latency[n].at(now) * (pending + 1.0),
            Rule::LinkerdPenalty => (self.latency[n].at(now) + self.penalty[n].at(now)) * (pending + 1.0),
            _ => (1.0 + self.latency[n].value * (1.0 + 0.1 * pending)) / self.success[n].max(1e-6),
        }
    }

    /// The answer, or what came instead, began.
    fn begin(&mut self, job: usize, target: usize, now: f64, secs: f64) {
        if self.rule.is_linkerd() && self.answered.insert(job, ()).is_none() {
            self.latency[target].note(secs, now);
            self.active[target] -= 1;
        }
    }
}

impl Gateway for Recreated {
    fn pick(&mut self, job: usize, _: u64, now: f64, _: &[Server]) -> Option<usize> {
        let open = self.breakers.open(now, self.tried.get(&job).copied());
        let target = self.choose(&open, now);
        self.used[target] = self.used.iter().copied().max().unwrap_or(0) + 1;
        self.active[target] += 1;
        self.tried.insert(job, target);
        self.answered.remove(&job);
        Some(target)
    }

    fn first_byte(&mut self, job: usize, target: usize, now: f64, secs: f64) {
        self.begin(job, target, now, secs);
    }

    fn end(&mut self, job: usize, target: usize, end: &End) {
        self.begin(job, target, end.now, end.secs);
        if !self.rule.is_linkerd() {
            self.active[target] -= 1;
        }
        if self.rule == Rule::Agentgateway && end.is_whole() {
            self.latency[target].value += 0.3 * (end.secs - self.latency[target].value);
        }
        if end.is_failure() || end.wait().is_some() {
            self.penalty[target].note(end.wait().unwrap_or(5.0), end.now);
        }
        let passed = if end.is_whole() { 1.0 } else { 0.0 };
        self.success[target] += 0.3 * (passed - self.success[target]);
        self.breakers.end(target, end);
    }

    fn over(&mut self, job: usize) {
        self.tried.remove(&job);
        self.answered.remove(&job);
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
