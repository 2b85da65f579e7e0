//! Says in the balancer's words what the operator said in the model's.

use ai_gateway_balancer::{Admin, Algorithm, Event, Plan, Settings, State, Target, Transition};
use ai_gateway_model::{self as model, HealthChecks, Name, PassiveChecks, SuccessRate};
use tracing::{debug, info, warn};

use crate::fleet::TargetState;
use crate::upstream::Affinity;

/// The rules of an upstream, without its targets.
pub(crate) fn rules<E>(upstream: &model::Upstream) -> Plan<E> {
    let mut plan = Plan::new()
        .algorithm(algorithm(upstream.algorithm()))
        .health(settings(upstream.health_checks()))
        .model_fallback(match upstream.model_fallback() {
            model::ModelFallback::DefaultModel => ai_gateway_balancer::ModelFallback::DefaultModel,
            model::ModelFallback::Reject => ai_gateway_balancer::ModelFallback::Reject,
        });
    if let Some(percent) = upstream.health_checks().passive().max_ejected_percent {
        plan = plan.max_ejected(share(percent));
    }
    plan
}

/// The two crates spell algorithms alike; a test holds them to it.
fn algorithm(algorithm: model::Algorithm) -> Algorithm {
    algorithm.as_str().parse().unwrap_or_default()
}

/// One target.
pub(crate) fn target<E>(target: &model::Target, endpoint: E) -> Target<E> {
    let mut made = Target::new(target.name().to_shared(), endpoint)
        .weight(target.weight().get())
        .priority(target.priority().get())
        .models(
            target
                .models()
                .iter()
                .map(|model| Box::<str>::from(&**model)),
        )
        .health(settings(target.health_checks()))
        .admin(match target.state() {
            model::TargetState::Enabled => Admin::Enabled,
            model::TargetState::Draining { .. } => Admin::Draining,
            model::TargetState::Disabled => Admin::Disabled,
        });
    if let Some(default) = target.default_model() {
        made = made.default_model(&**default);
    }
    if let Some(max) = target.max_in_flight() {
        made = made.max_in_flight(max.get());
    }
    made
}

fn settings(checks: &HealthChecks) -> Settings {
    let active = checks.active();
    let mut settings = match (checks.is_passive(), active.is_some()) {
        (true, false) => Settings::passive(),
        (true, true) => Settings::both(),
        (false, true) => Settings::active(),
        (false, false) => Settings::off(),
    };
    settings = settings
        .threshold(checks.threshold())
        .interval(checks.interval())
        .fall(checks.unhealthy_threshold());
    settings = passively(settings, &checks.passive());
    if let Some(active) = active {
        if let Some(timeout) = active.timeout {
            settings = settings.check_timeout(timeout);
        }
        if let Some(rise) = active.healthy_threshold {
            settings = settings.rise(rise);
        }
    }
    settings
}

/// How the outcomes of requests are judged; what the operator left out keeps its default.
fn passively(mut settings: Settings, passive: &PassiveChecks) -> Settings {
    if let Some(base) = passive.base_ejection {
        settings = settings.base_ejection(base);
    }
    if let Some(longest) = passive.max_ejection {
        settings = settings.ejection_cap(longest);
    }
    if let Some(ramp) = passive.ramp {
        settings = settings.ramp(ramp, RAMP_FROM);
    }
    if let Some(longest) = passive.max_retry_after {
        settings = settings.retry_after_cap(longest);
    }
    match passive.success_rate {
        None => {}
        Some(SuccessRate::Off) => settings = settings.without_success_rate(),
        Some(SuccessRate::AtLeast {
            percent,
            samples,
            span,
        }) => {
            settings = settings.success_rate(share(percent), samples, span);
        }
    }
    if let Some(may) = passive.active_can_restore {
        settings = settings.active_can_restore(may);
    }
    settings
}

/// A percentage as a part of one.
fn share(percent: u32) -> f32 {
    f32::from(u16::try_from(percent).unwrap_or(100).min(100)) / 100.0
}

/// What requests should have in common to meet at one target of `algorithm`.
pub(crate) fn affinity(algorithm: model::Algorithm) -> Affinity {
    match algorithm {
        model::Algorithm::ConsistentHash => Affinity::Caller,
        model::Algorithm::PrefixAffinity => Affinity::Prefix,
        _ => Affinity::None,
    }
}

/// The operator's word for a state.
pub(crate) fn state(state: State) -> TargetState {
    match state {
        State::Healthy => TargetState::Healthy,
        State::Unhealthy => TargetState::Unhealthy,
        State::Draining => TargetState::Draining,
        State::Disabled => TargetState::Disabled,
    }
}

/// Writes a change of a target's state to the log.
pub(crate) fn log(gateway: &Name, event: &Event) {
    let (upstream, target) = (&*event.balancer, &*event.target);
    match event.transition {
        Transition::Ejected {
            reason,
            until,
            ejections,
        } => {
            let rest_secs = until.since(event.at).as_secs();
            let reason = reason.as_str();
            warn!(%gateway, upstream, target, reason, rest_secs, ejections, "target taken out");
        }
        Transition::Recovered => {
            info!(%gateway, upstream, target, "target takes traffic again");
        }
        Transition::RampEnded => {
            debug!(%gateway, upstream, target, "target has its whole share again");
        }
        Transition::Cooling { until } => {
            let rest_secs = until.since(event.at).as_secs();
            info!(%gateway, upstream, target, rest_secs, "target cools down");
        }
        Transition::Admin(admin) => {
            info!(%gateway, upstream, target, ?admin, "target administered");
        }
        _ => debug!(%gateway, upstream, target, "target changed"),
    }
}

/// The share that a target begins its recovery with.
const RAMP_FROM: f32 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_of_the_model_is_one_of_the_balancer() {
        for known in Algorithm::ALL {
            let told = model::Algorithm::from_spelling(known.as_str());
            assert_eq!(told.map(algorithm).as_ref(), Some(&known));
        }
    }
}
