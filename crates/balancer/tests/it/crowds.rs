//! Many threads at one target: bounds hold and no place is lost.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use ai_gateway_balancer::{Algorithm, Balancer, OnExhausted, Target};

const THREADS: usize = 4;
const PICKS: u32 = 30_000;
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
