//! Every interleaving of two or three threads over the real parts: `cargo xtask loom`, which bounds
//! how often a thread is interrupted. Without the bound:
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ai-gateway-balancer --release --lib loom_models`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as StdOrdering};
use std::task::{Wake, Waker};
use std::time::Duration;

use ai_gateway_health::{
    AdminChange, Event, FailureKind, Moment, Outcome, Role, Settings, Verdict,
};
use loom::thread;

use crate::gate::{Admits, Gate};
use crate::state::TargetState;
use crate::{Admin, Algorithm, Balancer, ManualClock, State, Target};

fn seconds(n: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(n)
}

fn state() -> Arc<TargetState> {
    let settings = Settings::passive()
        .threshold(1)
        .jitter(0.0)
        .without_success_rate();
    Arc::new(TargetState::new(
        "a".into(),
        1,
        Arc::new(settings),
        0,
        Moment::ZERO,
    ))
}

fn trip(state: &TargetState) {
    let verdict = Verdict::new(Outcome::Failure(FailureKind::Connect), 0, Role::Ordinary);
    state.on(Event::Outcome(verdict), true, seconds(1));
}

fn balancer(clock: &ManualClock, targets: impl IntoIterator<Item = Target<u8>>) -> Balancer<u8> {
    let builder = Balancer::builder("loom").clock(clock.clone()).seed(1);
    builder
        .algorithm(Algorithm::Priority)
        .targets(targets)
        .build()
        .expect("the plan is sound")
}

#[test]
fn a_bound_holds_and_a_refused_request_gives_its_place_back() {
    loom::model(|| {
        let clock = ManualClock::new();
        let balancer = balancer(&clock, [Target::new("a", 0).max_in_flight(1)]);
        let other = balancer.clone();
        let racer = thread::spawn(move || other.pick().ok());
        let mine = balancer.pick().ok();
        let theirs = racer.join().expect("it does not panic");
        assert!(mine.is_none() || theirs.is_none(), "two in a place for one");
        drop((mine, theirs));
        assert_eq!(balancer.snapshot()[0].in_flight, 0);
        assert!(balancer.pick().is_ok(), "a place was lost");
    });
}

#[test]
fn a_lease_that_begins_while_the_plan_changes_is_counted_once() {
    loom::model(|| {
        let clock = ManualClock::new();
        let both = || [Target::new("a", 0), Target::new("b", 1)];
        let balancer = balancer(&clock, both());
        let other = balancer.clone();
        let racer = thread::spawn(move || {
            let lease = other.pick().expect("one serves");
            let id = lease.target_id().to_owned();
            (lease, id)
        });
        balancer.update(balancer.plan()).expect("the plan is sound");
        let (lease, id) = racer.join().expect("it does not panic");
        for view in balancer.snapshot() {
            assert_eq!(view.in_flight, u32::from(*view.id == *id));
        }
        lease.finish(Outcome::Success);
        assert!(balancer.snapshot().iter().all(|view| view.in_flight == 0));
    });
}

#[test]
fn only_one_of_two_is_granted_the_probe() {
    loom::model(|| {
        let state = state();
        trip(&state);
        let now = seconds(60);
        state.on(Event::Tick, true, now);
        let other = Arc::clone(&state);
        let racer = thread::spawn(move || other.enter_as_probe(u32::MAX, now).is_some());
        let mine = state.enter_as_probe(u32::MAX, now).is_some();
        let theirs = racer.join().expect("it does not panic");
        assert!(mine != theirs, "{mine} and {theirs}");
        assert_eq!(state.in_flight(), 1);
    });
}

#[test]
fn an_outcome_that_comes_late_moves_nothing() {
    loom::model(|| {
        let state = state();
        let Ok(entry) = state.gate.enter(u32::MAX, Admits::Serving) else {
            panic!("it serves");
        };
        let other = Arc::clone(&state);
        // The target trips and is enabled again, while the request's failure arrives.
        let racer = thread::spawn(move || {
            other.on(Event::Admin(AdminChange::Disable), true, seconds(1));
            other.on(Event::Admin(AdminChange::Enable), true, seconds(2));
        });
        let verdict = Verdict::new(
            Outcome::Failure(FailureKind::Connect),
            entry.epoch,
            Role::Ordinary,
        );
        state.on(Event::Outcome(verdict), true, seconds(2));
        racer.join().expect("it does not panic");
        // Before, between or after: enabling clears it, or it belongs to an older epoch.
        assert_eq!(state.slow().machine.state(), State::Healthy);
        assert!(state.glance().serves());
        let _drains = state.gate.leave();
    });
}

struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, StdOrdering::SeqCst);
    }
}

#[test]
fn the_end_of_a_drain_is_never_missed() {
    loom::model(|| {
        let clock = ManualClock::new();
        let balancer = balancer(&clock, [Target::new("a", 0)]);
        let lease = balancer.pick().expect("it serves");
        let racer = thread::spawn(move || drop(lease));
        let bell = Arc::new(Bell(AtomicBool::new(false)));
        balancer.drain("a", None);
        let mut drained = std::pin::pin!(balancer.drained("a"));
        let waker = Waker::from(Arc::clone(&bell));
        let mut context = std::task::Context::from_waker(&waker);
        let is_over = Future::poll(drained.as_mut(), &mut context).is_ready();
        racer.join().expect("it does not panic");
        assert!(
            is_over || bell.0.load(StdOrdering::SeqCst),
            "nobody was woken"
        );
        assert_eq!(balancer.snapshot()[0].state(), State::Disabled);
        assert_eq!(balancer.snapshot()[0].admin, Admin::Disabled);
    });
}

#[test]
fn a_pick_that_meets_a_drain_is_either_waited_for_or_turned_away() {
    loom::model(|| {
        let state = state();
        let other = Arc::clone(&state);
        let racer = thread::spawn(move || match other.gate.enter(u32::MAX, Admits::Serving) {
            Ok(_) => true,
            Err(_refused) => false,
        });
        state.on(
            Event::Admin(AdminChange::Drain { until: None }),
            true,
            seconds(1),
        );
        let _said = state.drained(seconds(1));
        let is_in = racer.join().expect("it does not panic");
        let over = state.slow().machine.state() == State::Disabled;
        assert_eq!(over, !is_in || state.in_flight() == 0);
        if is_in {
            assert!(state.gate.leave(), "the last one out ends the drain");
            let _said = state.drained(seconds(2));
        }
        assert_eq!(state.slow().machine.state(), State::Disabled);
    });
}

#[test]
fn a_drain_ends_once_the_requests_of_all_gates_have_left() {
    loom::model(|| {
        let state = state();
        let gate = state.gate_of(1).expect("there is such a lane");
        let enter = |gate: &Gate| gate.enter(u32::MAX, Admits::Serving).is_ok();
        assert!(enter(&state.gate) && enter(&gate));
        let drain = Event::Admin(AdminChange::Drain { until: None });
        state.on(drain, true, seconds(1));
        let other = Arc::clone(&state);
        let leave = |state: &TargetState, gate: &Gate| {
            if gate.leave() {
                let _said = state.drained(seconds(1));
            }
        };
        let racer = thread::spawn(move || leave(&other, &gate));
        assert_ne!(state.slow().machine.state(), State::Healthy);
        leave(&state, &state.gate);
        racer.join().expect("it does not panic");
        assert_eq!(state.slow().machine.state(), State::Disabled);
    });
}

#[test]
fn a_drain_is_seen_at_the_gate_of_a_lane_or_waits_for_it() {
    loom::model(|| {
        let state = state();
        let other = Arc::clone(&state);
        let racer = thread::spawn(move || {
            let gate = other.gate_of(1).expect("there is such a lane");
            let is_in = gate.enter(u32::MAX, Admits::Serving).is_ok();
            (gate, is_in)
        });
        let drain = Event::Admin(AdminChange::Drain { until: None });
        state.on(drain, true, seconds(1));
        let _said = state.drained(seconds(1));
        let (gate, is_in) = racer.join().expect("it does not panic");
        let is_over = state.slow().machine.state() == State::Disabled;
        assert_eq!(is_over, !is_in);
        if is_in {
            assert_eq!(state.in_flight(), 1);
            assert!(gate.leave(), "the last one out ends the drain");
            let _said = state.drained(seconds(2));
        }
        assert_eq!(state.slow().machine.state(), State::Disabled);
    });
}
