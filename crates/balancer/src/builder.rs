//! Building a balancer.

use std::fmt;
use std::sync::Arc;

use ai_gateway_health::Settings;

use crate::algorithm::Algorithm;
use crate::balancer::Balancer;
use crate::clock::{Clock, ClockSource, MonotonicClock};
use crate::core::Core;
use crate::error::BuildError;
use crate::node::Shared;
use crate::plan::{ModelFallback, OnExhausted, Plan};
use crate::random::Random;
use crate::sync::AtomicU32;
use crate::target::Target;

/// Collects what a balancer is made of. The settings are those of a [`Plan`].
#[must_use]
pub struct Builder<T> {
    name: Arc<str>,
    plan: Plan<T>,
    clock: ClockSource,
    seed: Option<u64>,
}

impl<T> Builder<T> {
    pub(crate) fn new(name: Arc<str>) -> Self {
        let clock = ClockSource::of(MonotonicClock::new());
        Self {
            name,
            plan: Plan::new(),
            clock,
            seed: None,
        }
    }

    /// Takes over a whole plan, in place of what was set before.
    pub fn plan(mut self, plan: Plan<T>) -> Self {
        self.plan = plan;
        self
    }

    /// How a target is chosen within a tier; `round-robin`.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.plan = self.plan.algorithm(algorithm);
        self
    }

    /// When targets without settings of their own rest; [`Settings::passive`].
    pub fn health(mut self, settings: Settings) -> Self {
        self.plan = self.plan.health(settings);
        self
    }

    /// What becomes of a request for a model that no target can serve now.
    pub fn model_fallback(mut self, fallback: ModelFallback) -> Self {
        self.plan = self.plan.model_fallback(fallback);
        self
    }

    /// What becomes of a request that no target may take.
    pub fn on_exhausted(mut self, rule: OnExhausted) -> Self {
        self.plan = self.plan.on_exhausted(rule);
        self
    }

    /// Lets weakened tiers share their traffic; see [`Plan::spill`].
    pub fn spill(mut self, factor: f32) -> Self {
        self.plan = self.plan.spill(factor);
        self
    }

    /// When targets at rest take traffic; see [`Plan::panic_threshold`].
    pub fn panic_threshold(mut self, share: f32) -> Self {
        self.plan = self.plan.panic_threshold(share);
        self
    }

    /// Which share of the targets may rest; see [`Plan::max_ejected`].
    pub fn max_ejected(mut self, share: f32) -> Self {
        self.plan = self.plan.max_ejected(share);
        self
    }

    /// Adds a target.
    pub fn target(mut self, target: Target<T>) -> Self {
        self.plan = self.plan.target(target);
        self
    }

    /// Adds targets.
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target<T>>) -> Self {
        self.plan = self.plan.targets(targets);
        self
    }

    /// Takes the time from `clock`; by default from the operating system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = ClockSource::of(clock);
        self
    }

    /// Makes everything random repeatable: the same calls, in the same order, at the same times
    /// get the same picks. By default nothing is.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Checks everything and makes the balancer.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with the first fault found.
    pub fn build(self) -> Result<Balancer<T>, BuildError> {
        self.plan.check()?;
        let random = self.seed.map_or(Random::Thread, Random::seeded);
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let shared = Arc::new(Shared {
            name: self.name,
            clock: self.clock,
            random,
            usual_spt: AtomicU32::new(1.0_f32.to_bits()),
        });
        Ok(Balancer {
            core: Core::new(shared, seed, self.plan),
        })
    }
}

impl<T> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
