//! One upstream that is live: what the operator said of it, and the balancer behind it.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_balancer::{
    Attempts, Balancer, BuildError, CheckDue, Moment, NoTarget, NoTargetReason, Plan, TargetView,
};
use ai_gateway_model::{Algorithm, Gateway, Name, Target, TargetState as Wanted, Upstream};

use crate::budget::RetryMeter;
use crate::fleet::{TargetFault, TargetHealth, TargetState, UpstreamHealth};
use crate::hedges::HedgeMeter;
use crate::registry::{Compile, Place, Prices};
use crate::translate;

/// An upstream that is live.
///
/// Successive configurations share its balancer, which keeps counts and health of targets that
/// stay.
pub struct LiveUpstream<E> {
    gateway: Name,
    upstream: Arc<Upstream>,
    /// `None` when not one target could be made ready.
    balancer: Option<Balancer<E>>,
    affinity: Affinity,
    retries: Arc<RetryMeter>,
    hedges: Arc<HedgeMeter>,
    faults: Vec<TargetFault>,
}

/// What requests must have in common for the algorithm to send them to one target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Affinity {
    /// Nothing: each request is chosen for by itself.
    None,
    /// Their caller.
    Caller,
    /// The beginning of their prompt.
    Prefix,
}

impl<E: Send + Sync + 'static> LiveUpstream<E> {
    /// Makes `upstream` live, in place of `before` if it was live already.
    pub(crate) fn make(
        gateway: &Gateway,
        upstream: &Arc<Upstream>,
        before: Option<&Self>,
        compile: &dyn Compile<Endpoint = E>,
    ) -> Self {
        let mut faults = Vec::new();
        let mut plan = translate::rules(upstream);
        for target in upstream.targets() {
            let place = Place {
                gateway,
                upstream,
                target,
            };
            match compile.compile(&place) {
                Ok(endpoint) => {
                    // Others do not look at prices, and each model with one has a route of its own.
                    let prices = match upstream.algorithm() {
                        Algorithm::LowestCost => compile.prices(&place, &endpoint),
                        _ => Prices::default(),
                    };
                    let made = translate::target(target, endpoint).price(prices.other);
                    plan = plan.target(made.model_prices(prices.models));
                }
                Err(message) => faults.push(fault(upstream, target, message)),
            }
        }
        let balancer = match before.and_then(|before| before.balancer.clone()) {
            Some(balancer) => balancer.update(plan).map(|_| balancer),
            None => start(gateway.name(), upstream, plan),
        };
        let balancer = match balancer {
            Ok(balancer) => Some(balancer),
            Err(BuildError::NoTargets) => None,
            Err(error) => {
                let message = error.to_string();
                faults.extend(
                    upstream
                        .targets()
                        .iter()
                        .map(|target| fault(upstream, target, &message)),
                );
                None
            }
        };
        let live = Self {
            gateway: gateway.name().clone(),
            upstream: Arc::clone(upstream),
            balancer,
            affinity: translate::affinity(upstream.algorithm()),
            retries: before
                .map(|before| Arc::clone(&before.retries))
                .unwrap_or_default(),
            hedges: before
                .map(|before| Arc::clone(&before.hedges))
                .unwrap_or_default(),
            faults,
        };
        live.administer(before);
        live
    }

    /// Whether it is already what `gateway` and `upstream` say.
    ///
    /// One with a fault is tried again with each configuration: what stood in the way may be gone.
    pub(crate) fn is(&self, gateway: &Gateway, upstream: &Arc<Upstream>) -> bool {
        self.gateway == *gateway.name()
            && Arc::ptr_eq(&self.upstream, upstream)
            && self.faults.is_empty()
    }

    /// Carries out what the operator decided for targets since `before`.
    fn administer(&self, before: Option<&Self>) {
        let Some(balancer) = &self.balancer else {
            return;
        };
        for target in self.upstream.targets() {
            let was = before
                .and_then(|before| before.upstream.target(target.name()))
                .map_or(Wanted::Enabled, Target::state);
            let is = target.state();
            if was == is {
                continue;
            }
            match is {
                Wanted::Enabled => balancer.enable(target.name()),
                Wanted::Draining { deadline } => balancer.drain(target.name(), deadline),
                Wanted::Disabled => balancer.disable(target.name()),
            };
        }
    }

    /// The name of its gateway.
    pub fn gateway(&self) -> &Name {
        &self.gateway
    }

    /// What the operator said of it.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// What requests should have in common to meet at one target.
    pub fn affinity(&self) -> Affinity {
        self.affinity
    }

    /// What its requests were tried again in vain.
    pub fn retries(&self) -> &RetryMeter {
        &self.retries
    }

    /// How soon its answers usually begin, and how many requests may ask a second target.
    pub fn hedges(&self) -> &HedgeMeter {
        &self.hedges
    }

    /// Targets that could not be made ready.
    pub(crate) fn faults(&self) -> &[TargetFault] {
        &self.faults
    }

    /// Begins the attempts of one request, for a model that was asked for by name and a key that
    /// it shares with requests that should meet it at one target.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when not one target could be made ready.
    pub fn attempts(&self, model: Option<&str>, key: Option<u64>) -> Result<Attempts<E>, NoTarget> {
        let balancer = self.balancer.as_ref().ok_or(NoTarget {
            reason: NoTargetReason::Disabled,
            retry_after: None,
        })?;
        let mut attempts = balancer.request();
        if let Some(model) = model {
            attempts = attempts.model(model);
        }
        if let Some(key) = key {
            attempts = attempts.key(key);
        }
        Ok(attempts)
    }

    /// The active checks that are due now; each is handed out once.
    pub fn due_checks(&self) -> Vec<CheckDue<E>> {
        self.balancer
            .as_ref()
            .map(Balancer::due_checks)
            .unwrap_or_default()
    }

    /// Whether any target is checked actively.
    pub fn has_active_checks(&self) -> bool {
        self.upstream
            .targets()
            .iter()
            .any(|target| target.health_checks().active().is_some())
    }

    /// Lets what is due by the clock alone happen: a ramp that ends, a drain whose deadline passed.
    pub fn tick(&self) {
        if let Some(balancer) = &self.balancer {
            balancer.tick();
        }
    }

    /// How its targets are now.
    pub fn health(&self) -> UpstreamHealth {
        let (views, now) = match &self.balancer {
            Some(balancer) => (balancer.snapshot(), balancer.now()),
            None => (Vec::new(), Moment::from_nanos(0)),
        };
        let of = |target: &Target| {
            let fault = self
                .faults
                .iter()
                .find(|fault| fault.target == **target.name());
            match (views.iter().find(|view| *view.id == **target.name()), fault) {
                (Some(view), None) => seen(target, view, now),
                (_, fault) => unready(target, fault),
            }
        };
        UpstreamHealth {
            algorithm: self.upstream.algorithm().as_str(),
            targets: self.upstream.targets().iter().map(of).collect(),
        }
    }
}

fn start<E: Send + Sync + 'static>(
    gateway: &Name,
    upstream: &Upstream,
    plan: Plan<E>,
) -> Result<Balancer<E>, BuildError> {
    let balancer = Balancer::builder(upstream.name().to_shared())
        .plan(plan)
        .build()?;
    let gateway = gateway.clone();
    balancer.subscribe(move |event| {
        translate::log(&gateway, event);
    });
    Ok(balancer)
}

fn fault(upstream: &Upstream, target: &Target, message: impl Into<String>) -> TargetFault {
    TargetFault {
        upstream: upstream.name().to_string(),
        target: target.name().to_string(),
        message: message.into(),
    }
}

fn seen(target: &Target, view: &TargetView, now: Moment) -> TargetHealth {
    let health = &view.health;
    TargetHealth {
        state: translate::state(view.state()),
        reason: health.reason.map(|reason| reason.as_str().to_owned()),
        since: now.since(health.since),
        next_probe_in: health.next_probe_at.map(|at| at.since(now)),
        in_flight: view.in_flight,
        ramp: f64::from(health.ramp),
        cooling_for: health.cooling_until.map(|until| until.since(now)),
        ejections: health.ejections,
        last_failure: health
            .last_failure
            .map(|(at, kind)| (kind.as_str().to_owned(), now.since(at))),
        picks: view.picks,
        ..unready(target, None)
    }
}

/// A target without a balancer behind it.
fn unready(target: &Target, fault: Option<&TargetFault>) -> TargetHealth {
    TargetHealth {
        name: target.name().to_string(),
        provider: target.destination().label().to_owned(),
        state: TargetState::Disabled,
        reason: fault.map(|fault| fault.message.clone()),
        since: Duration::ZERO,
        next_probe_in: None,
        in_flight: 0,
        max_in_flight: target.max_in_flight().map(u32::from),
        ramp: 1.0,
        cooling_for: None,
        ejections: 0,
        last_failure: None,
        picks: 0,
        weight: target.weight().get(),
        priority: target.priority().get(),
        models: target.models().iter().map(ToString::to_string).collect(),
    }
}

impl<E> std::fmt::Debug for LiveUpstream<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveUpstream")
            .field("gateway", &self.gateway)
            .field("upstream", &self.upstream.name())
            .finish_non_exhaustive()
    }
}
