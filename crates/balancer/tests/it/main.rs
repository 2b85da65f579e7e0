//! What the crate promises, tried through its public API alone.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails panics"
)]

mod bad_input;
mod changes;
mod crowds;
mod features;
mod laws;
mod memory;
mod models;
mod quality;
mod reference;
mod regressions;
mod second_tries;
mod shares;
#[path = "../simulation/simulation.rs"]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a simulation reckons with floats"
)]
#[expect(
    dead_code,
    unused_imports,
    reason = "the benchmark that includes it, too, uses the rest"
)]
mod simulation;
mod support;
