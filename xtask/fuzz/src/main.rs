//! One fuzzer for every target; the environment's `FUZZ_TARGET` chooses.
//!
//! `cargo xtask fuzz` builds it with the instruments and runs it.
#![no_main]

#[path = "../../../crates/model/tests/it/fuzz_targets.rs"]
mod documents;
#[path = "../../../crates/providers/tests/it/fuzz_targets.rs"]
mod fuzz_targets;
#[expect(dead_code, reason = "the tests of the crate use the rest of it")]
#[path = "../../../crates/model/tests/it/kit.rs"]
mod kit;
#[expect(dead_code, reason = "the tests of the crate use the rest of it")]
#[path = "../../../crates/providers/tests/it/setup.rs"]
mod setup;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    match name.as_str() {
        "request" => fuzz_targets::request,
        "response" => fuzz_targets::response,
        "stream" => fuzz_targets::stream,
        "sse" => fuzz_targets::sse,
        "intake" => fuzz_targets::intake,
        "error" => fuzz_targets::error,
        "document" => documents::document,
        _ => panic!("FUZZ_TARGET names no target: {name:?}"),
    }
});

fuzz_target!(|data: &[u8]| TARGET(data));
