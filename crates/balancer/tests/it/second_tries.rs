//! What a request may have again before it descends, and what it is told of it beforehand.

use std::time::Duration;

use ai_gateway_balancer::{Algorithm, Attempts, Outcome, Outlook, Target};
use proptest::prelude::*;

use crate::support::{BROKEN, Rig, calm, name};

const WORSE: Outlook = Outlook::Worse { back_in: None };

/// Targets `a`, `b`, … with these priorities, asked in this order, that never rest.
fn rig(priorities: &[u32]) -> Rig {
    Rig::with(|builder| {
        let target = |(n, &priority)| Target::new(name(n), n).priority(priority);
        builder
            .algorithm(Algorithm::Priority)
            .health(calm().threshold(1000))
            .targets(priorities.iter().enumerate().map(target))
    })
}

/// Picks `id`, ends it by `outcome`, and marks it as one to be tried again.
#[track_caller]
fn fails(attempts: &mut Attempts<usize>, id: &str, outcome: Outcome) {
    let lease = attempts.pick().expect("one is left");
    assert_eq!(lease.target_id(), id);
    attempts.allow_again(&lease);
    lease.finish(outcome);
}

fn limited(secs: u64) -> Outcome {
    let retry_after = Some(Duration::from_secs(secs));
    Outcome::RateLimited { retry_after }
}

fn back_in(secs: u64) -> Outlook {
    let back_in = Some(Duration::from_secs(secs));
    Outlook::Worse { back_in }
}

#[test]
fn the_second_try_waits_until_its_tier_has_no_untried_target() {
    let rig = rig(&[1, 1, 2, 2]);
    let mut attempts = rig.balancer.request();
    assert_eq!(attempts.outlook(), Outlook::Untried);
    fails(&mut attempts, "a", BROKEN);
    assert_eq!(attempts.outlook(), Outlook::Untried);
    fails(&mut attempts, "b", BROKEN);
    assert_eq!(attempts.outlook(), Outlook::Again);
    fails(&mut attempts, "a", BROKEN);
    assert_eq!(attempts.outlook(), WORSE, "one second try for the tier");
    fails(&mut attempts, "c", BROKEN);
    fails(&mut attempts, "d", BROKEN);
    assert_eq!(attempts.outlook(), Outlook::Again);
    fails(&mut attempts, "c", BROKEN);
    assert_eq!(attempts.outlook(), WORSE);
    assert!(attempts.pick().is_err(), "each tier had its second try");
    assert_eq!(attempts.count(), 6);
}

#[test]
fn only_a_marked_target_is_tried_again() {
    let rig = rig(&[1, 1, 2]);
    let mut attempts = rig.balancer.request();
    let silent = attempts.pick().expect("a serves");
    silent.finish(BROKEN);
    assert_eq!(attempts.outlook(), Outlook::Untried);
    fails(&mut attempts, "b", BROKEN);
    fails(&mut attempts, "b", BROKEN);
    assert_eq!(attempts.pick().expect("the spare one").target_id(), "c");
}

#[test]
fn a_marked_target_that_cools_says_when_it_is_back_and_is_tried_again_then() {
    let rig = rig(&[1, 1, 2]);
    let mut attempts = rig.balancer.request();
    fails(&mut attempts, "a", limited(3));
    fails(&mut attempts, "b", limited(2));
    assert_eq!(attempts.outlook(), back_in(2));
    rig.clock.advance(Duration::from_millis(1999));
    let last_ms = Some(Duration::from_millis(1));
    assert_eq!(attempts.outlook(), Outlook::Worse { back_in: last_ms });
    rig.clock.advance(Duration::from_millis(1));
    assert_eq!(attempts.outlook(), Outlook::Again);
    fails(&mut attempts, "b", limited(2));
    assert_eq!(attempts.outlook(), WORSE, "its second try is gone");
    assert_eq!(attempts.pick().expect("the spare one").target_id(), "c");
}

#[test]
fn an_untried_target_that_cools_is_worth_waiting_for_and_costs_no_second_try() {
    let rig = rig(&[1, 1, 2]);
    for secs in [5, 4] {
        rig.balancer
            .pick()
            .expect("one serves")
            .finish(limited(secs));
    }
    rig.wait(4);
    let mut attempts = rig.balancer.request();
    fails(&mut attempts, "b", BROKEN);
    assert_eq!(attempts.outlook(), Outlook::Again);
    fails(&mut attempts, "b", BROKEN);
    assert_eq!(attempts.outlook(), back_in(1), "until a cools off");
    rig.wait(1);
    assert_eq!(attempts.outlook(), Outlook::Untried);
    fails(&mut attempts, "a", BROKEN);
    assert_eq!(attempts.outlook(), WORSE);
}

#[test]
fn a_substitute_is_worse_than_the_model_asked_for() {
    let rig = Rig::with(|builder| {
        let target = |id, n, model| Target::new(id, n).models([model]).default_model(model);
        builder.targets([target("a", 0, "m"), target("b", 1, "other")])
    });
    let mut attempts = rig.balancer.request().model("m");
    fails(&mut attempts, "a", limited(2));
    assert_eq!(attempts.outlook(), back_in(2));
    let substitute = attempts.pick().expect("b takes its place");
    assert!(substitute.is_substituted());
    attempts.allow_again(&substitute);
    substitute.finish(BROKEN);
    assert_eq!(attempts.outlook(), Outlook::Again);
    fails(&mut attempts, "b", BROKEN);
    rig.wait(2);
    assert_eq!(attempts.outlook(), WORSE, "a and b share one second try");
    let unlisted = rig.balancer.request().model("nobody's");
    assert_eq!(unlisted.outlook(), WORSE, "nobody lists it");
}

#[test]
fn before_the_first_pick_every_target_that_serves_the_model_is_good() {
    let rig = rig(&[1, 2]);
    assert_eq!(rig.balancer.request().outlook(), Outlook::Untried);
    for secs in [9, 4] {
        rig.balancer
            .pick()
            .expect("one serves")
            .finish(limited(secs));
    }
    assert_eq!(rig.balancer.request().outlook(), back_in(4));
}

#[test]
fn the_lease_of_another_request_marks_nothing() {
    let rig = rig(&[1, 1, 2]);
    let stranger = rig.lease_on("a");
    let mut attempts = rig.balancer.request();
    attempts.allow_again(&stranger);
    for id in ["a", "b", "c"] {
        assert_eq!(attempts.pick().expect("one is left").target_id(), id);
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Pick, end so, and mark or not.
    Attempt(Outcome, bool),
    Wait(u64),
}

/// One request's targets, spelt out: whole seconds, one thread.
struct Naive {
    priority: u32,
    cools_until: u64,
    is_tried: bool,
    is_marked: bool,
}

#[derive(Debug, PartialEq)]
enum Expected {
    Untried(usize),
    Again(usize),
    Nobody,
}

/// The target that the next pick must choose among those that take traffic.
fn expected(targets: &[Naive], spent: &[u32], now: u64) -> Expected {
    for tier in 1..4 {
        let of = |test: &dyn Fn(&Naive) -> bool| {
            let fits = |t: &Naive| t.priority == tier && t.cools_until <= now && test(t);
            targets.iter().position(fits)
        };
        if let Some(n) = of(&|t| !t.is_tried) {
            return Expected::Untried(n);
        }
        if !spent.contains(&tier)
            && let Some(n) = of(&|t| t.is_marked)
        {
            return Expected::Again(n);
        }
    }
    Expected::Nobody
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![2 => Just(BROKEN), 1 => (1..6_u64).prop_map(limited)];
    let step = prop_oneof![
        4 => (outcome, any::<bool>()).prop_map(|(outcome, mark)| Step::Attempt(outcome, mark)),
        1 => (0..4_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_request_gets_what_the_naive_model_says_and_was_told_so(
        priorities in prop::collection::vec(1..4_u32, 1..6),
        steps in steps(),
    ) {
        let rig = rig(&priorities);
        let mut naive: Vec<Naive> = priorities
            .iter()
            .map(|&priority| Naive { priority, cools_until: 0, is_tried: false, is_marked: false })
            .collect();
        let (mut spent, mut last, mut now) = (Vec::new(), u32::MAX, 1000);
        let mut attempts = rig.balancer.request();
        for step in steps {
            let expected = expected(&naive, &spent, now);
            let (fits, told) = match expected {
                Expected::Untried(n) => (naive[n].priority <= last, Outlook::Untried),
                Expected::Again(n) => (naive[n].priority <= last, Outlook::Again),
                Expected::Nobody => (false, WORSE),
            };
            let outlook = attempts.outlook();
            if fits {
                prop_assert_eq!(outlook, told);
            } else {
                let may_have = |t: &&Naive| {
                    let again = t.is_marked && !spent.contains(&t.priority);
                    t.priority <= last && t.cools_until > now && (!t.is_tried || again)
                };
                let back = naive.iter().filter(may_have).map(|t| t.cools_until - now).min();
                prop_assert_eq!(outlook, back.map_or(WORSE, back_in));
            }
            let (outcome, mark) = match step {
                Step::Attempt(outcome, mark) => (outcome, mark),
                Step::Wait(secs) => {
                    now += secs;
                    rig.wait(secs);
                    continue;
                }
            };
            let Ok(lease) = attempts.pick() else {
                prop_assert_eq!(expected, Expected::Nobody);
                continue;
            };
            let n = *lease;
            match expected {
                Expected::Untried(target) => prop_assert_eq!(n, target),
                Expected::Again(target) => {
                    prop_assert_eq!(n, target);
                    spent.push(naive[n].priority);
                }
                Expected::Nobody => prop_assert!(lease.is_last_resort() && !naive[n].is_tried),
            }
            let target = &mut naive[n];
            target.is_tried = true;
            target.is_marked |= mark;
            last = target.priority;
            if let Outcome::RateLimited { retry_after: Some(rest) } = outcome {
                target.cools_until = target.cools_until.max(now + rest.as_secs());
            }
            if mark {
                attempts.allow_again(&lease);
            }
            lease.finish(outcome);
        }
    }
}
