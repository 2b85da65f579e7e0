//! Targets that share their speed among the streams they serve, and the requests that reach them.
//!
//! A target serves up to 32 streams at once, each 5 % slower for every other one, and queues the
//! rest. Prompts and answers are lognormal; an answer's 99th percentile takes about 55 s alone.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::policies::{End, Entry, Gateway};
use super::scenario::{Metric, Scenario, Trouble};

const STREAMS: usize = 32;
const SLOWDOWN: f64 = 0.05;
const SECONDS_A_TOKEN: f64 = 0.0225;
const INPUT_PER_OUTPUT: f64 = 62.5;
const QUICK: f64 = 0.02;

/// What one request is and how it fares.
struct Job {
    arrival: f64,
    input: f64,
    output: f64,
    gateway: usize,
    attempts: usize,
    sent: f64,
}

impl Job {
    fn prompt(&self) -> f64 {
        self.input / INPUT_PER_OUTPUT * SECONDS_A_TOKEN
    }

    fn work(&self) -> f64 {
        self.prompt() + self.output * SECONDS_A_TOKEN
    }
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Time(f64);

impl Eq for Time {}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
struct Happening {
    at: Time,
    number: u64,
    what: What,
}

impl Ord for Happening {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum What {
    Arrival(usize),
    /// A target's next milestone, if nothing came between.
    Milestone(usize, u64),
    /// A quick refusal: the job, its target, and when to come back, if it says so.
    Refusal(usize, usize, Option<Time>),
    Turn(u64),
}

/// A target that shares its speed.
struct Server {
    base: f64,
    speed: f64,
    /// Work done for each stream since the beginning.
    done: f64,
    as_of: f64,
    running: usize,
    milestones: BinaryHeap<Reverse<(Time, bool, usize)>>,
    queue: VecDeque<usize>,
    version: u64,
    /// Requests that count against its quota, and as of when.
    used: f64,
    filled: f64,
}

impl Server {
    fn rate(&self) -> f64 {
        self.speed / (1.0 + SLOWDOWN * (self.running.max(1) - 1) as f64)
    }

    fn advance(&mut self, now: f64) {
        if self.running > 0 {
            self.done += (now - self.as_of) * self.rate();
        }
        self.as_of = now;
    }

    fn next(&self) -> Option<f64> {
        let Reverse((at, ..)) = self.milestones.peek()?;
        Some(self.as_of + (at.0 - self.done).max(0.0) / self.rate())
    }

    fn begin(&mut self, job: usize, prompt: f64, work: f64) {
        self.running += 1;
        self.milestones.push(Reverse((Time(self.done + prompt), false, job)));
        self.milestones.push(Reverse((Time(self.done + work), true, job)));
    }
}

/// A generator of its own, so that a run depends on its seed alone.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        ((self.word() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        median * (sigma * normal).exp()
    }
}

/// Runs `scenario` with a policy and says what its metric came to.
pub fn run(scenario: &Scenario, entry: &Entry, seed: u64) -> f64 {
    let mut world = World::new(scenario, entry, seed);
    while let Some(Reverse(next)) = world.agenda.pop() {
        world.happen(next);
    }
    world.verdict()
}

struct World<'a> {
    scenario: &'a Scenario,
    servers: Vec<Server>,
    gateways: Vec<Box<dyn Gateway>>,
    jobs: Vec<Job>,
    agenda: BinaryHeap<Reverse<Happening>>,
    numbered: u64,
    span: f64,
    quota: Vec<f64>,
    slowdowns: Vec<f64>,
    failed: usize,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, entry: &Entry, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mean_work = (1862.0 / INPUT_PER_OUTPUT + 308.0) * SECONDS_A_TOKEN;
        let full = STREAMS as f64 / (1.0 + SLOWDOWN * (STREAMS - 1) as f64);
        let capacity: f64 = scenario.speeds.iter().sum::<f64>() * full / mean_work;
        let gap = 1.0 / (scenario.load * capacity);
        let mut now = 0.0;
        let mut jobs = Vec::with_capacity(scenario.requests);
        for _ in 0..scenario.requests {
            now += dice.exponential(gap);
            jobs.push(Job {
                arrival: now,
                input: dice.lognormal(800.0, 1.3).max(1.0),
                output: dice.lognormal(150.0, 1.2).clamp(1.0, 16_000.0),
                gateway: dice.below(scenario.gateways),
                attempts: 0,
                sent: 0.0,
            });
        }
        let a_minute = 60.0 / gap / 0.85;
        let all: f64 = scenario.speeds.iter().sum();
        let quota = scenario.speeds.iter().map(|speed| a_minute * speed / all).collect();
        let base_of = |&speed: &f64| match scenario.trouble {
            Trouble::Quotas => 1.0,
            _ => speed,
        };
        let servers = scenario.speeds.iter().map(base_of).map(|base| Server {
            base,
            speed: base,
            done: 0.0,
            as_of: 0.0,
            running: 0,
            milestones: BinaryHeap::new(),
            queue: VecDeque::new(),
            version: 0,
            used: 0.0,
            filled: 0.0,
        });
        let gateways = (0..scenario.gateways)
            .map(|n| (entry.make)(scenario, seed * 100 + n as u64))
            .collect();
        let mut world = Self {
            scenario,
            servers: servers.collect(),
            gateways,
            agenda: BinaryHeap::new(),
            numbered: 0,
            span: now,
            quota,
            slowdowns: Vec::with_capacity(jobs.len()),
            failed: 0,
            jobs,
        };
        world.plan(world.jobs[0].arrival, What::Arrival(0));
        if scenario.trouble == Trouble::SlowInTurn {
            world.plan(0.0, What::Turn(0));
        }
        world
    }

    fn plan(&mut self, at: f64, what: What) {
        self.numbered += 1;
        self.agenda.push(Reverse(Happening { at: Time(at), number: self.numbered, what }));
    }

    fn happen(&mut self, Happening { at: Time(now), what, .. }: Happening) {
        match what {
            What::Arrival(job) => {
                if job + 1 < self.jobs.len() {
                    self.plan(self.jobs[job + 1].arrival, What::Arrival(job + 1));
                }
                self.send(job, now);
            }
            What::Milestone(server, version) => {
                if self.servers[server].version == version {
                    self.reach(server, now);
                }
            }
            What::Refusal(job, server, until) => {
                let wait = until.map(|Time(until)| (until - now).max(0.0));
                let end = End { now, secs: now - self.jobs[job].sent, ok: false, wait, input: 0.0, output: 0.0 };
                self.gateways[self.jobs[job].gateway].end(job, server, &end);
                if self.jobs[job].attempts < self.scenario.attempts {
                    self.send(job, now);
                } else {
                    self.failed += 1;
                }
            }
            What::Turn(turn) => {
                let len = self.servers.len();
                for (n, server) in self.servers.iter_mut().enumerate() {
                    server.advance(now);
                    let is_slow = n as u64 == turn % len as u64;
                    server.speed = if is_slow { server.base / 5.0 } else { server.base };
                }
                (0..len).for_each(|server| self.await_next(server));
                if now < self.span {
                    self.plan(now + 120.0, What::Turn(turn + 1));
                }
            }
        }
    }

    fn send(&mut self, job: usize, now: f64) {
        self.jobs[job].attempts += 1;
        self.jobs[job].sent = now;
        let gateway = self.jobs[job].gateway;
        let server = self.gateways[gateway].pick(job, now);
        if let Some(until) = self.refuses(server, now) {
            self.plan(now + QUICK, What::Refusal(job, server, until));
            return;
        }
        self.servers[server].advance(now);
        if self.servers[server].running < STREAMS {
            let (prompt, work) = (self.jobs[job].prompt(), self.jobs[job].work());
            self.servers[server].begin(job, prompt, work);
        } else {
            self.servers[server].queue.push_back(job);
        }
        self.await_next(server);
    }

    /// Whether the target refuses a request now, and until when it asks to be left alone.
    fn refuses(&mut self, server: usize, now: f64) -> Option<Option<Time>> {
        let part = now / self.span;
        let is_down = match self.scenario.trouble {
            Trouble::FastErrors => server == 0 && (0.4..0.6).contains(&part),
            Trouble::Flapping => server == 0 && now % 60.0 >= 30.0,
            Trouble::Quotas => {
                // A bucket of six seconds' worth that fills steadily, as providers keep them.
                let quota = self.quota[server];
                let target = &mut self.servers[server];
                target.used = (target.used - (now - target.filled) * quota / 60.0).max(0.0);
                target.filled = now;
                if target.used + 1.0 > quota / 10.0 {
                    let wait = (target.used + 1.0 - quota / 10.0) * 60.0 / quota;
                    return Some(Some(Time(now + wait.max(1.0))));
                }
                target.used += 1.0;
                false
            }
            Trouble::None | Trouble::SlowInTurn => false,
        };
        is_down.then_some(None)
    }

    fn await_next(&mut self, server: usize) {
        self.servers[server].version += 1;
        if let Some(at) = self.servers[server].next() {
            let version = self.servers[server].version;
            self.plan(at, What::Milestone(server, version));
        }
    }

    fn reach(&mut self, server: usize, now: f64) {
        self.servers[server].advance(now);
        if let Some(Reverse((_, is_end, job))) = self.servers[server].milestones.pop() {
            let gateway = self.jobs[job].gateway;
            let secs = now - self.jobs[job].sent;
            if is_end {
                self.servers[server].running -= 1;
                let Job { input, output, .. } = self.jobs[job];
                let end = End { now, secs, ok: true, wait: None, input, output };
                self.gateways[gateway].end(job, server, &end);
                self.slowdowns.push((now - self.jobs[job].arrival) / self.jobs[job].work());
                if let Some(next) = self.servers[server].queue.pop_front() {
                    let (prompt, work) = (self.jobs[next].prompt(), self.jobs[next].work());
                    self.servers[server].begin(next, prompt, work);
                }
            } else {
                self.gateways[gateway].first_byte(job, server, now, secs);
            }
        }
        self.await_next(server);
    }

    fn verdict(mut self) -> f64 {
        match self.scenario.metric {
            Metric::FailedPercent => 100.0 * self.failed as f64 / self.jobs.len() as f64,
            Metric::P99Slowdown => {
                // The first tenth only fills the targets.
                let warm = self.slowdowns.split_off(self.slowdowns.len() / 10);
                let mut sorted = warm;
                sorted.sort_by(f64::total_cmp);
                sorted[sorted.len() * 99 / 100]
            }
        }
    }
}
