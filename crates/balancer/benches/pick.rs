//! What a pick and its end cost, by algorithm and number of targets.

use std::hint::black_box;

use ai_gateway_balancer::{Algorithm, Balancer, BuildError, ManualClock, Outcome, Target};
use criterion::{BenchmarkId, Criterion};

const SIZES: [usize; 4] = [2, 16, 100, 1000];

fn main() -> Result<(), BuildError> {
    let mut criterion = Criterion::default().configure_from_args();
    for algorithm in Algorithm::ALL {
        picks(&mut criterion, &algorithm)?;
    }
    rebuilds(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn picks(criterion: &mut Criterion, algorithm: &Algorithm) -> Result<(), BuildError> {
    let mut group = criterion.benchmark_group(format!("pick and succeed, {algorithm}"));
    for size in SIZES {
        let balancer = balancer(algorithm.clone(), size)?;
        let mut key = 0_u64;
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
                if let Ok(lease) = black_box(balancer.pick_by_key(key)) {
                    lease.finish(Outcome::Success);
                }
            });
        });
    }
    group.finish();
    Ok(())
}

/// A target goes and comes back: the cycle of turns of 1000 targets is made anew twice.
fn rebuilds(criterion: &mut Criterion) -> Result<(), BuildError> {
    let balancer = balancer(Algorithm::Weighted, 1000)?;
    criterion.bench_function(
        "update, weighted, 1000 targets of mean weight 50",
        |bencher| {
            bencher.iter(|| {
                let mut plan = ai_gateway_balancer::Plan::new().algorithm(Algorithm::Weighted);
                plan = plan.targets(targets(1000));
                black_box(balancer.update(plan).is_ok())
            });
        },
    );
    Ok(())
}

fn targets(size: usize) -> impl Iterator<Item = Target<usize>> {
    let weights = (1..=100_u32).cycle();
    (0..size)
        .zip(weights)
        .map(|(n, weight)| Target::new(format!("t{n}"), n).weight(weight))
}

fn balancer(algorithm: Algorithm, size: usize) -> Result<Balancer<usize>, BuildError> {
    let builder = Balancer::builder("bench")
        .algorithm(algorithm)
        .clock(ManualClock::new());
    builder.targets(targets(size)).build()
}
