//! What a pick allocates, and how much memory a target takes.

use ai_gateway_balancer::{Algorithm, Balancer, CoarseClock, FailureKind, Outcome, Plan, Target};

fn plan(algorithm: &Algorithm, models: &[&str], count: usize) -> Plan<u64> {
    let target = |n: usize| {
        let weight = u32::try_from(n % 100 + 1).unwrap_or(1);
        let priority = u32::from(n % 8 == 7);
        Target::new(format!("target-{n:04}"), 0)
            .weight(weight)
            .priority(priority)
            .models(models.iter().copied())
    };
    Plan::new()
        .algorithm(algorithm.clone())
        .targets((0..count).map(target))
}

const MODELS: [&str; 2] = ["gpt-4o", "gpt-4o-mini"];

/// Requests of all kinds: plain, by key, by model with a second attempt, and timed.
fn requests(balancer: &Balancer<u64>) {
    for key in 0..200 {
        drop(balancer.pick());
        drop(balancer.pick_by_key(key));
        let mut attempts = balancer.request().model("gpt-4o").key(key);
        drop(attempts.pick());
        let mut lease = attempts.pick().expect("others are left");
        lease.first_byte();
        lease.tokens(100, 20);
        lease.finish(Outcome::Success);
    }
}

#[test]
fn a_pick_and_its_end_allocate_nothing() {
    for algorithm in &Algorithm::ALL {
        for count in [2, 17, 100] {
            let builder = Balancer::builder("b").plan(plan(algorithm, &MODELS, count));
            let balancer = builder
                .clock(CoarseClock::new())
                .build()
                .expect("the plan is sound");
            // The first pick of a thread makes its random numbers and its place among readers.
            requests(&balancer);
            let seen = allocation_counter::measure(|| requests(&balancer));
            assert_eq!(seen.count_total, 0, "{algorithm}, {count} targets");
        }
    }
}

#[test]
fn the_first_failures_of_a_target_that_goes_on_are_cheap_too() {
    let builder = Balancer::builder("b").plan(plan(&Algorithm::TokenLatency, &MODELS, 16));
    let balancer = builder.build().expect("the plan is sound");
    requests(&balancer);
    let fail = || {
        let lease = balancer.pick().expect("one serves");
        lease.finish(Outcome::Failure(FailureKind::Connect));
    };
    fail();
    let seen = allocation_counter::measure(fail);
    assert!(seen.count_total < 8, "{} allocations", seen.count_total);
}

/// Bytes that a balancer of so many targets holds, without what the caller attaches and names.
fn bytes(algorithm: &Algorithm, models: &[&str], count: usize) -> u64 {
    let mut held = None;
    let seen = allocation_counter::measure(|| {
        let builder = Balancer::builder("b").plan(plan(algorithm, models, count));
        held = builder.clock(CoarseClock::new()).build().ok();
    });
    drop(held);
    u64::try_from(seen.bytes_current).unwrap_or(0)
}

/// Bytes that one more target takes.
fn bytes_each(algorithm: &Algorithm, models: &[&str]) -> u64 {
    (bytes(algorithm, models, 2000) - bytes(algorithm, models, 1000)) / 1000
}

#[test]
fn a_target_takes_400_bytes_at_most() {
    let plain = bytes_each(&Algorithm::LeastConnections, &[]);
    let listed = bytes_each(&Algorithm::LeastConnections, &MODELS);
    let turns = bytes_each(&Algorithm::Weighted, &[]);
    assert!(plain <= 400, "{plain} bytes");
    assert!(
        listed <= 470,
        "{listed} bytes with two models, {plain} without"
    );
    assert!(turns <= 600, "{turns} bytes by turns of mean weight 50");
}

#[test]
fn updates_and_requests_leave_no_memory_behind() {
    let algorithm = Algorithm::Weighted;
    let builder = Balancer::builder("b").plan(plan(&algorithm, &MODELS, 50));
    let balancer = builder.build().expect("the plan is sound");
    let turn = |count| {
        balancer
            .update(plan(&algorithm, &MODELS, count))
            .expect("the plan is sound");
        requests(&balancer);
    };
    (0..20).for_each(|n| turn(40 + n % 2 * 20));
    let seen = allocation_counter::measure(|| (0..200).for_each(|n| turn(40 + n % 2 * 20)));
    assert!(seen.bytes_current.abs() < 20_000, "{}", seen.bytes_current);
}
