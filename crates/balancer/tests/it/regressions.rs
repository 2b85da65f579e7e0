//! Defects that other balancers had, each by the name under which it is remembered.

use std::time::Duration;

use ai_gateway_balancer::{
    Algorithm, FailureKind, Lease, NoTargetReason, OnExhausted, Outcome, Settings, State, Target,
};

use crate::support::{BROKEN, Rig, calm, targets};

#[test]
fn wrr_smooth() {
    assert_eq!(
        Rig::new(Algorithm::Weighted, &[50, 50]).names(100),
        "ab".repeat(50)
    );
    assert_eq!(
        Rig::new(Algorithm::Weighted, &[70, 30]).names(10),
        "aabaabaaba"
    );
}

#[test]
fn removal_keeps_ratio() {
    let rig = Rig::new(Algorithm::Weighted, &[60, 20, 20]);
    rig.trip("a");
    let counts = rig.counts(1000);
    assert_eq!((counts["b"], counts["c"]), (500, 500));
}

#[test]
fn two_keys_one_host() {
    let same = |id| Target::new(id, 1).weight(1);
    let rig = Rig::with(|b| {
        b.algorithm(Algorithm::Weighted)
            .target(same("a"))
            .target(same("b"))
    });
    let counts = rig.counts(100);
    assert_eq!((counts["a"], counts["b"]), (50, 50));
}

#[test]
fn no_spurious_none() {
    for algorithm in Algorithm::ALL {
        let rig = Rig::new(algorithm.clone(), &[1; 40]);
        for n in (0..40).step_by(2) {
            let id = rig.balancer.snapshot()[n].id.clone();
            rig.balancer.disable(&id);
        }
        for key in 0..2000 {
            let lease = rig.balancer.pick_by_key(key).expect("half take traffic");
            assert_eq!(*lease % 2, 1, "{algorithm} picked one that is out");
        }
    }
}

#[test]
fn no_black_hole() {
    // One of four fails at once while the others take a second: it must not draw the traffic,
    // though no breaker takes it out.
    let rig = Rig::with(|builder| {
        let all = targets(&[1; 4]);
        builder
            .algorithm(Algorithm::TokenLatency)
            .health(Settings::off())
            .targets(all)
    });
    let mut running: Vec<(u64, Lease<usize>)> = Vec::new();
    let mut failed = 0;
    for now in 0..4000_u64 {
        rig.clock.advance(Duration::from_millis(50));
        let (ended, still): (Vec<_>, Vec<_>) = running.into_iter().partition(|(at, _)| *at <= now);
        running = still;
        for (_, mut lease) in ended {
            lease.tokens(10, 100);
            lease.finish(Outcome::Success);
        }
        let lease = rig.balancer.pick().expect("a target takes it");
        if *lease == 0 {
            lease.finish(BROKEN);
            failed += 1;
        } else {
            running.push((now + 20, lease));
        }
    }
    assert!(failed < 80, "{failed} of 4000 went down the hole");
}

#[test]
fn stream_counts_to_eos() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1, 1]);
    let mut stream = rig.lease_on("a");
    stream.first_byte();
    stream.tokens(10, 10);
    let next = rig.balancer.pick().expect("b is idle");
    assert_eq!(next.target_id(), "b");
    assert_eq!(rig.view("a").in_flight, 1);
    stream.finish(Outcome::Success);
    assert_eq!(rig.view("a").in_flight, 0);
}

#[test]
fn shared_pick_two_threads() {
    let rig = Rig::new(Algorithm::Weighted, &[3, 1]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..4000 {
                    rig.balancer
                        .pick()
                        .expect("a target takes it")
                        .finish(Outcome::Success);
                }
            });
        }
    });
    assert_eq!((rig.view("a").picks, rig.view("b").picks), (6000, 2000));
    assert_eq!((rig.view("a").in_flight, rig.view("b").in_flight), (0, 0));
}

#[test]
fn cancelled_probe_releases() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    rig.trip("a");
    rig.wait(11);
    for _ in 0..5 {
        let probe = rig.balancer.pick().expect("the probe is due");
        assert!(probe.is_probe() && probe.target_id() == "a");
        drop(probe);
    }
    rig.balancer
        .pick()
        .expect("still due")
        .finish(Outcome::Success);
    assert_eq!(rig.state("a"), State::Healthy);
}

#[test]
fn straggler_ignored() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let straggler = rig.lease_on("a");
    rig.trip("a");
    straggler.finish(Outcome::Success);
    assert_eq!(rig.state("a"), State::Unhealthy);
}

#[test]
fn one_probe() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1, 1]);
    rig.trip("a");
    rig.wait(11);
    let probe = rig.balancer.pick().expect("the probe is due");
    assert!(probe.is_probe());
    let others: Vec<_> = (0..100)
        .map(|_| rig.balancer.pick().expect("b serves"))
        .collect();
    assert!(
        others
            .iter()
            .all(|lease| lease.target_id() == "b" && !lease.is_probe())
    );
}

#[test]
fn epoch_guard() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    let old: Vec<_> = (0..5).map(|_| rig.lease_on("a")).collect();
    rig.trip("a");
    rig.wait(11);
    rig.balancer
        .pick()
        .expect("the probe is due")
        .finish(Outcome::Success);
    for lease in old {
        lease.finish(BROKEN);
    }
    assert_eq!(
        rig.state("a"),
        State::Healthy,
        "failures from before the trip do not count again"
    );
}

#[test]
fn consecutive_is_consecutive() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1]);
    for _ in 0..50 {
        rig.lease_on("a").finish(BROKEN);
        rig.lease_on("a").finish(BROKEN);
        rig.lease_on("a").finish(Outcome::Success);
    }
    assert_eq!(rig.state("a"), State::Healthy);
}

#[test]
fn passive_recovers() {
    for algorithm in Algorithm::ALL {
        let rig = Rig::new(algorithm.clone(), &[1, 1]);
        // Keys spread over both, so that each algorithm reaches `a`.
        for key in 0..1000 {
            let lease = rig.balancer.pick_by_key(key).expect("a target takes it");
            let outcome = if *lease == 0 {
                BROKEN
            } else {
                Outcome::Success
            };
            lease.finish(outcome);
        }
        rig.wait(400);
        rig.balancer
            .pick_by_key(1)
            .expect("a target takes it")
            .finish(Outcome::Success);
        assert_eq!(rig.state("a"), State::Healthy, "{algorithm}");
    }
}

#[test]
fn window_slides() {
    let rig = Rig::new(Algorithm::TokenLatency, &[1, 1]);
    let answer = |id: &str, secs: u64| {
        let mut lease = rig.lease_on(id);
        rig.clock.advance(Duration::from_secs(secs));
        lease.tokens(0, 100);
        lease.finish(Outcome::Success);
    };
    for _ in 0..20 {
        answer("a", 100);
    }
    let slow = rig.view("a").seconds_per_token.expect("it was timed");
    for _ in 0..200 {
        let _other: Vec<_> = (0..3).map(|_| rig.balancer.pick()).collect();
        answer("a", 1);
    }
    let fast = rig.view("a").seconds_per_token.expect("it was timed");
    assert!(slow > 0.9 && fast < 0.02, "{slow} then {fast}");
}

#[test]
fn lc_ignores_ineligible() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1, 1, 1]);
    let limited = Outcome::RateLimited {
        retry_after: Some(Duration::from_secs(30)),
    };
    rig.lease_on("a").finish(limited);
    let held: Vec<_> = (0..20)
        .map(|_| rig.balancer.pick().expect("two serve"))
        .collect();
    assert!(held.iter().all(|lease| lease.target_id() != "a"));
}

#[test]
fn mixed_weights() {
    let rig = Rig::new(Algorithm::Weighted, &[1, 5, 4]);
    let counts = rig.counts(1000);
    assert_eq!((counts["a"], counts["b"], counts["c"]), (100, 500, 400));
}

#[test]
fn ejection_cap() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    rig.trip("a");
    for _ in 0..12 {
        let view = rig.view("a");
        let rest = view
            .health
            .next_probe_at
            .expect("it rests")
            .since(rig.balancer.now());
        assert!(rest <= Duration::from_secs(300), "{rest:?}");
        rig.clock.advance(rest);
        let probe = rig.balancer.pick().expect("the probe is due");
        assert!(probe.is_probe());
        probe.finish(BROKEN);
    }
}

#[test]
fn newcomer_seeded_with_mean() {
    let rig = Rig::new(Algorithm::TokenLatency, &[1, 1]);
    for _ in 0..50 {
        let mut lease = rig.balancer.pick().expect("a target takes it");
        rig.clock.advance(Duration::from_secs(2));
        lease.tokens(0, 100);
        lease.finish(Outcome::Success);
    }
    let plan = rig.balancer.plan().target(Target::new("c", 2));
    rig.balancer.update(plan).expect("the plan is sound");
    let held: Vec<_> = (0..30)
        .map(|_| rig.balancer.pick().expect("a target takes it"))
        .collect();
    let fresh = held.iter().filter(|lease| lease.target_id() == "c").count();
    assert!(
        (8..=12).contains(&fresh),
        "{fresh} of 30 went to the newcomer"
    );
}

#[test]
fn trip_visible_to_next_pick() {
    for algorithm in Algorithm::ALL {
        let rig = Rig::new(algorithm.clone(), &[1; 3]);
        let held: Vec<_> = (0..3)
            .map(|_| rig.balancer.pick_by_key(5).expect("one takes it"))
            .collect();
        let id = held[0].target_id().to_owned();
        drop(held);
        for _ in 0..2000 {
            let lease = rig.balancer.pick_by_key(5).expect("one takes it");
            let hit = lease.target_id() == id;
            lease.finish(if hit { BROKEN } else { Outcome::Success });
            if rig.state(&id) == State::Unhealthy {
                break;
            }
        }
        if rig.state(&id) == State::Unhealthy {
            for key in 0..50 {
                let lease = rig.balancer.pick_by_key(key).expect("two serve");
                assert_ne!(lease.target_id(), id, "{algorithm}");
            }
        }
    }
}

#[test]
fn lc_counts() {
    let rig = Rig::new(Algorithm::LeastConnections, &[2, 1]);
    let held: Vec<_> = (0..30)
        .map(|_| rig.balancer.pick().expect("a target takes it"))
        .collect();
    let first = held.iter().filter(|lease| lease.target_id() == "a").count();
    assert_eq!(first, 20);
}

#[test]
fn recovers_after_interval() {
    let rig = Rig::with(|builder| {
        builder
            .health(calm().interval(Duration::from_secs(60)))
            .targets(targets(&[1, 1]))
    });
    rig.trip("a");
    rig.wait(59);
    assert!(!rig.balancer.pick().expect("b serves").is_probe());
    rig.wait(1);
    rig.balancer
        .pick()
        .expect("the probe is due")
        .finish(Outcome::Success);
    assert_eq!(rig.state("a"), State::Healthy);
}

#[test]
fn failover_beats_weight() {
    let rig = Rig::new(Algorithm::Weighted, &[100, 1]);
    rig.trip("a");
    assert_eq!(rig.names(200), "b".repeat(200));
}

#[test]
fn midstream_error_counts() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 1]);
    for _ in 0..3 {
        let mut lease = rig.lease_on("a");
        lease.first_byte();
        lease.tokens(5, 5);
        lease.finish(Outcome::Failure(FailureKind::Stream));
    }
    assert_eq!(rig.state("a"), State::Unhealthy);
}

#[test]
fn two_target_ejection() {
    let rig = Rig::with(|builder| builder.max_ejected(0.1).targets(targets(&[1, 1])));
    rig.trip("a");
    for _ in 0..9 {
        rig.lease_on("b").finish(BROKEN);
    }
    assert_eq!(
        rig.state("b"),
        State::Healthy,
        "the first may rest, the second may not"
    );
}

#[test]
fn nobody_left_is_said_with_a_date() {
    let rig = Rig::with(|builder| {
        builder
            .on_exhausted(OnExhausted::FailClosed)
            .targets(targets(&[1, 1]))
    });
    rig.trip("a");
    rig.wait(3);
    rig.trip("b");
    let none = rig.balancer.pick().expect_err("both rest");
    assert_eq!(none.retry_after, Some(Duration::from_secs(7)));
    assert!(matches!(
        none.reason,
        NoTargetReason::Exhausted {
            candidates: 2,
            resting: 2,
            ..
        }
    ));
}
