//! The upstreams of a process that serves no traffic.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ai_gateway_model::{Configuration, TargetState as Configured, Upstream};
use ai_gateway_registry::{
    Applied, Fleet, TargetHealth, TargetState, UpstreamHealth, UpstreamSample,
};
use uuid::Uuid;

/// Upstreams that are configured here and live elsewhere, or will be: no target is ever judged, so
/// each is as the operator set it, with `no_traffic_here` for a reason.
#[derive(Debug, Default)]
pub(super) struct Standby(Mutex<Configuration>);

impl Standby {
    fn configuration(&self) -> MutexGuard<'_, Configuration> {
        // A configuration is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet for Standby {
    fn apply(&self, configuration: &Configuration) -> Applied {
        let mut current = self.configuration();
        if configuration.revision() > current.revision() {
            *current = configuration.clone();
        }
        Applied {
            revision: current.revision(),
            faults: Vec::new(),
        }
    }

    fn revision(&self) -> u64 {
        self.configuration().revision()
    }

    fn health(&self, upstream: Uuid) -> Option<UpstreamHealth> {
        let configuration = self.configuration().clone();
        configuration
            .gateways()
            .flat_map(|gateway| configuration.live_upstreams(gateway.id()))
            .find(|it| it.id() == upstream)
            .map(|it| health(it))
    }

    fn samples(&self) -> Vec<UpstreamSample> {
        // Nothing that anyone should count.
        Vec::new()
    }
}

fn health(upstream: &Upstream) -> UpstreamHealth {
    let targets = upstream.targets().iter().map(|target| {
        let (state, reason) = match target.state() {
            Configured::Enabled => (TargetState::Healthy, NO_TRAFFIC_HERE),
            Configured::Draining { .. } => (TargetState::Draining, OPERATOR),
            Configured::Disabled => (TargetState::Disabled, OPERATOR),
        };
        TargetHealth {
            name: target.name().to_string(),
            provider: target.destination().to_string(),
            state,
            reason: Some(reason.to_owned()),
            since: Duration::ZERO,
            next_probe_in: None,
            in_flight: 0,
            max_in_flight: target.max_in_flight().map(Into::into),
            ramp: 1.0,
            cooling_for: None,
            ejections: 0,
            last_failure: None,
            picks: 0,
            weight: target.weight().get(),
            priority: target.priority().get(),
            models: target.models().iter().map(ToString::to_string).collect(),
        }
    });
    UpstreamHealth {
        algorithm: upstream.algorithm().as_str(),
        targets: targets.collect(),
    }
}

/// Why an enabled target counts as healthy: nothing is sent to it from here.
const NO_TRAFFIC_HERE: &str = "no_traffic_here";
/// Why a target is draining or disabled.
const OPERATOR: &str = "operator";
