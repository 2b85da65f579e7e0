//! Who may serve which model, in what order.

use std::time::Duration;

use ai_gateway_balancer::{Algorithm, ModelFallback, NoTargetReason, OnExhausted, Outcome, Target};

use crate::support::{BROKEN, Rig, targets};

/// The two providers that everyone begins with: their models are disjoint.
fn providers() -> [Target<usize>; 2] {
    [
        Target::new("openai", 0)
            .weight(50)
            .models(["gpt-3.5-turbo", "gpt-4", "gpt-4o-mini"])
            .default_model("gpt-4o-mini"),
        Target::new("anthropic", 1)
            .weight(50)
            .models(["claude-x"])
            .default_model("claude-x"),
    ]
}

#[test]
fn only_targets_that_list_a_model_serve_it() {
    let rig = Rig::with(|builder| builder.targets(providers()));
    for _ in 0..20 {
        let lease = rig
            .balancer
            .request()
            .model("gpt-4")
            .pick()
            .expect("openai serves it");
        assert_eq!(
            (lease.target_id(), lease.model()),
            ("openai", Some("gpt-4"))
        );
        assert!(!lease.is_substituted());
    }
}

#[test]
fn without_a_model_each_serves_its_default() {
    let rig = Rig::with(|builder| builder.targets(providers()));
    let mut seen = [false; 2];
    for _ in 0..4 {
        let lease = rig.balancer.request().pick().expect("both serve");
        assert_eq!(lease.model(), Some(["gpt-4o-mini", "claude-x"][*lease]));
        seen[*lease] = true;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_model_that_cannot_be_had_falls_back_to_a_default_and_says_so() {
    let rig = Rig::with(|builder| builder.targets(providers()));
    let mut attempts = rig.balancer.request().model("gpt-4");
    attempts.pick().expect("openai serves it").finish(BROKEN);
    let lease = attempts.pick().expect("anthropic takes its place");
    assert_eq!(
        (lease.target_id(), lease.model()),
        ("anthropic", Some("claude-x"))
    );
    assert!(lease.is_substituted());
    drop(lease);
    let error = attempts.pick().expect_err("both were tried");
    assert!(
        matches!(error.reason, NoTargetReason::Exhausted { tried: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_substitute_can_be_refused() {
    let rig = Rig::with(|builder| {
        builder
            .model_fallback(ModelFallback::Reject)
            .targets(providers())
    });
    let unknown = rig
        .balancer
        .request()
        .model("llama")
        .pick()
        .expect_err("nobody lists it");
    assert_eq!(unknown.reason, NoTargetReason::Model);
    let mut attempts = rig.balancer.request().model("gpt-4");
    attempts.pick().expect("openai serves it").finish(BROKEN);
    assert!(matches!(
        attempts.pick().expect_err("tried").reason,
        NoTargetReason::Exhausted {
            candidates: 1,
            tried: 1,
            ..
        }
    ));
}

#[test]
fn a_target_without_a_list_serves_whatever_is_asked_for() {
    let any = Target::new("any", 2).priority(2);
    let rig = Rig::with(|builder| builder.targets(providers()).target(any));
    let long = "a-model-".repeat(20);
    for model in ["llama", &long] {
        let lease = rig
            .balancer
            .request()
            .model(model)
            .pick()
            .expect("any serves it");
        assert_eq!((lease.target_id(), lease.model()), ("any", Some(model)));
    }
}

#[test]
fn a_lower_tier_that_lists_the_model_comes_before_any_default() {
    let [openai, anthropic] = providers();
    let spare = Target::new("spare", 2).priority(9).models(["gpt-4"]);
    let rig = Rig::with(|b| b.target(openai).target(anthropic).target(spare));
    let mut attempts = rig.balancer.request().model("gpt-4");
    let order: Vec<String> = (0..3)
        .map(|_| attempts.pick().expect("one is left").target_id().to_owned())
        .collect();
    assert_eq!(order, ["openai", "spare", "anthropic"]);
}

#[test]
fn a_model_that_a_target_does_not_know_is_not_asked_of_it_for_a_minute() {
    let rig = Rig::with(|builder| builder.targets(providers()));
    let lease = rig
        .balancer
        .request()
        .model("gpt-4")
        .pick()
        .expect("openai serves it");
    lease.finish(Outcome::ModelMissing);
    for _ in 0..10 {
        let lease = rig.balancer.request().model("gpt-4").pick();
        let lease = lease.expect("a default takes its place");
        assert!(lease.is_substituted() && lease.model() != Some("gpt-4"));
    }
    let other = rig
        .balancer
        .request()
        .model("gpt-3.5-turbo")
        .pick()
        .expect("openai serves it");
    assert_eq!(other.target_id(), "openai");
    rig.wait(60);
    let lease = rig
        .balancer
        .request()
        .model("gpt-4")
        .pick()
        .expect("openai serves it again");
    assert_eq!(lease.target_id(), "openai");
}

#[test]
fn a_lower_tier_is_used_only_when_no_target_above_it_is_open() {
    let rig = Rig::with(|builder| {
        let spare = Target::new("spare", 9).priority(2);
        builder.targets(targets(&[1, 1])).target(spare)
    });
    assert!(!rig.names(50).contains("spare"));
    rig.balancer.disable("a");
    assert!(!rig.names(50).contains("spare"));
    rig.balancer.disable("b");
    assert_eq!(rig.names(2), "sparespare");
}

#[test]
fn a_full_target_is_passed_over() {
    let rig = Rig::with(|builder| {
        builder
            .algorithm(Algorithm::Priority)
            .target(Target::new("small", 0).max_in_flight(2))
            .target(Target::new("big", 1))
    });
    let held: Vec<_> = (0..5)
        .map(|_| rig.balancer.pick().expect("one has room"))
        .collect();
    let names: Vec<&str> = held.iter().map(|lease| lease.target_id()).collect();
    assert_eq!(names, ["small", "small", "big", "big", "big"]);
    drop(held);
    assert_eq!(rig.view("small").in_flight, 0);
}

#[test]
fn a_cooling_target_is_asked_only_when_nobody_else_is_left_and_the_first_to_cool_off_first() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1, 1]);
    for (id, secs) in [("a", 50), ("b", 20), ("c", 30)] {
        let retry_after = Some(Duration::from_secs(secs));
        rig.lease_on(id)
            .finish(Outcome::RateLimited { retry_after });
    }
    let mut attempts = rig.balancer.request();
    for id in ["b", "c", "a"] {
        let lease = attempts.pick().expect("it is the last resort");
        assert!(
            lease.is_last_resort() && lease.target_id() == id,
            "{lease:?} is not {id}"
        );
    }
    assert!(attempts.pick().is_err());
}

#[test]
fn failing_open_takes_the_target_whose_failure_is_longest_ago() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1, 1]);
    for id in ["b", "a", "c"] {
        rig.trip(id);
        rig.wait(1);
    }
    let order: String = (0..3)
        .map(|_| {
            rig.clock.advance(Duration::from_millis(1));
            let lease = rig.balancer.pick().expect("it is the last resort");
            assert!(lease.is_last_resort());
            lease.target_id().to_owned()
        })
        .collect();
    assert_eq!(order, "bac");
}

#[test]
fn failing_closed_and_the_operators_word_leave_nobody() {
    let rig = Rig::with(|builder| {
        builder
            .on_exhausted(OnExhausted::FailClosed)
            .targets(targets(&[1]))
    });
    rig.trip("a");
    assert!(rig.balancer.pick().is_err());
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    rig.balancer.disable("a");
    rig.balancer.drain("b", None);
    let error = rig.balancer.pick().expect_err("neither may");
    assert_eq!(
        (error.reason, error.retry_after),
        (NoTargetReason::Disabled, None)
    );
}

#[test]
fn a_spent_account_is_no_last_resort() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1]);
    rig.lease_on("a").finish(Outcome::QuotaExhausted);
    let error = rig.balancer.pick().expect_err("it is spent");
    assert_eq!(error.retry_after, Some(Duration::from_secs(900)));
    rig.balancer.enable("a");
    assert_eq!(rig.names(1), "a");
}

#[test]
fn a_weakened_tier_shares_its_traffic_where_it_may_spill() {
    let rig = Rig::with(|builder| {
        let spares = (0..4).map(|n| Target::new(format!("spare{n}"), 9).priority(2));
        builder.spill(1.4).targets(targets(&[1; 4])).targets(spares)
    });
    assert!(!rig.names(100).contains("spare"));
    rig.balancer.disable("a");
    rig.balancer.disable("b");
    // Half of the tier, times 1.4, bears 70 %.
    let spilt: usize = rig
        .counts(10_000)
        .iter()
        .filter(|(id, _)| id.starts_with("spare"))
        .map(|(_, n)| n)
        .sum();
    assert!((2_800..3_200).contains(&spilt), "{spilt} of 10000");
}

#[test]
fn below_the_panic_threshold_targets_at_rest_take_traffic_marked_as_last_resorts() {
    let rig = Rig::with(|builder| builder.panic_threshold(0.5).targets(targets(&[1; 4])));
    for id in ["a", "b"] {
        rig.trip(id);
    }
    assert!(!rig.names(40).contains('a'), "half is not below half");
    rig.trip("c");
    let mut seen = 0;
    for _ in 0..40 {
        let lease = rig.balancer.pick().expect("all serve");
        assert_eq!(lease.is_last_resort(), lease.target_id() != "d");
        seen += usize::from(lease.target_id() == "a");
    }
    assert_eq!(seen, 10);
}
