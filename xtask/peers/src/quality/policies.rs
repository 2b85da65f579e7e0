//! Who chooses: the real balancer, the real pingora, and what other proxies do, made anew.
//!
//! Re-creations follow the published behaviour, each with its project's defaults, and with the
//! same breaker where a scenario has one (five failures in a row, 1 s doubling to 60 s; a refusal
//! with a date is believed): what is compared is the choice, not who has a breaker at all.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::time::Duration;

use ai_gateway_balancer::{
    Algorithm, Attempts, Balancer, FailureKind, Lease, ManualClock, Moment, Outcome, Settings, Target,
};
use futures_util::FutureExt;
use pingora_load_balancing::LoadBalancer;
use pingora_load_balancing::selection::RoundRobin;

use super::scenario::Scenario;
use super::simulation::Dice;

/// How an attempt ended.
pub struct End {
    pub now: f64,
    pub secs: f64,
    pub ok: bool,
    /// How long the target asks to be left alone, when it refused for a limit.
    pub wait: Option<f64>,
    pub input: f64,
    pub output: f64,
}

/// Something that chooses targets.
pub trait Gateway {
    fn pick(&mut self, job: usize, now: f64) -> usize;
    fn first_byte(&mut self, job: usize, target: usize, now: f64, secs: f64);
    fn end(&mut self, job: usize, target: usize, end: &End);
}

pub struct Entry {
    pub name: &'static str,
    pub make: fn(&Scenario, u64) -> Box<dyn Gateway>,
}

pub const ROSTER: [Entry; 11] = [
    Entry { name: "token-latency", make: |s, seed| Ours::make(s, seed, Algorithm::TokenLatency) },
    Entry { name: "least-connections", make: |s, seed| Ours::make(s, seed, Algorithm::LeastConnections) },
    Entry { name: "weighted", make: |s, seed| Ours::make(s, seed, Algorithm::Weighted) },
    Entry { name: "pingora RR (real)", make: Pingora::make },
    Entry { name: "Envoy least request", make: |s, seed| Other::make(s, seed, Rule::Envoy) },
    Entry { name: "nginx least_conn", make: |s, seed| Other::make(s, seed, Rule::Nginx) },
    Entry { name: "HAProxy leastconn", make: |s, seed| Other::make(s, seed, Rule::Haproxy) },
    Entry { name: "linkerd peak EWMA", make: |s, seed| Other::make(s, seed, Rule::Linkerd) },
    Entry { name: "agentgateway", make: |s, seed| Other::make(s, seed, Rule::Agentgateway) },
    Entry { name: "Prequal HCL", make: |s, seed| Other::make(s, seed, Rule::Prequal) },
    Entry { name: "LiteLLM shuffle", make: |s, seed| Other::make(s, seed, Rule::Shuffle) },
];

struct Ours {
    balancer: Balancer<usize>,
    clock: ManualClock,
    attempts: HashMap<usize, Attempts<usize>>,
    leases: HashMap<usize, Lease<usize>>,
}

impl Ours {
    fn make(scenario: &Scenario, seed: u64, algorithm: Algorithm) -> Box<dyn Gateway> {
        let clock = ManualClock::new();
        let settings = if scenario.has_breaker { Settings::passive() } else { Settings::off() };
        let targets = (0..scenario.speeds.len()).map(|n| Target::new(format!("t{n}"), n));
        let builder = Balancer::builder("simulated").algorithm(algorithm).health(settings);
        let builder = builder.clock(clock.clone()).seed(seed).targets(targets);
        Box::new(Self {
            balancer: builder.build().expect("the plan is sound"),
            clock,
            attempts: HashMap::new(),
            leases: HashMap::new(),
        })
    }

    fn set(&self, now: f64) {
        self.clock.set(Moment::ZERO + Duration::from_secs_f64(now + 1.0));
    }
}

impl Gateway for Ours {
    fn pick(&mut self, job: usize, now: f64) -> usize {
        self.set(now);
        let balancer = &self.balancer;
        let attempts = self.attempts.entry(job).or_insert_with(|| balancer.request());
        let lease = attempts.pick().expect("somebody takes it, if as a last resort");
        let target = *lease;
        self.leases.insert(job, lease);
        target
    }

    fn first_byte(&mut self, job: usize, _: usize, now: f64, _: f64) {
        self.set(now);
        self.leases.get_mut(&job).expect("it runs").first_byte();
    }

    fn end(&mut self, job: usize, _: usize, end: &End) {
        self.set(end.now);
        let mut lease = self.leases.remove(&job).expect("it runs");
        lease.tokens(end.input as u64, end.output as u64);
        lease.finish(match end.wait {
            _ if end.ok => Outcome::Success,
            Some(wait) => {
                Outcome::RateLimited { retry_after: Some(Duration::from_secs_f64(wait)) }
            }
            None => Outcome::Failure(FailureKind::Status),
        });
        if end.ok {
            self.attempts.remove(&job);
        }
    }
}

struct Pingora {
    balancer: LoadBalancer<RoundRobin>,
    breakers: Breakers,
    tried: HashMap<usize, usize>,
}

impl Pingora {
    fn make(scenario: &Scenario, _: u64) -> Box<dyn Gateway> {
        let addresses: Vec<String> =
            (0..scenario.speeds.len()).map(|n| format!("10.0.0.{n}:80")).collect();
        let balancer = LoadBalancer::<RoundRobin>::try_from_iter(&addresses).expect("addresses");
        balancer.update().now_or_never().expect("a static list").expect("a static list");
        let breakers = Breakers::new(scenario);
        Box::new(Self { balancer, breakers, tried: HashMap::new() })
    }
}

impl Gateway for Pingora {
    fn pick(&mut self, job: usize, now: f64) -> usize {
        let open = self.breakers.open(now, self.tried.get(&job).copied());
        let place = |backend: &pingora_load_balancing::Backend| {
            let address = backend.addr.to_string();
            let address = address.to_socket_addrs().ok().and_then(|mut a| a.next());
            match address.map(|a| a.ip()) {
                Some(std::net::IpAddr::V4(ip)) => usize::from(ip.octets()[3]),
                _ => 0,
            }
        };
        let backend = self.balancer.select_with(b"", 4096, |b, ready| ready && open.contains(&place(b)));
        let target = backend.as_ref().map_or(open[0], place);
        self.tried.insert(job, target);
        target
    }

    fn first_byte(&mut self, _: usize, _: usize, _: f64, _: f64) {}

    fn end(&mut self, job: usize, target: usize, end: &End) {
        self.breakers.end(target, end);
        if end.ok {
            self.tried.remove(&job);
        }
    }
}

/// Consecutive failures and dates, for those that bring no breaker of their own.
struct Breakers {
    is_on: bool,
    row: Vec<u32>,
    until: Vec<f64>,
}

impl Breakers {
    fn new(scenario: &Scenario) -> Self {
        let len = scenario.speeds.len();
        Self { is_on: scenario.has_breaker, row: vec![0; len], until: vec![0.0; len] }
    }

    /// The targets that may be chosen; all, if none may.
    fn open(&self, now: f64, tried: Option<usize>) -> Vec<usize> {
        let all = 0..self.row.len();
        let open: Vec<usize> =
            all.clone().filter(|&n| self.until[n] <= now && Some(n) != tried).collect();
        if open.is_empty() { all.filter(|&n| Some(n) != tried).collect() } else { open }
    }

    fn end(&mut self, target: usize, end: &End) {
        if !self.is_on {
            return;
        }
        if end.ok {
            self.row[target] = 0;
        } else if let Some(wait) = end.wait {
            self.until[target] = end.now + wait;
        } else {
            self.row[target] += 1;
            if self.row[target] >= 5 {
                let rest = 2_f64.powi(self.row[target] as i32 - 5).min(60.0);
                self.until[target] = end.now + rest;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Two choices with replacement, fewer active requests, counted to the end of the stream.
    Envoy,
    /// The fewest connections, ties by turns.
    Nginx,
    /// The fewest connections, ties by who was used longest ago.
    Haproxy,
    /// Two choices, peak EWMA of the time to first data (10 s) times pending requests.
    Linkerd,
    /// Two choices, health over latency and a tenth for each pending request.
    Agentgateway,
    /// Three probes; of those below the hot quantile of requests in flight the quickest, else the
    /// least loaded.
    Prequal,
    /// Any, at random.
    Shuffle,
}

struct Other {
    rule: Rule,
    dice: Dice,
    active: Vec<u32>,
    latency: Vec<f64>,
    as_of: Vec<f64>,
    health: Vec<f64>,
    used: Vec<u64>,
    turn: u64,
    breakers: Breakers,
    tried: HashMap<usize, usize>,
}

impl Other {
    fn make(scenario: &Scenario, seed: u64, rule: Rule) -> Box<dyn Gateway> {
        let len = scenario.speeds.len();
        let first = if rule == Rule::Linkerd { 0.03 } else { 0.0 };
        Box::new(Self {
            rule,
            dice: Dice::new(seed ^ 0xabcd),
            active: vec![0; len],
            latency: vec![first; len],
            as_of: vec![0.0; len],
            health: vec![1.0; len],
            used: vec![0; len],
            turn: 0,
            breakers: Breakers::new(scenario),
            tried: HashMap::new(),
        })
    }

    fn choose(&mut self, open: &[usize], now: f64) -> usize {
        let mut draw = || open[self.dice.below(open.len())];
        match self.rule {
            Rule::Shuffle => draw(),
            Rule::Envoy => {
                let (one, two) = (draw(), draw());
                if self.active[two] < self.active[one] { two } else { one }
            }
            Rule::Nginx | Rule::Haproxy => {
                let by_turn = |&n: &usize| match self.rule {
                    Rule::Nginx => (self.active[n], (n as u64 + 1_000_000 - self.turn) % 1_000),
                    _ => (self.active[n], self.used[n]),
                };
                open.iter().copied().min_by_key(by_turn).unwrap_or(0)
            }
            Rule::Linkerd | Rule::Agentgateway => {
                let one = draw();
                let two = (0..8).map(|_| draw()).find(|&n| n != one).unwrap_or(one);
                if self.cost(two, now) < self.cost(one, now) { two } else { one }
            }
            Rule::Prequal => {
                let probes = [draw(), draw(), draw()];
                let mut loads: Vec<u32> = self.active.clone();
                loads.sort_unstable();
                let hot = loads[loads.len() * 84 / 100];
                let cold = probes.iter().copied().filter(|&n| self.active[n] <= hot);
                let quick = |a: &usize, b: &usize| self.latency[*a].total_cmp(&self.latency[*b]);
                let least = || probes.iter().copied().min_by_key(|&n| self.active[n]);
                cold.min_by(quick).or_else(least).unwrap_or(0)
            }
        }
    }

    fn cost(&self, n: usize, now: f64) -> f64 {
        let pending = f64::from(self.active[n]);
        match self.rule {
            Rule::Linkerd => {
                let faded = self.latency[n] * (-(now - self.as_of[n]) / 10.0).exp();
                faded * (pending + 1.0)
            }
            _ => (1.0 + self.latency[n] * (1.0 + 0.1 * pending)) / self.health[n].max(1e-6),
        }
    }

    fn learn(&mut self, target: usize, now: f64, secs: f64) {
        match self.rule {
            Rule::Linkerd => {
                let kept = (-(now - self.as_of[target]) / 10.0).exp();
                let mean = self.latency[target];
                self.latency[target] =
                    if secs > mean { secs } else { mean * kept + secs * (1.0 - kept) };
                self.as_of[target] = now;
            }
            _ => self.latency[target] += 0.3 * (secs - self.latency[target]),
        }
    }
}

impl Gateway for Other {
    fn pick(&mut self, job: usize, now: f64) -> usize {
        let open = self.breakers.open(now, self.tried.get(&job).copied());
        let target = self.choose(&open, now);
        self.turn = target as u64 + 1;
        self.numbered(target);
        self.active[target] += 1;
        self.tried.insert(job, target);
        target
    }

    fn first_byte(&mut self, _: usize, target: usize, now: f64, secs: f64) {
        if self.rule == Rule::Linkerd {
            self.learn(target, now, secs);
        }
    }

    fn end(&mut self, job: usize, target: usize, end: &End) {
        self.active[target] -= 1;
        // linkerd measures to first data, which an error is too; others measure what passed.
        if self.rule == Rule::Linkerd && !end.ok || self.rule != Rule::Linkerd && end.ok {
            self.learn(target, end.now, end.secs);
        }
        let passed = if end.ok { 1.0 } else { 0.0 };
        self.health[target] += 0.3 * (passed - self.health[target]);
        self.breakers.end(target, end);
        if end.ok {
            self.tried.remove(&job);
        }
    }
}

impl Other {
    fn numbered(&mut self, target: usize) {
        let last = self.used.iter().copied().max().unwrap_or(0);
        self.used[target] = last + 1;
    }
}
