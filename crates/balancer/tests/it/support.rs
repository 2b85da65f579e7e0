//! Balancers under a clock that the test moves.

use std::collections::BTreeMap;
use std::time::Duration;

use ai_gateway_balancer::{
    Algorithm, Balancer, Builder, FailureKind, Lease, ManualClock, Outcome, Settings, State,
    Target, TargetView,
};

pub(crate) const BROKEN: Outcome = Outcome::Failure(FailureKind::Status);

pub(crate) struct Rig {
    pub(crate) balancer: Balancer<usize>,
    pub(crate) clock: ManualClock,
}

impl Rig {
    /// Targets `a`, `b`, … with these weights, all of one priority.
    pub(crate) fn new(algorithm: Algorithm, weights: &[u32]) -> Self {
        Self::with(|builder| builder.algorithm(algorithm).targets(targets(weights)))
    }

    pub(crate) fn with(set: impl FnOnce(Builder<usize>) -> Builder<usize>) -> Self {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1000));
        let builder = Balancer::builder("test")
            .clock(clock.clone())
            .seed(7)
            .health(calm());
        let balancer = set(builder).build().expect("the plan is sound");
        Self { balancer, clock }
    }

    pub(crate) fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
        self.balancer.tick();
    }

    /// Picks `n` targets, each request ending well at once, and counts them by name.
    pub(crate) fn counts(&self, n: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..n {
            let lease = self.balancer.pick().expect("a target takes it");
            *counts.entry(lease.target_id().to_owned()).or_default() += 1;
            lease.finish(Outcome::Success);
        }
        counts
    }

    /// The names of `n` picks, each ending well at once.
    pub(crate) fn names(&self, n: usize) -> String {
        (0..n)
            .map(|_| {
                let lease = self.balancer.pick().expect("a target takes it");
                let name = lease.target_id().to_owned();
                lease.finish(Outcome::Success);
                name
            })
            .collect()
    }

    /// Picks until `id` comes, and ends all others as a caller who left.
    pub(crate) fn lease_on(&self, id: &str) -> Lease<usize> {
        let mut others = Vec::new();
        for _ in 0..10_000 {
            let lease = self.balancer.pick().expect("a target takes it");
            if lease.target_id() == id {
                return lease;
            }
            others.push(lease);
        }
        panic!("{id} is never picked");
    }

    /// Fails requests on `id` until it rests.
    pub(crate) fn trip(&self, id: &str) {
        for _ in 0..3 {
            self.lease_on(id).finish(BROKEN);
        }
        assert_eq!(self.state(id), State::Unhealthy);
    }

    pub(crate) fn view(&self, id: &str) -> TargetView {
        let views = self.balancer.snapshot();
        views
            .into_iter()
            .find(|view| &*view.id == id)
            .expect("it is a target")
    }

    pub(crate) fn state(&self, id: &str) -> State {
        self.view(id).state()
    }
}

/// Three failures in a row, ten seconds, no jitter, no ramp, no rate.
pub(crate) fn calm() -> Settings {
    Settings::passive()
        .jitter(0.0)
        .ramp(Duration::ZERO, 1.0)
        .without_success_rate()
}

/// Targets `a`, `b`, … with these weights.
pub(crate) fn targets(weights: &[u32]) -> Vec<Target<usize>> {
    weights
        .iter()
        .enumerate()
        .map(|(n, &weight)| Target::new(name(n), n).weight(weight))
        .collect()
}

pub(crate) fn name(n: usize) -> String {
    match u8::try_from(n) {
        Ok(small) if small < 26 => char::from(b'a' + small).to_string(),
        _ => format!("t{n}"),
    }
}
