//! Says to the metrics how the live targets are.

use std::sync::Arc;

use ai_gateway_registry::{self as registry, Fleet, TargetHealth, UpstreamSample};
use ai_gateway_telemetry::{TargetIdentity, TargetSample, TargetState};

/// A row for each target of `fleet`.
pub(crate) fn of(fleet: &dyn Fleet) -> Vec<TargetSample> {
    fleet
        .samples()
        .into_iter()
        .flat_map(
            |UpstreamSample {
                 gateway,
                 upstream,
                 health,
             }| {
                let (gateway, upstream) = (Arc::<str>::from(gateway), Arc::<str>::from(upstream));
                health.targets.into_iter().map(move |target| {
                    let identity = TargetIdentity {
                        gateway: Arc::clone(&gateway),
                        upstream: Arc::clone(&upstream),
                        target: Arc::from(target.name.as_str()),
                        provider: Arc::from(target.provider.as_str()),
                    };
                    row(identity, &target)
                })
            },
        )
        .collect()
}

fn row(identity: TargetIdentity, target: &TargetHealth) -> TargetSample {
    let is_full = target
        .max_in_flight
        .is_some_and(|max| target.in_flight >= max);
    TargetSample {
        identity,
        state: match target.state {
            registry::TargetState::Healthy => TargetState::Healthy,
            registry::TargetState::Unhealthy => TargetState::Unhealthy,
            registry::TargetState::Draining => TargetState::Draining,
            registry::TargetState::Disabled => TargetState::Disabled,
        },
        takes_traffic: target.state == registry::TargetState::Healthy
            && target.cooling_for.is_none()
            && !is_full,
        in_flight: u64::from(target.in_flight),
        weight: target.weight,
        priority: target.priority,
        ejections: u64::from(target.ejections),
        picks: target.picks,
    }
}
