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
mod reference;
mod regressions;
mod second_tries;
mod shares;
mod support;
