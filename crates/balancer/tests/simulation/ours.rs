//! The real balancer, under the simulation's clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ai_gateway_balancer::{
    Algorithm, Attempts, Balancer, FailureKind, Lease, ManualClock, Moment, Outcome, Settings,
    Target, Transition,
};

use super::gateway::{End, Gateway, How};
use super::scenario::{Prompts, Scenario};
use super::server::Server;

pub(crate) struct Ours {
    balancer: Balancer<usize>,
    clock: ManualClock,
    attempts: HashMap<usize, Attempts<usize>>,
    leases: HashMap<usize, Lease<usize>>,
    trips: Arc<AtomicU64>,
    has_keys: bool,
}

impl Ours {
    pub(crate) fn make(scenario: &Scenario, seed: u64, algorithm: Algorithm) -> Box<dyn Gateway> {
        let clock = ManualClock::new();
        clock.set(moment(0.0));
        let settings = if scenario.has_breaker {
            Settings::passive()
        } else {
            Settings::off()
        };
        let weights = scenario.weights.iter().enumerate();
        let targets = weights.map(|(n, &weight)| Target::new(format!("t{n}"), n).weight(weight));
        let builder = Balancer::builder("simulated")
            .algorithm(algorithm)
            .health(settings);
        let builder = builder.clock(clock.clone()).seed(seed).targets(targets);
        let balancer = builder.build().expect("the plan is sound");
        let trips = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&trips);
        balancer.subscribe(move |event| {
            if matches!(event.transition, Transition::Ejected { .. }) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Box::new(Self {
            balancer,
            clock,
            attempts: HashMap::new(),
            leases: HashMap::new(),
            trips,
            has_keys: scenario.prompts != Prompts::Own,
        })
    }

    fn set(&self, now: f64) {
        self.clock.set(moment(now));
    }
}

impl Gateway for Ours {
    fn pick(&mut self, job: usize, key: u64, now: f64, _: &[Server]) -> Option<usize> {
        self.set(now);
        let balancer = &self.balancer;
        let attempts = self.attempts.entry(job).or_insert_with(|| {
            let request = balancer.request();
            if self.has_keys {
                request.key(key)
            } else {
                request
            }
        });
        let lease = attempts.pick().ok()?;
        let target = *lease;
        self.leases.insert(job, lease);
        Some(target)
    }

    fn first_byte(&mut self, job: usize, _: usize, now: f64, _: f64) {
        self.set(now);
        self.leases.get_mut(&job).expect("it runs").first_byte();
    }

    fn end(&mut self, job: usize, _: usize, end: &End) {
        self.set(end.now);
        let mut lease = self.leases.remove(&job).expect("it runs");
        lease.tokens(end.input as u64, end.output as u64);
        lease.finish(match end.how {
            How::Whole => Outcome::Success,
            How::Failed => Outcome::Failure(FailureKind::Status),
            How::TimedOut => Outcome::Failure(FailureKind::Timeout),
            How::Cut => Outcome::Failure(FailureKind::Stream),
            How::Left => Outcome::Cancelled,
            How::Limited { wait } => Outcome::RateLimited {
                retry_after: Some(Duration::from_secs_f64(wait)),
            },
        });
    }

    fn over(&mut self, job: usize) {
        self.attempts.remove(&job);
    }

    fn drain(&mut self, target: usize, now: f64) {
        self.set(now);
        self.balancer.drain(&format!("t{target}"), None);
    }

    fn enable(&mut self, target: usize, now: f64) {
        self.set(now);
        self.balancer.enable(&format!("t{target}"));
    }

    fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }
}

/// A second on, so that no moment is zero.
fn moment(now: f64) -> Moment {
    Moment::ZERO + Duration::from_secs_f64(now + 1.0)
}
