//! What stays and what goes when the plan or the operator's mind changes.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ai_gateway_balancer::{
    ActiveCheck, Admin, Algorithm, Balancer, Outcome, Plan, Reason, Settings, State, Target,
    Transition,
};

use crate::support::{BROKEN, Rig, calm, targets};

#[test]
fn an_update_keeps_what_is_known_of_targets_that_stay() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1, 1, 1]);
    rig.trip("a");
    let held = rig.lease_on("b");
    let plan = rig
        .balancer
        .plan()
        .algorithm(Algorithm::Weighted)
        .target(Target::new("d", 3));
    let mut plan = plan;
    plan = plan.health(calm().threshold(9));
    let diff = rig.balancer.update(plan).expect("the plan is sound");
    assert_eq!(diff.added, ["d".into()]);
    assert_eq!(diff.kept.len(), 3);
    assert_eq!(rig.state("a"), State::Unhealthy);
    assert_eq!(rig.view("b").in_flight, 1);
    held.finish(Outcome::Success);
    assert_eq!(rig.view("b").in_flight, 0);
}

#[test]
fn turns_stay_exact_over_an_update_that_changes_nothing_about_them() {
    let rig = Rig::new(Algorithm::Weighted, &[5, 3, 2]);
    let mut names = String::new();
    for _ in 0..100 {
        names += &rig.names(3);
        rig.balancer
            .update(rig.balancer.plan())
            .expect("the plan is sound");
    }
    let count = |id| names.matches(id).count();
    assert_eq!((count('a'), count('b'), count('c')), (150, 90, 60));
}

#[test]
fn a_target_that_is_removed_finishes_what_it_has() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let held = rig.lease_on("a");
    let rest = Plan::new().target(Target::new("b", 1));
    let diff = rig.balancer.update(rest).expect("the plan is sound");
    assert_eq!(
        (diff.removed, diff.kept),
        (vec!["a".into()], vec!["b".into()])
    );
    assert_eq!(rig.names(20), "b".repeat(20));
    assert_eq!(*held, 0, "the lease still reaches its target");
    held.finish(BROKEN);
}

#[test]
fn a_target_that_comes_back_meets_its_own_requests() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1, 1]);
    let held = rig.lease_on("a");
    let without = Plan::new().target(Target::new("b", 1));
    rig.balancer.update(without).expect("the plan is sound");
    rig.balancer
        .update(Plan::new().health(calm()).targets(targets(&[1, 1])))
        .expect("the plan is sound");
    assert_eq!(rig.view("a").in_flight, 1);
    held.finish(Outcome::Success);
    assert_eq!(rig.view("a").in_flight, 0);
    assert_eq!(rig.state("a"), State::Healthy);
}

#[test]
fn a_plan_with_a_fault_changes_nothing() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let plan = rig.balancer.plan().target(Target::new("c", 3).weight(101));
    assert!(rig.balancer.update(plan).is_err());
    assert_eq!(rig.names(4), "abab");
}

#[test]
fn the_operators_word_in_a_plan_counts_when_it_changes() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    rig.trip("a");
    rig.balancer
        .update(rig.balancer.plan())
        .expect("the plan is sound");
    assert_eq!(
        rig.state("a"),
        State::Unhealthy,
        "enabled before and after: nothing is cleared"
    );
    let with = |admin| {
        let plan = Plan::new().health(calm());
        plan.target(Target::new("a", 0).admin(admin))
            .target(Target::new("b", 1))
    };
    rig.balancer
        .update(with(Admin::Disabled))
        .expect("the plan is sound");
    assert_eq!(rig.state("a"), State::Disabled);
    rig.balancer
        .update(with(Admin::Enabled))
        .expect("the plan is sound");
    assert_eq!(rig.state("a"), State::Healthy);
    rig.balancer
        .update(with(Admin::Draining))
        .expect("the plan is sound");
    assert_eq!(
        rig.state("a"),
        State::Disabled,
        "there was nothing to wait for"
    );
}

struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_drain_ends_with_the_last_request_and_wakes_who_waits() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let held = [rig.lease_on("a"), rig.lease_on("a")];
    assert!(rig.balancer.drain("a", None));
    assert_eq!(rig.names(4), "bbbb");
    let counter = Arc::new(Counter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&counter));
    let mut context = Context::from_waker(&waker);
    let mut drained = pin!(rig.balancer.drained("a"));
    assert_eq!(drained.as_mut().poll(&mut context), Poll::Pending);
    let [first, last] = held;
    drop(first);
    assert_eq!(counter.0.load(Ordering::SeqCst), 0);
    last.finish(Outcome::Success);
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert_eq!(drained.as_mut().poll(&mut context), Poll::Ready(()));
    assert_eq!(rig.state("a"), State::Disabled);
}

#[test]
fn a_drain_is_cut_short_by_its_deadline() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let held = rig.lease_on("a");
    rig.balancer.drain("a", Some(Duration::from_secs(30)));
    rig.wait(29);
    assert_eq!(rig.state("a"), State::Draining);
    rig.wait(1);
    assert_eq!(rig.state("a"), State::Disabled);
    held.finish(Outcome::Success);
    assert_eq!(rig.state("a"), State::Disabled);
}

#[test]
fn every_change_is_told_with_its_reason() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    rig.balancer
        .subscribe(|_| panic!("a listener's panic is its own affair"));
    rig.balancer.subscribe(move |event| {
        ears.lock()
            .expect("whole")
            .push((event.target.to_string(), event.transition));
    });
    rig.trip("a");
    rig.wait(10);
    rig.balancer
        .pick()
        .expect("the probe is due")
        .finish(Outcome::Success);
    rig.balancer.disable("b");
    let heard = heard.lock().expect("whole");
    assert!(matches!(
        heard[..],
        [
            (
                _,
                Transition::Ejected {
                    reason: Reason::Consecutive,
                    ejections: 1,
                    ..
                }
            ),
            (_, Transition::Recovered),
            (_, Transition::Admin(Admin::Disabled)),
        ]
    ));
    assert_eq!(heard[2].0, "b");
}

#[test]
fn a_failed_rate_limited_and_unknown_name_is_answered_with_no() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1]);
    assert!(!rig.balancer.disable("z") && !rig.balancer.enable("z"));
    assert!(!rig.balancer.drain("z", None) && !rig.balancer.report("z", ActiveCheck::Ok));
}

#[test]
fn active_checks_take_out_and_bring_back_without_traffic() {
    let rig = Rig::with(|builder| {
        let settings = Settings::active().jitter(0.0).ramp(Duration::ZERO, 1.0);
        builder.health(settings).targets(targets(&[1, 1]))
    });
    let run = |rounds: usize, check: ActiveCheck| {
        for _ in 0..rounds {
            let at = rig.balancer.next_check().expect("checks are wanted");
            rig.clock.advance(at.since(rig.balancer.now()));
            for due in rig.balancer.due_checks() {
                assert_eq!(due.timeout(), Duration::from_secs(5));
                let check = if *due == 0 { check } else { ActiveCheck::Ok };
                due.report(check);
            }
        }
    };
    run(12, ActiveCheck::Fail);
    assert_eq!(
        (rig.state("a"), rig.state("b")),
        (State::Unhealthy, State::Healthy)
    );
    assert_eq!(rig.view("a").health.reason, Some(Reason::ActiveCheck));
    run(6, ActiveCheck::Ok);
    assert_eq!(rig.state("a"), State::Healthy);
}

#[test]
fn a_balancer_may_go_before_its_leases() {
    let rig = Rig::new(Algorithm::TokenLatency, &[1, 1]);
    let (one, mut two) = (rig.lease_on("a"), rig.balancer.request());
    drop(rig);
    let lease = two.pick().expect("attempts keep it alive");
    drop(two);
    lease.finish(BROKEN);
    one.finish(Outcome::Success);
}

#[test]
fn every_pick_is_counted_however_many_come_at_once() {
    let balancer = Balancer::builder("b")
        .target(Target::new("a", ()))
        .build()
        .unwrap();
    let pick = || (0..1000).for_each(|_| drop(balancer.pick().unwrap()));
    std::thread::scope(|scope| {
        scope.spawn(pick);
        scope.spawn(pick);
    });
    assert_eq!(balancer.snapshot()[0].picks, 2000);
    assert_eq!(balancer.snapshot()[0].in_flight, 0);
}

#[test]
fn a_pick_beside_an_update_finds_who_comes_where_who_goes_is_closed() {
    let plan = |version: usize| {
        // One stays, and one takes the place of another with every update.
        let spare = Target::new(format!("spare-{version}"), 0).priority(2);
        Plan::new().targets([Target::new("first", 0).priority(1), spare])
    };
    let balancer = Balancer::builder("b").plan(plan(0)).build();
    let balancer = balancer.expect("the plan is sound");
    let is_over = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut found = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut attempts = balancer.request();
                let first = attempts.pick().expect("the first stays");
                assert_eq!(first.target_id(), "first");
                let spare = attempts.pick().expect("there always is a spare one");
                assert!(spare.target_id().starts_with("spare-"));
                found += 1;
            }
            found
        });
        for version in 1..=3000 {
            balancer.update(plan(version)).expect("the plan is sound");
        }
        is_over.store(true, Ordering::Relaxed);
        asking.join().expect("the asking thread stands")
    });
    assert!(found > 0, "nobody asked meanwhile");
}
