//! The real `tower::balance::p2c`, driven through its `Service` under tokio's paused clock.
//!
//! As it comes: a request counts until its answer's head. Targets that rest or are drained are
//! services that are not ready. It has no notion of a target that was tried.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Pending, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tower::Service;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, Load, PeakEwma, PendingRequests};
use tower::util::rng::Rng;

use super::breakers::Breakers;
use super::simulation::{Dice, End, Gateway, Scenario, Server};

/// What runs until its answer begins.
type Running = Pin<Box<dyn Future<Output = Result<(), tower::BoxError>>>>;

/// The balancer over services whose load is told by `L`.
pub struct Tower<L: Service<(), Response = (), Error = Infallible> + Load> {
    runtime: Runtime,
    balance: Balance<ServiceList<Vec<L>>, ()>,
    doors: Arc<Mutex<Doors>>,
    running: HashMap<usize, Running>,
    breakers: Breakers,
    now: f64,
}

/// Who is ready, who waits for that, and who was called last.
#[derive(Default)]
struct Doors {
    are_open: Vec<bool>,
    waiting: Vec<Option<Waker>>,
    called: usize,
}

/// A service that is its number.
pub struct Numbered {
    number: usize,
    doors: Arc<Mutex<Doors>>,
}

impl Service<()> for Numbered {
    type Response = ();
    type Error = Infallible;
    type Future = Pending<Result<(), Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut doors = self.doors.lock().expect("nobody panicked");
        if doors.are_open[self.number] {
            return Poll::Ready(Ok(()));
        }
        doors.waiting[self.number] = Some(context.waker().clone());
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.doors.lock().expect("nobody panicked").called = self.number;
        pending()
    }
}

/// Chance of the simulation's.
struct Seeded(Dice);

impl Rng for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0.word()
    }
}

impl Tower<PendingRequests<Numbered>> {
    /// By requests whose answer has not begun.
    pub fn pending(scenario: &Scenario, seed: u64) -> Box<dyn Gateway> {
        Self::make(scenario, seed, |service| {
            PendingRequests::new(service, CompleteOnResponse::default())
        })
    }
}

impl Tower<PeakEwma<Numbered>> {
    /// By the peak EWMA of the time to the answer's head, with linkerd's settings.
    pub fn peak_ewma(scenario: &Scenario, seed: u64) -> Box<dyn Gateway> {
        Self::make(scenario, seed, |service| {
            let (first, fades) = (Duration::from_millis(30), 1e10);
            PeakEwma::new(service, first, fades, CompleteOnResponse::default())
        })
    }
}

impl<L> Tower<L>
where
    L: Service<(), Response = (), Error = Infallible> + Load + 'static,
    L::Metric: std::fmt::Debug,
    L::Future: 'static,
{
    fn make(scenario: &Scenario, seed: u64, measured: impl Fn(Numbered) -> L) -> Box<dyn Gateway> {
        let len = scenario.speeds.len();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let entered = runtime.enter();
        let doors = Doors { are_open: vec![true; len], waiting: vec![None; len], called: 0 };
        let doors = Arc::new(Mutex::new(doors));
        let service = |number| measured(Numbered { number, doors: Arc::clone(&doors) });
        let services: Vec<L> = (0..len).map(service).collect();
        let balance = Balance::from_rng(ServiceList::new(services), Seeded(Dice::new(seed ^ 0x70e4)));
        drop(entered);
        let breakers = Breakers::new(scenario);
        Box::new(Self { runtime, balance, doors, running: HashMap::new(), breakers, now: 0.0 })
    }

    fn set(&mut self, now: f64) {
        let by = Duration::from_secs_f64((now - self.now).max(0.0));
        self.now = now;
        self.runtime.block_on(tokio::time::advance(by));
    }

    fn open(&self, which: &[usize]) {
        let mut doors = self.doors.lock().expect("nobody panicked");
        for number in 0..doors.are_open.len() {
            doors.are_open[number] = which.contains(&number);
            if doors.are_open[number] && let Some(waker) = doors.waiting[number].take() {
                waker.wake();
            }
        }
    }
}

impl<L> Gateway for Tower<L>
where
    L: Service<(), Response = (), Error = Infallible> + Load + 'static,
    L::Metric: std::fmt::Debug,
    L::Future: 'static,
{
    fn pick(&mut self, job: usize, _: u64, now: f64, _: &[Server]) -> Option<usize> {
        self.set(now);
        self.open(&self.breakers.open(now, None));
        let _entered = self.runtime.enter();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(())) = self.balance.poll_ready(&mut context) else {
            return None;
        };
        self.running.insert(job, Box::pin(self.balance.call(())));
        Some(self.doors.lock().expect("nobody panicked").called)
    }

    fn first_byte(&mut self, job: usize, _: usize, now: f64, _: f64) {
        self.set(now);
        let _entered = self.runtime.enter();
        self.running.remove(&job);
    }

    fn end(&mut self, job: usize, target: usize, end: &End) {
        self.first_byte(job, target, end.now, end.secs);
        self.breakers.end(target, end);
    }

    fn over(&mut self, _: usize) {}

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
