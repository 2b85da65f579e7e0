//! What becomes of the requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::dice::Dice;
use super::gateway::{End, Gateway, How};
use super::jobs::{Job, jobs};
use super::report::Report;
use super::scenario::{Prompts, Scenario, Trouble};
use super::server::{Mark, Server, Time, Work};

/// What makes the gateways of a scenario; each with its seed.
pub(crate) type Make<'a> = &'a dyn Fn(&Scenario, u64) -> Box<dyn Gateway>;

/// Runs `scenario` through gateways of one kind.
pub(crate) fn run(scenario: &Scenario, make: Make<'_>, seed: u64) -> Report {
    let mut world = World::new(scenario, make, seed);
    while let Some(Reverse((Time(now), _, what))) = world.agenda.pop() {
        world.happen(what, now);
    }
    world.report()
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum What {
    Arrival(usize),
    /// A target's next mark, if nothing came between.
    Milestone(usize, u64),
    /// A quick refusal of a job by a target; with how long to wait, if it says so.
    Refusal(usize, usize, Option<Time>),
    /// The first byte of an attempt is awaited no longer: by the caller, or by the gateway.
    Impatience(usize, usize, Awaited),
    Turn(u64),
    Stop(usize),
    Start(usize),
    Warm(usize),
    Drain(usize),
    /// Whether the target that drains is idle.
    IsIdle(usize, Time),
    Hang(bool),
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Awaited {
    Caller,
    Gateway,
}

/// What happens when; numbered, so that what was planned first comes first.
type Planned = Reverse<(Time, u64, What)>;

struct World<'a> {
    scenario: &'a Scenario,
    servers: Vec<Server>,
    gateways: Vec<Box<dyn Gateway>>,
    jobs: Vec<Job>,
    agenda: BinaryHeap<Planned>,
    numbered: u64,
    span: f64,
    quota: Vec<f64>,
    report: Report,
    picks: Vec<u64>,
    in_flight_seconds: f64,
    in_flight_as_of: f64,
    /// When targets returned last, and what they took in each 5 s of the minute after, over all
    /// returns.
    returned_at: Option<f64>,
    returns: u32,
    taken: [u32; 12],
    /// What the first target takes near the end.
    taken_late: [u32; 2],
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, make: Make<'_>, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (jobs, span) = jobs(scenario, &mut dice);
        let all: f64 = scenario.speeds.iter().sum();
        let a_minute = 60.0 * jobs.len() as f64 / span / 0.85;
        let quota = scenario
            .speeds
            .iter()
            .map(|speed| a_minute * speed / all)
            .collect();
        let remembered = match scenario.prompts {
            Prompts::Own => 0,
            Prompts::Sessions { remembered, .. } => remembered,
        };
        let server = |&speed: &f64| {
            let is_quota = scenario.trouble == Trouble::Quotas;
            Server::new(
                if is_quota { 1.0 } else { speed },
                scenario.slots,
                scenario.memory,
                remembered,
            )
        };
        let gateways = 0..scenario.gateways as u64;
        let mut world = Self {
            servers: scenario.speeds.iter().map(server).collect(),
            gateways: gateways.map(|n| make(scenario, seed * 100 + n)).collect(),
            agenda: BinaryHeap::new(),
            numbered: 0,
            span,
            quota,
            report: Report {
                requests: jobs.len(),
                minutes: span / 60.0,
                ..Report::default()
            },
            picks: vec![0; scenario.speeds.len()],
            in_flight_seconds: 0.0,
            in_flight_as_of: 0.0,
            returned_at: None,
            returns: 0,
            taken: [0; 12],
            taken_late: [0; 2],
            scenario,
            jobs,
        };
        world.plan(world.jobs[0].arrival, What::Arrival(0));
        world.plan_trouble();
        world
    }

    fn plan_trouble(&mut self) {
        let (span, len) = (self.span, self.servers.len());
        match self.scenario.trouble {
            Trouble::SlowInTurn(_) => self.plan(0.0, What::Turn(0)),
            Trouble::Drains => self.plan(60.0, What::Drain(0)),
            Trouble::Returns => self.plan(60.0, What::Stop(0)),
            Trouble::Outage => {
                for server in 0..len {
                    self.plan(0.4 * span, What::Stop(server));
                }
            }
            Trouble::Leaving => {
                self.plan(0.2 * span, What::Hang(true));
                self.plan(0.5 * span, What::Hang(false));
            }
            Trouble::None
            | Trouble::FastErrors
            | Trouble::Flapping
            | Trouble::Quotas
            | Trouble::Cuts => {}
        }
    }

    fn plan(&mut self, at: f64, what: What) {
        self.numbered += 1;
        self.agenda.push(Reverse((Time(at), self.numbered, what)));
    }

    fn happen(&mut self, what: What, now: f64) {
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
            What::Refusal(job, server, wait) => {
                let how = wait.map_or(How::Failed, |Time(wait)| How::Limited { wait });
                self.fail(job, server, how, now);
            }
            What::Impatience(job, attempt, awaited) => {
                self.lose_patience(job, attempt, awaited, now);
            }
            What::Turn(_)
            | What::Stop(_)
            | What::Start(_)
            | What::Warm(_)
            | What::Drain(_)
            | What::IsIdle(..)
            | What::Hang(_) => self.trouble(what, now),
        }
    }

    fn trouble(&mut self, what: What, now: f64) {
        let len = self.servers.len();
        match what {
            What::Turn(turn) => {
                for (n, server) in self.servers.iter_mut().enumerate() {
                    let is_slow = n as u64 == turn % len as u64;
                    let speed = if is_slow {
                        server.base / 5.0
                    } else {
                        server.base
                    };
                    server.set_speed(speed, now);
                }
                (0..len).for_each(|server| self.await_next(server));
                let Trouble::SlowInTurn(secs) = self.scenario.trouble else {
                    return;
                };
                self.plan_within(now + secs, What::Turn(turn + 1));
            }
            What::Stop(server) => {
                self.servers[server].is_down = true;
                let secs = if self.scenario.trouble == Trouble::Drains {
                    20.0
                } else {
                    60.0
                };
                self.plan(now + secs, What::Start(server));
                for job in self.servers[server].drop_jobs(None, now) {
                    self.fail(job, server, How::Cut, now);
                }
                self.await_next(server);
            }
            What::Start(server) => self.start(server, now),
            What::Warm(server) => {
                let whole = self.servers[server].base;
                self.servers[server].set_speed(whole, now);
                self.await_next(server);
            }
            What::Drain(server) => {
                self.gateways
                    .iter_mut()
                    .for_each(|gateway| gateway.drain(server, now));
                self.plan(now, What::IsIdle(server, Time(now)));
            }
            What::IsIdle(server, Time(since)) => {
                // An operator loses patience, too.
                if self.servers[server].in_flight() == 0 || now > since + 900.0 {
                    self.plan(now, What::Stop(server));
                } else {
                    self.plan(now + 1.0, What::IsIdle(server, Time(since)));
                }
            }
            What::Hang(hangs) => {
                self.servers[0].set_hanging(hangs, now);
                self.await_next(0);
            }
            _ => {}
        }
    }

    fn start(&mut self, server: usize, now: f64) {
        self.servers[server].is_down = false;
        match self.scenario.trouble {
            Trouble::Drains => {
                self.gateways
                    .iter_mut()
                    .for_each(|gateway| gateway.enable(server, now));
                let next = (server + 1) % self.servers.len();
                self.plan_within(now + 60.0, What::Drain(next));
            }
            Trouble::Returns => {
                let cold = self.servers[server].base / 4.0;
                self.servers[server].set_speed(cold, now);
                self.plan(now + 20.0, What::Warm(server));
                self.plan_within(now + 240.0, What::Stop(server));
                self.returned_at = Some(now);
                self.returns += 1;
            }
            _ => self.returned_at = Some(now),
        }
    }

    fn plan_within(&mut self, at: f64, what: What) {
        if at < self.span {
            self.plan(at, what);
        }
    }

    fn send(&mut self, job: usize, now: f64) {
        let Job { gateway, key, .. } = self.jobs[job];
        let picked = self.gateways[gateway].pick(job, key, now, &self.servers);
        let Some(server) = picked else {
            return self.give_up(job);
        };
        let it = &mut self.jobs[job];
        it.attempts += 1;
        it.sent = now;
        let attempt = it.attempts;
        self.report.attempts += 1;
        self.count_pick(server, now);
        if let Some(how) = self.refuses(server, now) {
            let wait = match how {
                How::Limited { wait } => Some(Time(wait)),
                _ => None,
            };
            return self.plan(now + QUICK, What::Refusal(job, server, wait));
        }
        self.count_taken(server, now);
        self.count_in_flight(now);
        let it = &mut self.jobs[job];
        it.server = Some(server);
        let cuts = self.scenario.trouble == Trouble::Cuts && server == 0 && it.cut < 1.0;
        let prefix = if self.scenario.prompts == Prompts::Own {
            0
        } else {
            it.key
        };
        let work = Work {
            job,
            prompt: it.prompt(),
            whole: it.work(),
            cut: cuts.then_some(it.cut),
            tokens: it.input + it.output,
            prefix,
        };
        if self.scenario.trouble == Trouble::Leaving {
            let patience = it.patience;
            self.plan(
                now + patience,
                What::Impatience(job, attempt, Awaited::Caller),
            );
            self.plan(
                now + TIMEOUT,
                What::Impatience(job, attempt, Awaited::Gateway),
            );
        }
        self.servers[server].take(work, now);
        self.await_next(server);
    }

    /// How the target refuses a request now, if it does.
    fn refuses(&mut self, server: usize, now: f64) -> Option<How> {
        let part = now / self.span;
        let fails = match self.scenario.trouble {
            Trouble::FastErrors => server == 0 && (0.4..0.6).contains(&part),
            Trouble::Flapping => server == 0 && now % 60.0 >= 30.0,
            Trouble::Quotas => {
                let wait = self.servers[server].refuses(self.quota[server], now);
                return wait.map(|wait| How::Limited { wait });
            }
            _ => self.servers[server].is_down,
        };
        fails.then_some(How::Failed)
    }

    fn await_next(&mut self, server: usize) {
        self.servers[server].version += 1;
        if let Some(at) = self.servers[server].next() {
            let version = self.servers[server].version;
            self.plan(at, What::Milestone(server, version));
        }
    }

    fn reach(&mut self, server: usize, now: f64) {
        match self.servers[server].reach(now) {
            Some((Mark::First, job)) => {
                let it = &mut self.jobs[job];
                it.is_answered = true;
                self.report.first_bytes.push(now - it.arrival);
                self.gateways[it.gateway].first_byte(job, server, now, now - it.sent);
            }
            Some((Mark::Cut, job)) => self.fail(job, server, How::Cut, now),
            Some((Mark::End, job)) => {
                let it = &self.jobs[job];
                self.report.slowdowns.push((now - it.arrival) / it.work());
                let output = it.output;
                self.end(job, server, How::Whole, (output, now));
                self.over(job);
            }
            None => {}
        }
        self.await_next(server);
    }

    fn lose_patience(&mut self, job: usize, attempt: usize, awaited: Awaited, now: f64) {
        let it = &self.jobs[job];
        let Some(server) = it
            .server
            .filter(|_| it.attempts == attempt && !it.is_answered)
        else {
            return;
        };
        self.servers[server].drop_jobs(Some(job), now);
        self.await_next(server);
        match awaited {
            Awaited::Gateway => self.fail(job, server, How::TimedOut, now),
            Awaited::Caller => {
                self.end(job, server, How::Left, (0.0, now));
                self.over(job);
            }
        }
    }

    /// An attempt failed: another follows, unless its answer had begun.
    fn fail(&mut self, job: usize, server: usize, how: How, now: f64) {
        self.report.wasted += 1;
        let it = &self.jobs[job];
        let is_answered = it.is_answered;
        let output = if is_answered {
            it.output * it.cut.min(0.5)
        } else {
            0.0
        };
        let may_retry = !is_answered && it.attempts < self.scenario.attempts;
        self.end(job, server, how, (output, now));
        if may_retry {
            self.send(job, now);
        } else {
            self.give_up(job);
        }
    }

    fn give_up(&mut self, job: usize) {
        self.report.failed += 1;
        self.over(job);
    }

    fn end(&mut self, job: usize, server: usize, how: How, (output, now): (f64, f64)) {
        self.count_in_flight(now);
        let it = &mut self.jobs[job];
        it.server = None;
        let end = End {
            now,
            secs: now - it.sent,
            how,
            input: it.input,
            output,
        };
        self.gateways[it.gateway].end(job, server, &end);
    }

    fn over(&mut self, job: usize) {
        let gateway = self.jobs[job].gateway;
        self.gateways[gateway].over(job);
    }

    fn count_pick(&mut self, server: usize, now: f64) {
        self.picks[server] += 1;
        let all = self.report.attempts as f64;
        let weights: u32 = self.scenario.weights.iter().sum();
        for (&picks, &weight) in self.picks.iter().zip(&self.scenario.weights) {
            let ideal = all * f64::from(weight) / f64::from(weights);
            self.report.most_off = self.report.most_off.max((picks as f64 - ideal).abs());
        }
        if now > 0.7 * self.span {
            self.taken_late[0] += u32::from(server == 0);
            self.taken_late[1] += 1;
        }
    }

    fn count_taken(&mut self, server: usize, now: f64) {
        let Some(returned_at) = self.returned_at else {
            return;
        };
        if self.report.first_success == 0.0 {
            self.report.first_success = now - returned_at;
        }
        let slot = ((now - returned_at) / 5.0) as usize;
        if server == 0
            && let Some(taken) = self.taken.get_mut(slot)
        {
            *taken += 1;
        }
    }

    fn count_in_flight(&mut self, now: f64) {
        let in_flight = self.servers.iter().map(Server::in_flight);
        let all: usize = in_flight.clone().sum();
        self.in_flight_seconds += all as f64 * (now - self.in_flight_as_of);
        self.in_flight_as_of = now;
        let peak = in_flight.max().unwrap_or(0) as f64;
        self.report.peak_in_flight = self.report.peak_in_flight.max(peak);
    }

    fn report(mut self) -> Report {
        let len = self.servers.len() as f64;
        let report = &mut self.report;
        report.mean_in_flight = self.in_flight_seconds / self.in_flight_as_of / len;
        report.hits = self.servers.iter().map(|server| server.hits).sum();
        report.prompts = self.servers.iter().map(|server| server.prompts).sum();
        report.trips = self.gateways.iter().map(|gateway| gateway.trips()).sum();
        let mean = 5.0 * self.jobs.len() as f64 / self.span / len * f64::from(self.returns.max(1));
        report.surge = f64::from(self.taken.iter().copied().max().unwrap_or(0)) / mean;
        let [first, all] = self.taken_late.map(f64::from);
        report.return_share = first * len / all;
        self.report.settle()
    }
}

/// How long a refusal takes.
const QUICK: f64 = 0.02;
/// How long gateways wait for a first byte.
const TIMEOUT: f64 = 10.0;
