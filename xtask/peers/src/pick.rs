//! What a pick and its end cost, in one process and one run.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ai_gateway_balancer::{
    Algorithm, Balancer, Clock, CoarseClock, ManualClock, Outcome, Plan, Settings, Target, TscClock,
};
use futures_util::FutureExt;
use pingora_load_balancing::LoadBalancer;
use pingora_load_balancing::selection::algorithms::{Random, RoundRobin};
use pingora_load_balancing::selection::consistent::KetamaHashing;
use pingora_load_balancing::selection::weighted::Weighted;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use tower::Service;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwma, PendingRequests};

use crate::cost::{millis, nanos, nanos_of_two};

const SIZES: [usize; 5] = [2, 8, 16, 100, 1000];

pub fn run() {
    println!("| pick and end, ns | {} |", SIZES.map(|n| format!("{n} targets")).join(" | "));
    println!("|---|{}", "---:|".repeat(SIZES.len()));
    let algorithms = [
        Algorithm::RoundRobin,
        Algorithm::Weighted,
        Algorithm::Random,
        Algorithm::P2c,
        Algorithm::LeastConnections,
        Algorithm::Priority,
    ];
    for algorithm in algorithms {
        row(&format!("`{algorithm}`"), |n| plain(&balancer(algorithm.clone(), n)));
    }
    row("`consistent-hash`, by key", by_key);
    row("`weighted`, success told, real clock", |n| told(&balancer(Algorithm::Weighted, n)));
    row("`weighted`, success told, coarse clock", |n| told(&told_coarsely(n)));
    row("model, two tiers, one tried, success told, coarse clock", |n| {
        let balancer = tiered(n);
        nanos(|| two_attempts(&balancer)) / 2.0
    });
    row("`token-latency`, timed, real clock", |n| timed(&balancer(Algorithm::TokenLatency, n)));
    row("`token-latency`, timed, processor's counter", |n| timed(&clocked(n, TscClock::new())));
    row("`token-latency`, timed, coarse clock", |n| timed(&clocked(n, CoarseClock::new())));
    row("`weighted`, half at rest", half_at_rest);
    row("`weighted`, two threads", |n| {
        let balancer = balancer(Algorithm::Weighted, n);
        nanos_of_two(|| drop(black_box(balancer.pick())))
    });
    row("pingora round robin", |n| pingora::<RoundRobinOf>(n, false));
    row("pingora round robin, half at rest", |n| pingora::<RoundRobinOf>(n, true));
    row("pingora random", |n| pingora::<RandomOf>(n, false));
    row("pingora ketama, by key", |n| pingora::<KetamaHashing>(n, false));
    row("tower p2c, pending requests", tower_pending);
    row("tower p2c, peak EWMA", tower_peak_ewma);
    println!("\nan update of 1000 targets of mean weight 50 that changes all weights: {:.2} ms", update());
}

/// Every target gets another weight, so that the cycle of turns is made anew.
fn update() -> f64 {
    let weighted = |shift: usize| {
        let weight = move |i: usize| u32::try_from((i + shift) % 100 + 1).unwrap_or(1);
        let target = move |i: usize| Target::new(format!("t{i}"), i).weight(weight(i));
        Plan::new().algorithm(Algorithm::Weighted).targets((0..1000).map(target))
    };
    let balancer = balancer(Algorithm::Weighted, 1000);
    let mut plans = (0..).map(weighted);
    millis(|| {
        let plan = plans.next().expect("they do not end");
        balancer.update(plan).expect("the plan is sound");
    })
}

type RoundRobinOf = Weighted<RoundRobin>;
type RandomOf = Weighted<Random>;

fn row(name: &str, measure: impl Fn(usize) -> f64) {
    let cells = SIZES.map(|n| format!("{:.1}", measure(n)));
    println!("| {name} | {} |", cells.join(" | "));
}

fn targets(n: usize) -> Vec<Target<usize>> {
    let weight = |i: usize| u32::try_from(i % 5 + 1).unwrap_or(1);
    (0..n).map(|i| Target::new(format!("t{i}"), i).weight(weight(i))).collect()
}

fn balancer(algorithm: Algorithm, n: usize) -> Balancer<usize> {
    let builder = Balancer::builder("b").algorithm(algorithm).targets(targets(n));
    builder.build().expect("the plan is sound")
}

fn clocked(n: usize, clock: impl Clock) -> Balancer<usize> {
    let builder = Balancer::builder("b").algorithm(Algorithm::TokenLatency).clock(clock);
    builder.targets(targets(n)).build().expect("the plan is sound")
}

fn plain(balancer: &Balancer<usize>) -> f64 {
    nanos(|| drop(black_box(balancer.pick())))
}

fn by_key(n: usize) -> f64 {
    let balancer = balancer(Algorithm::ConsistentHash, n);
    let mut key = 0_u64;
    nanos(|| {
        key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        drop(black_box(balancer.pick_by_key(key)));
    })
}

fn told_coarsely(n: usize) -> Balancer<usize> {
    let builder = Balancer::builder("b").algorithm(Algorithm::Weighted);
    let builder = builder.clock(CoarseClock::new()).targets(targets(n));
    builder.build().expect("the plan is sound")
}

fn told(balancer: &Balancer<usize>) -> f64 {
    nanos(|| tell(balancer))
}

fn tell(balancer: &Balancer<usize>) {
    if let Ok(lease) = black_box(balancer.pick()) {
        lease.finish(Outcome::Success);
    }
}

fn tiered(n: usize) -> Balancer<usize> {
    let tiered = |(i, target): (usize, Target<usize>)| {
        target.priority(if i % 2 == 0 { 1 } else { 2 }).models(["gpt-4o", "gpt-4o-mini"])
    };
    let clock = ManualClock::new();
    let targets = targets(n).into_iter().enumerate().map(tiered);
    let builder = Balancer::builder("b").algorithm(Algorithm::Weighted).clock(clock);
    let balancer = builder.targets(targets).build().expect("the plan is sound");
    balancer
}

fn two_attempts(balancer: &Balancer<usize>) {
    let mut attempts = balancer.request().model("gpt-4o");
    drop(black_box(attempts.pick()));
    if let Ok(lease) = black_box(attempts.pick()) {
        lease.finish(Outcome::Success);
    }
}

fn timed(balancer: &Balancer<usize>) -> f64 {
    nanos(|| time(balancer))
}

fn time(balancer: &Balancer<usize>) {
    if let Ok(mut lease) = black_box(balancer.pick()) {
        lease.tokens(100, 100);
        lease.finish(Outcome::Success);
    }
}

/// A name, and what makes so many targets and then a pick of them.
type Case = (&'static str, fn(usize) -> Box<dyn FnMut()>);

/// What instructions are counted of.
pub const CASES: [Case; 7] = [
    ("`weighted`", |n| picks(balancer(Algorithm::Weighted, n))),
    ("`p2c`", |n| picks(balancer(Algorithm::P2c, n))),
    ("`least-connections`", |n| picks(balancer(Algorithm::LeastConnections, n))),
    ("`weighted`, success told, coarse clock", |n| {
        let balancer = told_coarsely(n);
        Box::new(move || tell(&balancer))
    }),
    ("a request of two attempts: model, two tiers, one tried", |n| {
        let balancer = tiered(n);
        Box::new(move || two_attempts(&balancer))
    }),
    ("`token-latency`, timed, coarse clock", |n| {
        let balancer = clocked(n, CoarseClock::new());
        Box::new(move || time(&balancer))
    }),
    ("`token-latency`, timed, real clock", |n| {
        let balancer = balancer(Algorithm::TokenLatency, n);
        Box::new(move || time(&balancer))
    }),
];

fn picks(balancer: Balancer<usize>) -> Box<dyn FnMut()> {
    Box::new(move || drop(black_box(balancer.pick())))
}

fn half_at_rest(n: usize) -> f64 {
    let clock = ManualClock::new();
    let builder = Balancer::builder("b").algorithm(Algorithm::Weighted).clock(clock);
    let settings = Settings::passive().base_ejection(Duration::from_secs(300));
    let balancer = builder.health(settings).targets(targets(n)).build().expect("sound");
    for i in (0..n).step_by(2) {
        balancer.disable(&format!("t{i}"));
    }
    plain(&balancer)
}

fn pingora<S>(n: usize, half: bool) -> f64
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    let addresses: Vec<String> = (0..n).map(|i| format!("10.0.{}.{}:80", i / 250, i % 250)).collect();
    let balancer = LoadBalancer::<S>::try_from_iter(&addresses).expect("addresses");
    balancer.update().now_or_never().expect("a static list is ready").expect("a static list");
    if half {
        for backend in balancer.backends().get_backend().iter().step_by(2) {
            balancer.backends().set_enable(backend, false);
        }
    }
    let mut key = 0_u64;
    nanos(|| {
        key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        drop(black_box(balancer.select(&key.to_le_bytes(), 256)));
    })
}

/// A service that answers at once.
#[derive(Clone)]
struct Echo;

impl Service<()> for Echo {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

fn tower_pending(n: usize) -> f64 {
    let services = (0..n).map(|_| PendingRequests::new(Echo, CompleteOnResponse::default()));
    drive(Balance::new(ServiceList::new::<()>(services)))
}

fn tower_peak_ewma(n: usize) -> f64 {
    let wrap = |_| {
        let rtt = Duration::from_millis(30);
        PeakEwma::new(Echo, rtt, 1e10, CompleteOnResponse::default())
    };
    drive(Balance::new(ServiceList::new::<()>((0..n).map(wrap))))
}

fn drive<S: Service<()>>(mut service: S) -> f64 {
    let mut context = Context::from_waker(Waker::noop());
    nanos(|| {
        if service.poll_ready(&mut context).is_ready() {
            let _answer = black_box(service.call(()).now_or_never());
        }
    })
}
