//! How each algorithm shares requests out.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use ai_gateway_balancer::{Algorithm, Attempts, Outcome, Settings, Target, key_of_prefix};

use crate::support::{Rig, targets};

#[test]
fn round_robin_takes_turns_whatever_the_weights() {
    let rig = Rig::new(Algorithm::RoundRobin, &[1, 100, 7]);
    assert_eq!(rig.names(9), "abcabcabc");
}

#[test]
fn random_follows_the_weights() {
    for weights in [&[1, 3][..], &[1; 40], &[1, 100, 1, 100]] {
        let rig = Rig::new(Algorithm::Random, weights);
        let counts = rig.counts(40_000);
        let total: u32 = weights.iter().sum();
        for (n, &weight) in weights.iter().enumerate() {
            let due = f64::from(40_000 * weight / total);
            let got = counts.get(&crate::support::name(n)).copied().unwrap_or(0);
            let got = f64::from(u32::try_from(got).expect("small"));
            assert!(
                (got - due).abs() < 6.0 * due.sqrt() + 10.0,
                "{n}: {got} of {due}"
            );
        }
    }
}

#[test]
fn p2c_never_picks_the_most_loaded() {
    let rig = Rig::new(Algorithm::P2c, &[1; 5]);
    let loaded: Vec<_> = (0..8).map(|_| rig.lease_on("c")).collect();
    for _ in 0..500 {
        assert_ne!(rig.balancer.pick().expect("four are idle").target_id(), "c");
    }
    drop(loaded);
}

#[test]
fn least_connections_spreads_ties_evenly() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1; 4]);
    for (id, count) in rig.counts(8000) {
        assert!((1800..2200).contains(&count), "{id} has {count}");
    }
}

#[test]
fn of_many_targets_least_connections_avoids_the_loaded() {
    let rig = Rig::new(Algorithm::LeastConnections, &[1; 200]);
    let held: Vec<_> = (0..2000)
        .map(|_| rig.balancer.pick().expect("one takes it"))
        .collect();
    let most = rig
        .balancer
        .snapshot()
        .iter()
        .map(|view| view.in_flight)
        .max();
    assert!(most <= Some(13), "{most:?} on one of 200 for 2000");
    drop(held);
}

#[test]
fn token_latency_gives_the_slow_target_less_the_slower_it_is() {
    let share = |slowness: u64| {
        let rig = Rig::new(Algorithm::TokenLatency, &[1, 1]);
        let mut running = Vec::new();
        let mut slow = 0;
        for now in 0..3000_u64 {
            rig.clock.advance(Duration::from_millis(100));
            let (ended, still): (Vec<_>, Vec<_>) = running
                .into_iter()
                .partition(|(at, _): &(u64, _)| *at <= now);
            running = still;
            for (_, lease) in ended {
                let mut lease: ai_gateway_balancer::Lease<usize> = lease;
                lease.tokens(0, 100);
                lease.finish(Outcome::Success);
            }
            let lease = rig.balancer.pick().expect("one takes it");
            slow += usize::from(*lease == 0);
            let takes = if *lease == 0 { 10 * slowness } else { 10 };
            running.push((now + takes, lease));
        }
        slow
    };
    let shares = [share(1), share(2), share(4), share(8)];
    assert!(
        shares.windows(2).all(|pair| pair[0] > pair[1]),
        "{shares:?}"
    );
}

#[test]
fn token_latency_turns_away_from_rate_limits_without_calling_them_failures() {
    let rig = Rig::with(|builder| {
        builder
            .algorithm(Algorithm::TokenLatency)
            .targets(targets(&[1, 1]))
    });
    for _ in 0..8 {
        let lease = rig.lease_on("a");
        lease.finish(Outcome::RateLimited {
            retry_after: Some(Duration::from_secs(1)),
        });
        rig.wait(2);
    }
    let view = rig.view("a");
    assert!(view.room < 0.1 && view.success >= 1.0, "{view:?}");
    let held: Vec<_> = (0..50)
        .map(|_| rig.balancer.pick().expect("one takes it"))
        .collect();
    let limited = held.iter().filter(|lease| lease.target_id() == "a").count();
    assert!(limited < 8, "{limited} of 50");
}

#[test]
fn peak_ewma_prefers_the_quicker_first_byte() {
    let rig = Rig::new(Algorithm::PeakEwma, &[1, 1]);
    for (id, millis) in [("a", 900), ("b", 100)] {
        let mut lease = rig.lease_on(id);
        rig.clock.advance(Duration::from_millis(millis));
        lease.first_byte();
        lease.finish(Outcome::Success);
    }
    assert_eq!(rig.names(20), "b".repeat(20));
}

fn homes(rig: &Rig, keys: u64) -> BTreeMap<u64, String> {
    (0..keys)
        .map(|key| {
            let lease = rig.balancer.pick_by_key(key).expect("one takes it");
            (key, lease.target_id().to_owned())
        })
        .collect()
}

#[test]
fn a_key_stays_and_only_keys_of_a_target_that_goes_move() {
    for count in [10, 64] {
        let rig = Rig::new(Algorithm::ConsistentHash, &vec![1; count]);
        let before = homes(&rig, 3000);
        assert_eq!(before, homes(&rig, 3000));
        rig.balancer.disable("c");
        for (key, home) in homes(&rig, 3000) {
            let old = &before[&key];
            assert!(
                old == "c" || *old == home,
                "key {key} moved from {old} to {home}"
            );
        }
    }
}

#[test]
fn of_many_targets_few_other_keys_move() {
    let rig = Rig::new(Algorithm::ConsistentHash, &[1; 100]);
    let before = homes(&rig, 10_000);
    rig.balancer.disable("c");
    let after = homes(&rig, 10_000);
    let moved = before
        .iter()
        .filter(|(key, home)| *home != "c" && after[key] != **home)
        .count();
    assert!(moved < 500, "{moved} of 10000 moved without need");
    assert_eq!(after.values().collect::<HashSet<_>>().len(), 99);
}

#[test]
fn keys_follow_the_weights() {
    for count in [4_usize, 100] {
        let weights: Vec<u32> = (0..count).map(|n| if n % 2 == 0 { 1 } else { 3 }).collect();
        let rig = Rig::new(Algorithm::ConsistentHash, &weights);
        let heavy = (0..20_000)
            .filter(|&key| *rig.balancer.pick_by_key(key).expect("one takes it") % 2 == 1)
            .count();
        assert!(
            (14_300..15_700).contains(&heavy),
            "{heavy} of 20000 on 3/4, {count} targets"
        );
    }
}

#[test]
fn no_target_has_more_than_its_bound() {
    let rig = Rig::new(Algorithm::ConsistentHash, &[1; 8]);
    let mut held = Vec::new();
    for n in 1..=400_u32 {
        held.push(rig.balancer.pick_by_key(42).expect("one takes it"));
        let bound = (1.25 * f64::from(n) / 8.0).ceil();
        for view in rig.balancer.snapshot() {
            assert!(
                f64::from(view.in_flight) <= bound,
                "{} of {n} on one",
                view.in_flight
            );
        }
    }
}

#[test]
fn a_prefix_stays_until_load_is_uneven() {
    let rig = Rig::new(Algorithm::PrefixAffinity, &[1; 4]);
    let key = key_of_prefix(b"You are a helpful assistant.");
    let home = rig
        .balancer
        .pick_by_key(key)
        .expect("one takes it")
        .target_id()
        .to_owned();
    for _ in 0..50 {
        let lease = rig.balancer.pick_by_key(key).expect("one takes it");
        assert_eq!(lease.target_id(), home);
    }
    let idle = if home == "a" { "b" } else { "a" };
    let mut busy = Vec::new();
    for id in ["a", "b", "c", "d"] {
        let count = if id == home { 40 } else { 0 };
        busy.extend((0..count).map(|_| rig.lease_on(id)));
    }
    let lease = rig.balancer.pick_by_key(key).expect("one takes it");
    assert_ne!(
        lease.target_id(),
        home,
        "{idle} is idle and {home} has {}",
        busy.len()
    );
}

#[test]
fn lowest_cost_takes_the_cheapest_and_the_idlest_of_equals() {
    let rig = Rig::with(|builder| {
        let all = [("dear", 10.0), ("cheap", 1.0), ("also", 1.04)];
        let all = all.map(|(id, price)| Target::new(id, 0).price(price));
        builder.algorithm(Algorithm::LowestCost).targets(all)
    });
    let held: Vec<_> = (0..20)
        .map(|_| rig.balancer.pick().expect("one takes it"))
        .collect();
    let on = |id: &str| held.iter().filter(|lease| lease.target_id() == id).count();
    assert_eq!((on("dear"), on("cheap"), on("also")), (0, 10, 10));
}

#[test]
fn lowest_cost_goes_by_the_price_of_the_model_asked_for() {
    let prices = |id, x, y| {
        Target::new(id, 0)
            .models(["x", "y"])
            .default_model("y")
            .price(5.0)
            .model_prices([("x", x), ("y", y), ("x", 9.0)])
    };
    let rig = Rig::with(|builder| {
        let all = [prices("a", 1.0, 4.0), prices("b", 2.0, 3.0)];
        builder.algorithm(Algorithm::LowestCost).targets(all)
    });
    let takes = |mut request: Attempts<usize>| {
        let lease = request.pick().expect("both serve");
        lease.target_id().to_owned()
    };
    for _ in 0..20 {
        let request = || rig.balancer.request();
        assert_eq!(takes(request().model("x")), "a");
        assert_eq!(takes(request().model("y")), "b");
        // The price is of what would be served.
        assert_eq!(takes(request()), "b");
        assert_eq!(takes(request().model("nobody's")), "b");
    }
}

#[test]
fn a_target_that_lists_no_models_has_prices_for_those_it_names() {
    let rig = Rig::with(|builder| {
        let all = [
            Target::new("a", 0).price(1.0).model_prices([("x", 6.0)]),
            Target::new("b", 0).price(2.0).model_prices([("y", 0.5)]),
        ];
        builder.algorithm(Algorithm::LowestCost).targets(all)
    });
    for (model, cheapest) in [("x", "b"), ("y", "b"), ("z", "a")] {
        for _ in 0..20 {
            let lease = rig.balancer.request().model(model).pick();
            let lease = lease.expect("both serve whatever is asked for");
            assert_eq!((lease.target_id(), lease.model()), (cheapest, Some(model)));
        }
    }
}

#[test]
fn lowest_usage_takes_the_target_with_the_most_room() {
    let rig = Rig::with(|builder| {
        let all = [("small", 1000.0), ("big", 10_000.0)];
        let all = all.map(|(id, budget)| Target::new(id, 0).tokens_per_minute(budget));
        builder.algorithm(Algorithm::LowestUsage).targets(all)
    });
    for _ in 0..500 {
        let mut lease = rig.balancer.pick().expect("one takes it");
        lease.tokens(50, 50);
        lease.finish(Outcome::Success);
        rig.clock.advance(Duration::from_millis(100));
    }
    let (small, big) = (rig.view("small").picks, rig.view("big").picks);
    assert!((7 * small..13 * small).contains(&big), "{small} and {big}");
}

#[test]
fn a_target_that_comes_back_takes_a_growing_share() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::Weighted] {
        let rig = Rig::with(|builder| {
            let settings = Settings::passive().jitter(0.0).without_success_rate();
            builder
                .algorithm(algorithm.clone())
                .health(settings)
                .targets(targets(&[1, 1]))
        });
        rig.trip("a");
        rig.wait(11);
        rig.balancer
            .pick()
            .expect("the probe is due")
            .finish(Outcome::Success);
        let mut shares = Vec::new();
        for _ in 0..4 {
            shares.push(rig.counts(1000).get("a").copied().unwrap_or(0));
            rig.wait(10);
        }
        assert!(
            shares[0] < 120 && shares.windows(2).all(|pair| pair[0] < pair[1]),
            "{shares:?}"
        );
        assert_eq!(rig.counts(1000)["a"], 500);
    }
}
