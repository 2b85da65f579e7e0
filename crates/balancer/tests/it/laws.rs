//! Laws that hold for every algorithm, whatever happens.

use std::time::Duration;

use ai_gateway_balancer::{Algorithm, Lease, Outcome, State, Target, TargetView};
use proptest::prelude::*;

use crate::support::{BROKEN, Rig, calm, name};

#[derive(Clone, Debug)]
enum Step {
    Request {
        model: usize,
        key: u64,
        attempts: usize,
    },
    Finish(usize, Outcome),
    Wait(u64),
    Decide(usize, u8),
}

const MODELS: [&str; 4] = ["m0", "m1", "m2", "unlisted"];

#[derive(Clone, Debug)]
struct Shape {
    weight: u32,
    priority: u32,
    models: Vec<usize>,
    has_default: bool,
    cap: Option<u32>,
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let shape = (
        1..=100_u32,
        1..4_u32,
        prop::sample::subsequence(vec![0, 1, 2], 0..=3),
        any::<bool>(),
        prop::option::of(1..5_u32),
    );
    let shape = shape.prop_map(|(weight, priority, models, has_default, cap)| Shape {
        weight,
        priority,
        models,
        has_default,
        cap,
    });
    prop::collection::vec(shape, 1..8)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success),
        4 => Just(BROKEN),
        1 => Just(Outcome::RateLimited { retry_after: Some(Duration::from_secs(7)) }),
        1 => Just(Outcome::Cancelled),
        1 => Just(Outcome::CallerFault),
        1 => Just(Outcome::QuotaExhausted),
    ];
    let step = prop_oneof![
        6 => (0..5_usize, any::<u64>(), 1..4_usize)
            .prop_map(|(model, key, attempts)| Step::Request { model, key, attempts }),
        6 => (any::<usize>(), outcome).prop_map(|(n, outcome)| Step::Finish(n, outcome)),
        2 => (0..30_u64).prop_map(Step::Wait),
        1 => (any::<usize>(), 0..3_u8).prop_map(|(n, what)| Step::Decide(n, what)),
    ];
    prop::collection::vec(step, 1..120)
}

fn rig(algorithm: Algorithm, shapes: &[Shape]) -> Rig {
    Rig::with(|mut builder| {
        builder = builder.algorithm(algorithm);
        for (n, shape) in shapes.iter().enumerate() {
            let mut target = Target::new(name(n), n)
                .weight(shape.weight)
                .priority(shape.priority)
                .models(shape.models.iter().map(|&model| MODELS[model]));
            if shape.has_default
                && let Some(&first) = shape.models.first()
            {
                target = target.default_model(MODELS[first]);
            }
            if let Some(cap) = shape.cap {
                target = target.max_in_flight(cap);
            }
            builder = builder.target(target);
        }
        builder
    })
}

/// Whether a target takes ordinary traffic, by what everyone can see.
fn is_open(view: &TargetView, shape: &Shape) -> bool {
    view.state() == State::Healthy
        && view.health.cooling_until.is_none()
        && shape.cap.is_none_or(|cap| view.in_flight < cap)
}

fn lists(shape: &Shape, model: Option<&str>) -> bool {
    model.is_none_or(|model| {
        shape.models.is_empty() || shape.models.iter().any(|&m| MODELS[m] == model)
    })
}

/// Every promise about one pick, given what was to be seen before it.
fn check(
    lease: &Lease<usize>,
    before: &[TargetView],
    shapes: &[Shape],
    model: Option<&str>,
    tried: &[usize],
) -> Result<(), TestCaseError> {
    let (view, shape) = (&before[**lease], &shapes[**lease]);
    // Neither the operator's word nor a bound is ever passed over.
    prop_assert!(!matches!(view.state(), State::Disabled | State::Draining));
    prop_assert!(shape.cap.is_none_or(|cap| view.in_flight < cap));
    prop_assert!(!tried.contains(lease), "{} was tried", **lease);
    // A target at rest is a probe or a last resort, and says so.
    if view.state() == State::Unhealthy {
        prop_assert!(lease.is_probe() || lease.is_last_resort());
    }
    let candidate = |n: usize| !tried.contains(&n) && is_open(&before[n], &shapes[n]);
    let open_for_model = |n: &usize| candidate(*n) && lists(&shapes[*n], model);
    let best = (0..shapes.len())
        .filter(open_for_model)
        .map(|n| shapes[n].priority)
        .min();
    // The model is served by whoever lists it, or by default and marked.
    if lists(shape, model) {
        prop_assert!(!lease.is_substituted());
        if let Some(model) = model {
            prop_assert_eq!(lease.model(), Some(model));
        }
    } else {
        prop_assert!(lease.is_substituted());
        prop_assert_eq!(lease.model(), shape.models.first().map(|&m| MODELS[m]));
        prop_assert!(best.is_none(), "a target that lists it was open");
    }
    // No tier is passed over while one of its targets is open.
    if let Some(best) = best {
        prop_assert!(
            shape.priority <= best,
            "tier {} before {}",
            shape.priority,
            best
        );
        prop_assert!(!lease.is_last_resort());
    }
    Ok(())
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_pick_keeps_every_promise(
        algorithm in algorithms(),
        shapes in shapes(),
        steps in steps(),
    ) {
        let rig = rig(algorithm, &shapes);
        let mut held: Vec<Lease<usize>> = Vec::new();
        for step in steps {
            match step {
                Step::Request { model, key, attempts } => {
                    let model = MODELS.get(model).copied();
                    let mut request = rig.balancer.request().key(key);
                    if let Some(model) = model {
                        request = request.model(model);
                    }
                    let mut tried = Vec::new();
                    for _ in 0..attempts {
                        let before = rig.balancer.snapshot();
                        match request.pick() {
                            Ok(lease) => {
                                check(&lease, &before, &shapes, model, &tried)?;
                                tried.push(*lease);
                                held.push(lease);
                            }
                            Err(_) => {
                                let open = (0..shapes.len()).any(|n| {
                                    !tried.contains(&n)
                                        && is_open(&before[n], &shapes[n])
                                        && lists(&shapes[n], model)
                                });
                                prop_assert!(!open, "nobody was picked though one was open");
                            }
                        }
                    }
                }
                Step::Finish(n, outcome) if !held.is_empty() => {
                    held.swap_remove(n % held.len()).finish(outcome);
                }
                Step::Finish(..) => {}
                Step::Wait(secs) => rig.wait(secs),
                Step::Decide(n, what) => {
                    let id = name(n % shapes.len());
                    match what {
                        0 => rig.balancer.disable(&id),
                        1 => rig.balancer.enable(&id),
                        _ => rig.balancer.drain(&id, Some(Duration::from_secs(5))),
                    };
                }
            }
            let in_flight: u32 = rig.balancer.snapshot().iter().map(|view| view.in_flight).sum();
            prop_assert_eq!(in_flight as usize, held.len(), "a place was lost or given twice");
        }
    }

    #[test]
    fn least_connections_never_passes_over_a_strictly_lesser_load(
        weights in prop::collection::vec(1..=100_u32, 1..=16),
        ends in prop::collection::vec(any::<(bool, usize)>(), 1..200),
    ) {
        let rig = Rig::new(Algorithm::LeastConnections, &weights);
        let mut held = Vec::new();
        for (is_end, n) in ends {
            if is_end && !held.is_empty() {
                let lease: Lease<usize> = held.swap_remove(n % held.len());
                lease.finish(Outcome::Success);
            }
            let loads: Vec<u32> = rig.balancer.snapshot().iter().map(|v| v.in_flight).collect();
            let lease = rig.balancer.pick().expect("all serve");
            let key = |n: usize| (u64::from(loads[n]) + 1, u64::from(weights[n]));
            let (load, weight) = key(*lease);
            for other in 0..weights.len() {
                let (other_load, other_weight) = key(other);
                prop_assert!(load * other_weight <= other_load * weight, "{loads:?} {weights:?}");
            }
            held.push(lease);
        }
    }

    #[test]
    fn neutral_outcomes_change_nothing_wherever_they_fall(
        outcomes in prop::collection::vec(0..4_u8, 1..40),
        neutral in prop::collection::vec((any::<usize>(), 0..2_u8), 0..20),
    ) {
        let rig = |with_neutral: bool| {
            let rig = Rig::new(Algorithm::RoundRobin, &[1]);
            let mut states = Vec::new();
            for (place, outcome) in outcomes.iter().enumerate() {
                for (at, kind) in &neutral {
                    if with_neutral && at % outcomes.len() == place && let Ok(lease) = rig.balancer.pick() {
                        lease.finish(if *kind == 0 { Outcome::CallerFault } else { Outcome::Cancelled });
                    }
                }
                if let Ok(lease) = rig.balancer.pick() {
                    lease.finish(if *outcome == 0 { Outcome::Success } else { BROKEN });
                }
                states.push((rig.state("a"), rig.view("a").health.ejections));
                rig.wait(3);
            }
            states
        };
        prop_assert_eq!(rig(false), rig(true));
    }

    #[test]
    fn every_target_comes_back_when_time_passes_and_requests_pass(
        algorithm in algorithms(),
        weights in prop::collection::vec(1..=100_u32, 1..6),
        steps in steps(),
    ) {
        let rig = Rig::with(|builder| {
            let settings = calm().ramp(Duration::from_secs(30), 0.1);
            builder.algorithm(algorithm).health(settings).targets(crate::support::targets(&weights))
        });
        let mut held: Vec<Lease<usize>> = Vec::new();
        for step in steps {
            match step {
                Step::Request { key, .. } => held.extend(rig.balancer.pick_by_key(key)),
                Step::Finish(n, outcome) if !held.is_empty() => {
                    held.swap_remove(n % held.len()).finish(outcome);
                }
                Step::Wait(secs) => rig.wait(secs),
                Step::Finish(..) | Step::Decide(..) => {}
            }
        }
        drop(held);
        // The longest rest is that of a spent account; then a probe each, then the ramp.
        rig.wait(901);
        for key in 0..16 {
            rig.balancer.pick_by_key(key).expect("a probe is due").finish(Outcome::Success);
        }
        rig.wait(31);
        for view in rig.balancer.snapshot() {
            prop_assert_eq!(view.state(), State::Healthy);
            prop_assert!(view.health.ramp >= 1.0 && view.in_flight == 0);
        }
    }

    #[test]
    fn a_share_never_shrinks_while_it_grows_back(waits in prop::collection::vec(0..9_u64, 1..20)) {
        let rig = Rig::with(|builder| {
            let settings = calm().ramp(Duration::from_secs(60), 0.1);
            builder.health(settings).targets(crate::support::targets(&[1, 1]))
        });
        rig.trip("a");
        rig.wait(10);
        rig.balancer.pick().expect("the probe is due").finish(Outcome::Success);
        let mut last = rig.view("a").health.ramp;
        for secs in waits {
            rig.wait(secs);
            let ramp = rig.view("a").health.ramp;
            prop_assert!(ramp >= last);
            last = ramp;
        }
    }

    #[test]
    fn weighted_stays_exact_over_updates_that_change_nothing_about_it(
        weights in prop::collection::vec(1..=20_u32, 1..8),
        breaks in prop::collection::vec(1..50_usize, 1..10),
    ) {
        let rig = Rig::new(Algorithm::Weighted, &weights);
        let total = weights.iter().sum::<u32>() as usize;
        let mut counts = vec![0_u64; weights.len()];
        let mut picks = 0;
        for turns in breaks {
            for _ in 0..turns {
                let lease = rig.balancer.pick().expect("all serve");
                counts[*lease] += 1;
                picks += 1;
                lease.finish(Outcome::Success);
                for (&count, &weight) in counts.iter().zip(&weights) {
                    let due = u64::from(weight) * picks;
                    prop_assert!((count * total as u64).abs_diff(due) < total as u64);
                }
            }
            rig.balancer.update(rig.balancer.plan()).expect("the plan is sound");
        }
    }
}
