//! What must not break anything.

use std::time::Duration;

use ai_gateway_balancer::{
    Algorithm, Balancer, BuildError, Moment, Outcome, Policy, Pool, Settings, Target,
};

use crate::support::{BROKEN, Rig};

#[track_caller]
fn refused(targets: Vec<Target<usize>>) -> BuildError {
    Balancer::builder("test")
        .targets(targets)
        .build()
        .expect_err("the plan has a fault")
}

#[test]
fn plans_with_faults_are_refused_by_name() {
    assert_eq!(refused(Vec::new()), BuildError::NoTargets);
    let twice = vec![Target::new("a", 1), Target::new("a", 2)];
    assert_eq!(
        refused(twice),
        BuildError::DuplicateId { target: "a".into() }
    );
    for weight in [0, 101, u32::MAX] {
        let error = refused(vec![Target::new("a", 1).weight(weight)]);
        assert_eq!(
            error,
            BuildError::Weight {
                target: "a".into(),
                weight
            }
        );
    }
    assert!(matches!(
        refused(vec![Target::new("a", 1).max_in_flight(0)]),
        BuildError::MaxInFlight { .. }
    ));
    assert!(matches!(
        refused(vec![Target::new("a", 1).models(["x"]).default_model("y")]),
        BuildError::DefaultModel { .. }
    ));
    assert!(matches!(
        refused(vec![Target::new("a", 1).price(f32::NAN)]),
        BuildError::Price { .. }
    ));
    assert!(matches!(
        refused(vec![Target::new("a", 1).model_prices([("x", -1.0)])]),
        BuildError::Price { .. }
    ));
    assert!(matches!(
        refused(vec![
            Target::new("a", 1).health(Settings::passive().threshold(0))
        ]),
        BuildError::Health {
            target: Some(_),
            ..
        }
    ));
}

#[test]
fn a_clock_that_steps_back_stops_nothing() {
    for algorithm in Algorithm::ALL {
        let rig = Rig::new(algorithm.clone(), &[1, 1, 1]);
        let held = rig.balancer.pick_by_key(3).expect("one takes it");
        rig.clock.set(Moment::ZERO);
        held.finish(Outcome::Success);
        for key in 0..200 {
            let lease = rig.balancer.pick_by_key(key).expect("one takes it");
            lease.finish(if key % 3 == 0 {
                BROKEN
            } else {
                Outcome::Success
            });
        }
        rig.clock.set(Moment::from_nanos(u64::MAX - 1));
        rig.balancer
            .pick()
            .expect("one takes it")
            .finish(Outcome::Success);
        assert!(
            rig.balancer
                .snapshot()
                .iter()
                .all(|view| view.in_flight == 0),
            "{algorithm}"
        );
    }
}

struct Unruly;

impl Policy for Unruly {
    fn name(&self) -> &'static str {
        "unruly"
    }

    fn choose(&self, pool: &Pool<'_>) -> Option<usize> {
        match pool.key() {
            Some(0) => panic!("a policy's panic is not the request's"),
            Some(1) => Some(usize::MAX),
            Some(2) => Some(0),
            _ => None,
        }
    }
}

#[test]
fn a_policy_that_panics_or_lies_still_yields_an_open_target() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let rig = Rig::new(Algorithm::custom(Unruly), &[1, 1]);
    for key in 0..3 {
        assert_eq!(
            rig.balancer
                .pick_by_key(key)
                .expect("one is open")
                .target_id(),
            "a"
        );
    }
    rig.balancer.disable("a");
    for key in 0..3 {
        assert_eq!(
            rig.balancer
                .pick_by_key(key)
                .expect("one is open")
                .target_id(),
            "b"
        );
    }
    std::panic::set_hook(hook);
    assert!(
        rig.balancer
            .snapshot()
            .iter()
            .all(|view| view.in_flight == 0)
    );
}

#[test]
fn a_panic_while_a_lease_is_held_gives_its_place_back() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1]);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _lease = rig.balancer.pick().expect("one takes it");
        panic!("the request's handler breaks");
    }));
    std::panic::set_hook(hook);
    assert!(result.is_err());
    assert_eq!(rig.view("a").in_flight, 0);
}

#[test]
fn a_hundred_thousand_targets_are_only_more() {
    for algorithm in [
        Algorithm::Weighted,
        Algorithm::LeastConnections,
        Algorithm::Random,
    ] {
        let weights: Vec<u32> = (0..100_000).map(|n| n % 100 + 1).collect();
        let rig = Rig::new(algorithm, &weights);
        let mut held = Vec::new();
        for _ in 0..1000 {
            held.push(rig.balancer.pick().expect("one takes it"));
        }
        drop(held);
        let lease = rig.balancer.pick().expect("one takes it");
        lease.finish(Outcome::RateLimited {
            retry_after: Some(Duration::from_secs(1)),
        });
        rig.balancer.pick().expect("one takes it").finish(BROKEN);
    }
}

#[test]
fn callers_who_make_up_models_fill_nothing() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1]);
    for n in 0..200 {
        let lease = rig.balancer.request().model(&format!("m{n}")).pick();
        if let Ok(lease) = lease {
            lease.finish(Outcome::ModelMissing);
        }
    }
    assert!(rig.view("a").missing_models.len() <= 32);
}
