//! Many threads at one target: bounds hold and no place is lost.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use ai_gateway_balancer::{Algorithm, Balancer, Lease, OnExhausted, Target};

const THREADS: usize = 4;
const PICKS: usize = 30_000;
const PLACES: u32 = 2;

/// Picks from a target with few places, each thread as fast as it can; gives back how often one
/// was turned away.
#[track_caller]
fn crowd(algorithm: Algorithm) -> u32 {
    let balancer = Balancer::builder("crowd")
        .algorithm(algorithm)
        .on_exhausted(OnExhausted::FailClosed)
        .target(Target::new("a", ()).max_in_flight(PLACES))
        .build()
        .expect("the plan is sound");
    let (inside, most, refused) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    let gate = Barrier::new(THREADS);
    let visit = |_| match balancer.pick() {
        Ok(lease) => {
            let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(lease);
        }
        Err(_full) => {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                gate.wait();
                (0..PICKS).for_each(visit);
            });
        }
    });
    assert!(most.into_inner() <= PLACES, "more requests than places");
    assert_eq!(balancer.snapshot()[0].in_flight, 0, "a place was lost");
    let held: Vec<_> = (0..PLACES).map(|_| balancer.pick()).collect();
    assert!(held.iter().all(Result::is_ok), "a place was lost");
    assert!(balancer.pick().is_err(), "one place too many");
    refused.into_inner()
}

#[test]
fn a_bound_holds_and_every_place_comes_back_however_many_come_at_once() {
    let refused: u32 = [Algorithm::Priority, Algorithm::Weighted, Algorithm::P2c]
        .map(crowd)
        .iter()
        .sum();
    assert!(refused > 0, "there was no crowd");
}

/// Has `threads` threads pick by turns at the same time until they use gates of their own, and keeps
/// the last leases of each.
fn pick_by_turns(
    balancer: &Balancer<()>,
    threads: usize,
    picks: usize,
    kept: usize,
) -> Vec<Lease<()>> {
    let gate = Barrier::new(threads);
    let thread = || {
        gate.wait();
        let pick = || balancer.pick().expect("all serve");
        (0..picks - kept).for_each(|_| drop(pick()));
        (0..kept).map(|_| pick()).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
        let leases = threads
            .into_iter()
            .map(|thread| thread.join().expect("it does not panic"));
        leases.flatten().collect()
    })
}

fn by_turns(weights: &[u32]) -> Balancer<()> {
    let builder = Balancer::builder("crowd").algorithm(Algorithm::Weighted);
    let targets = weights.iter().enumerate();
    let targets = targets.map(|(n, &weight)| Target::new(format!("t{n}"), ()).weight(weight));
    builder.targets(targets).build().expect("the plan is sound")
}

#[test]
fn threads_that_meet_stay_within_a_few_turns_of_the_ideal() {
    let weights = [70, 30, 1, 7];
    let balancer = by_turns(&weights);
    let leases = pick_by_turns(&balancer, THREADS, PICKS, 5);
    let all = f64::from(PICKS_OF_ALL);
    for (view, weight) in balancer.snapshot().iter().zip(weights) {
        let held = leases
            .iter()
            .filter(|lease| lease.target_id() == &*view.id)
            .count();
        assert_eq!(view.in_flight as usize, held, "of {}", view.id);
        #[expect(
            clippy::cast_precision_loss,
            reason = "so many picks fit a float exactly"
        )]
        let off = view.picks as f64 - all * f64::from(weight) / 108.0;
        // One turn for those that did not meet, two for each thread on its own and for those
        // without a desk.
        assert!(off.abs() < 11.0, "{} is off by {off}", view.id);
    }
    drop(leases);
    assert!(balancer.snapshot().iter().all(|view| view.in_flight == 0));
}

const PICKS_OF_ALL: u32 = 120_000;
