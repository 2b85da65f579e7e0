use super::*;
use crate::{
    ActiveCheck, Admin, AdminChange, FailureKind, Outcome, Role, Standing, State, Verdict,
};
use alloc::string::String;
use core::time::Duration;

fn secs(n: u64) -> Moment {
    Moment::ZERO + Duration::from_secs(n)
}

fn plain() -> Settings {
    Settings::passive().jitter(0.0)
}

/// Feeds one letter a second and draws after each whether the target takes traffic: `+`, or `-`.
///
/// `.` success, `x` failure, `n` the caller's fault, `c` refused credentials, `o` overload,
/// `p` a probe is granted and passes, `f` a probe fails, `l` a probe's caller leaves, `_` nothing.
#[track_caller]
fn check(settings: Settings, letters: &str, expected: &str) {
    let mut machine = Machine::new(Arc::new(settings), 7, Moment::ZERO);
    let mut drawn = String::new();
    for (letter, now) in letters.chars().zip((0..).map(secs)) {
        let outcome = match letter {
            '.' | 'p' => Outcome::Success,
            'x' | 'f' => Outcome::Failure(FailureKind::Status),
            'n' => Outcome::CallerFault,
            'c' => Outcome::Credentials,
            'o' => Outcome::Overloaded {
                retry_after: Some(Duration::ZERO),
            },
            _ => Outcome::Cancelled,
        };
        let mut verdict = machine.verdict(outcome);
        if "pfl".contains(letter) {
            let token = machine.grant_probe(now).expect("a probe is due");
            verdict = verdict.probe(token);
        }
        if letter == '_' {
            machine.on(Event::Tick, now);
        } else {
            machine.on(Event::Outcome(verdict), now);
        }
        drawn.push(if machine.state() == State::Healthy {
            '+'
        } else {
            '-'
        });
    }
    assert_eq!(drawn, expected, "after {letters}");
}

#[test]
fn the_third_failure_in_a_row_takes_the_target_out() {
    check(plain(), "xx.xxx", "+++++-");
    check(plain().threshold(1), ".x", "+-");
}

#[test]
fn neutral_outcomes_neither_add_nor_clear() {
    check(plain(), "xnnxnx", "+++++-");
}

#[test]
fn refused_credentials_count_apart() {
    check(plain(), "xxccc", "++++-");
    check(plain(), "cc.cc", "+++++");
    check(plain(), "cxxc", "++++");
}

#[test]
fn a_low_success_rate_takes_the_target_out_without_a_row() {
    let settings = plain()
        .threshold(100)
        .success_rate(0.5, 6, Duration::from_secs(30));
    check(settings, ".x.xxx", "+++++-");
}

#[test]
fn overload_counts_in_the_rate_and_not_in_the_row() {
    let settings = plain()
        .threshold(3)
        .success_rate(0.5, 6, Duration::from_secs(30));
    check(settings, "ooooox", "+++++-");
}

#[test]
fn without_passive_checks_failures_change_nothing() {
    check(Settings::off(), "xxxxxxxxcccc", "++++++++++++");
}

#[test]
fn a_probe_brings_the_target_back_after_its_rest() {
    let settings = plain().interval(Duration::from_secs(3));
    check(settings, "xxx__p.", "++---++");
}

#[test]
fn two_passes_are_needed_where_two_are_asked_for() {
    let settings = plain().interval(Duration::from_secs(3)).probe_passes(2);
    check(settings, "xxx__pp", "++----+");
}

#[test]
fn a_cancelled_probe_is_given_back() {
    let settings = plain().interval(Duration::from_secs(3));
    check(settings, "xxx__llp", "++-----+");
}

#[test]
fn a_failure_while_the_share_grows_takes_the_target_out_again() {
    let settings = plain().interval(Duration::from_secs(3));
    check(settings, "xxx__px", "++---+-");
}

fn tripped(settings: Settings) -> Machine {
    let mut machine = Machine::new(Arc::new(settings), 7, Moment::ZERO);
    for _ in 0..3 {
        let verdict = machine.verdict(Outcome::Failure(FailureKind::Connect));
        machine.on(Event::Outcome(verdict), Moment::ZERO);
    }
    machine
}

fn until(machine: &Machine) -> Moment {
    machine
        .detail(Moment::ZERO)
        .next_probe_at
        .expect("it rests")
}

#[test]
fn each_failed_probe_doubles_the_rest_up_to_the_cap() {
    let mut machine = tripped(plain().interval(Duration::from_secs(60)));
    let mut rests = Vec::new();
    let mut now = Moment::ZERO;
    for _ in 0..5 {
        rests.push(until(&machine).since(now).as_secs());
        now = until(&machine);
        let token = machine.grant_probe(now).expect("the rest is over");
        let verdict = machine
            .verdict(Outcome::Failure(FailureKind::Timeout))
            .probe(token);
        machine.on(Event::Outcome(verdict), now);
    }
    assert_eq!(rests, [60, 120, 240, 300, 300]);
}

#[test]
fn old_trips_fade_one_by_one_while_healthy() {
    let mut machine = tripped(plain().ramp(Duration::ZERO, 1.0));
    for round in 1..=3_u64 {
        let now = secs(1000 * round);
        let token = machine.grant_probe(now).expect("the rest is over");
        let verdict = machine.verdict(Outcome::Success).probe(token);
        machine.on(Event::Outcome(verdict), now);
        for _ in 0..3 {
            let verdict = machine.verdict(Outcome::Failure(FailureKind::Connect));
            machine.on(Event::Outcome(verdict), now);
        }
        assert_eq!(
            machine.detail(now).ejections,
            u32::try_from(round).unwrap_or(0) + 1
        );
    }
    let token = machine.grant_probe(secs(5000)).expect("the rest is over");
    let verdict = machine.verdict(Outcome::Success).probe(token);
    machine.on(Event::Outcome(verdict), secs(5000));
    for _ in 0..3 {
        let verdict = machine.verdict(Outcome::Failure(FailureKind::Connect));
        machine.on(Event::Outcome(verdict), secs(5025));
    }
    assert_eq!(
        machine.detail(secs(5025)).ejections,
        3,
        "two of four faded in 25 s"
    );
}

#[test]
fn outcomes_of_an_older_epoch_move_nothing() {
    let mut machine = Machine::new(Arc::new(plain()), 7, Moment::ZERO);
    let straggler = machine.verdict(Outcome::Success);
    let late = machine.verdict(Outcome::Failure(FailureKind::Connect));
    for _ in 0..3 {
        machine.on(Event::Outcome(late), Moment::ZERO);
    }
    machine.on(Event::Outcome(straggler), secs(1));
    assert_eq!(machine.state(), State::Unhealthy);
    let token = machine.grant_probe(secs(20)).expect("the rest is over");
    machine.on(
        Event::Outcome(machine.verdict(Outcome::Success).probe(token)),
        secs(20),
    );
    for _ in 0..9 {
        machine.on(Event::Outcome(late), secs(21));
    }
    assert_eq!(machine.state(), State::Healthy);
}

#[test]
fn a_token_that_was_given_back_is_worth_nothing() {
    let mut machine = tripped(plain());
    let first = machine.grant_probe(secs(20)).expect("the rest is over");
    assert!(machine.release_probe(first));
    let second = machine.grant_probe(secs(20)).expect("given back");
    machine.on(
        Event::Outcome(machine.verdict(Outcome::Success).probe(first)),
        secs(21),
    );
    assert_eq!(machine.standing(secs(21)), Standing::Probing);
    machine.on(
        Event::Outcome(machine.verdict(Outcome::Success).probe(second)),
        secs(22),
    );
    assert_eq!(machine.state(), State::Healthy);
}

#[test]
fn a_rate_limited_probe_is_not_spent() {
    let mut machine = tripped(plain());
    let token = machine.grant_probe(secs(20)).expect("the rest is over");
    let limited = Outcome::RateLimited {
        retry_after: Some(Duration::from_secs(5)),
    };
    machine.on(
        Event::Outcome(machine.verdict(limited).probe(token)),
        secs(20),
    );
    assert_eq!(
        machine.standing(secs(21)),
        Standing::Resting { until: secs(25) }
    );
    assert_eq!(machine.detail(secs(21)).ejections, 1);
    assert_eq!(machine.standing(secs(25)), Standing::ProbeDue);
}

#[test]
fn a_last_resort_that_passes_brings_the_target_back() {
    let mut machine = tripped(plain());
    let failed = Verdict::new(
        Outcome::Failure(FailureKind::Connect),
        machine.epoch(),
        Role::LastResort,
    );
    machine.on(Event::Outcome(failed), secs(1));
    assert_eq!(
        until(&machine),
        secs(10),
        "a failed one does not lengthen the rest"
    );
    let passed = Verdict::new(Outcome::Success, machine.epoch(), Role::LastResort);
    machine.on(Event::Outcome(passed), secs(2));
    assert_eq!(machine.state(), State::Healthy);
}

#[test]
fn a_spent_account_rests_until_its_date_or_until_enabled() {
    let mut machine = Machine::new(Arc::new(plain()), 7, Moment::ZERO);
    machine.on(
        Event::Outcome(machine.verdict(Outcome::QuotaExhausted)),
        secs(0),
    );
    assert_eq!(
        machine.standing(secs(1)),
        Standing::Resting { until: secs(900) }
    );
    machine.on(Event::Admin(AdminChange::Enable), secs(2));
    assert_eq!(machine.state(), State::Healthy);
}

#[test]
fn cooling_is_beside_the_state() {
    let mut machine = Machine::new(Arc::new(plain()), 7, Moment::ZERO);
    let limited = Outcome::RateLimited {
        retry_after: Some(Duration::from_secs(5)),
    };
    let said = machine.on(Event::Outcome(machine.verdict(limited)), secs(0));
    assert_eq!(said, [Transition::Cooling { until: secs(5) }]);
    assert_eq!(machine.state(), State::Healthy);
    assert_eq!(
        machine.standing(secs(4)),
        Standing::Cooling { until: secs(5) }
    );
    assert_eq!(machine.standing(secs(5)), Standing::Serving { ramp: 1.0 });
}

#[test]
fn a_drain_ends_at_its_date_or_with_the_last_request() {
    let mut machine = Machine::new(Arc::new(plain()), 7, Moment::ZERO);
    machine.on(
        Event::Admin(AdminChange::Drain {
            until: Some(secs(30)),
        }),
        secs(0),
    );
    machine.on(Event::Tick, secs(29));
    assert_eq!(machine.state(), State::Draining);
    machine.on(Event::Tick, secs(30));
    assert_eq!(machine.state(), State::Disabled);
    machine.on(Event::Admin(AdminChange::Enable), secs(31));
    assert!(machine.ramp(secs(31)) < 0.2);
    machine.on(Event::Admin(AdminChange::Drain { until: None }), secs(32));
    let said = machine.on(Event::Admin(AdminChange::Drained), secs(33));
    assert_eq!(said, [Transition::Admin(Admin::Disabled)]);
}

#[test]
fn enabling_what_is_enabled_and_healthy_changes_nothing() {
    let mut machine = Machine::new(Arc::new(plain()), 7, Moment::ZERO);
    assert_eq!(machine.on(Event::Admin(AdminChange::Enable), secs(1)), []);
    assert_eq!((machine.epoch(), machine.ramp(secs(1))), (0, 1.0));
}

#[test]
fn three_failed_checks_take_out_and_two_passed_ones_bring_back() {
    let mut machine = Machine::new(Arc::new(Settings::active().jitter(0.0)), 7, Moment::ZERO);
    let mut drawn = String::new();
    for (letter, now) in "xx.xxx..xx".chars().zip((0..).map(secs)) {
        let check = if letter == 'x' {
            ActiveCheck::Fail
        } else {
            ActiveCheck::Ok
        };
        machine.on(Event::Check(check), now);
        drawn.push(if machine.state() == State::Healthy {
            '+'
        } else {
            '-'
        });
    }
    assert_eq!(drawn, "+++++--+++");
}

#[test]
fn checks_end_a_passive_rest_only_where_they_may() {
    for (may, expected) in [(false, State::Unhealthy), (true, State::Healthy)] {
        let mut machine = tripped(Settings::both().active_can_restore(may));
        machine.on(Event::Check(ActiveCheck::Ok), secs(1));
        machine.on(Event::Check(ActiveCheck::Ok), secs(2));
        assert_eq!(machine.state(), expected);
    }
}

#[test]
fn checks_come_sooner_while_the_verdict_is_in_question() {
    let mut machine = Machine::new(Arc::new(Settings::active().jitter(0.0)), 7, Moment::ZERO);
    assert!(machine.begin_check(secs(0)).is_some());
    assert!(
        machine.begin_check(secs(1)).is_none(),
        "one check at a time"
    );
    machine.on(Event::Check(ActiveCheck::Ok), secs(1));
    assert_eq!(machine.next_check(), Some(secs(11)));
    machine.on(Event::Check(ActiveCheck::Fail), secs(11));
    assert_eq!(machine.next_check(), Some(secs(13)));
}

#[test]
fn a_check_that_is_never_reported_is_made_again() {
    let mut machine = Machine::new(Arc::new(Settings::active().jitter(0.0)), 7, Moment::ZERO);
    assert!(machine.begin_check(secs(0)).is_some());
    assert!(machine.begin_check(secs(15)).is_some());
}

#[test]
fn the_share_grows_evenly_and_then_is_whole() {
    let mut machine = tripped(plain());
    let token = machine.grant_probe(secs(10)).expect("the rest is over");
    machine.on(
        Event::Outcome(machine.verdict(Outcome::Success).probe(token)),
        secs(10),
    );
    assert!((machine.ramp(secs(10)) - 0.1).abs() < 1e-6);
    assert!((machine.ramp(secs(25)) - 0.55).abs() < 1e-6);
    assert_eq!(machine.on(Event::Tick, secs(40)), [Transition::RampEnded]);
    assert_eq!(machine.next_change(secs(40)), None);
}

#[test]
fn a_pool_that_may_spare_no_target_keeps_it() {
    let mut machine = Machine::new(Arc::new(plain()), 7, Moment::ZERO);
    machine.allow_ejection(false);
    for _ in 0..9 {
        let verdict = machine.verdict(Outcome::Failure(FailureKind::Connect));
        machine.on(Event::Outcome(verdict), secs(0));
    }
    assert_eq!(machine.state(), State::Healthy);
    machine.allow_ejection(true);
    machine.on(
        Event::Outcome(machine.verdict(Outcome::Failure(FailureKind::Connect))),
        secs(0),
    );
    assert_eq!(machine.state(), State::Unhealthy);
}

#[test]
fn a_clock_that_steps_back_stops_nothing() {
    let mut machine = tripped(plain());
    machine.on(Event::Tick, secs(100));
    machine.on(Event::Tick, Moment::ZERO);
    assert_eq!(
        machine.standing(Moment::ZERO),
        Standing::Resting { until: secs(10) }
    );
    assert_eq!(machine.standing(secs(10)), Standing::ProbeDue);
}
