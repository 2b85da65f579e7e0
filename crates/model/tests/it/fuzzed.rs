//! Documents that a fuzzer is started with, and those that it once found, replayed.

use std::fs;
use std::path::Path;

use crate::fuzz_targets::document;

#[test]
fn documents_of_any_kind_are_read_or_faulted() {
    let seed = crate::kit::seed().to_string();
    for kind in 0..6_u8 {
        document(&[&[kind], seed.as_bytes()].concat());
        for odd in [
            "null",
            "{}",
            "[]",
            "{\"name\":3}",
            "{\"targets\":[[]]}",
            "{\"name\":\"\\u0000\"}",
        ] {
            document(&[&[kind], odd.as_bytes()].concat());
        }
    }
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/found/document");
    for entry in fs::read_dir(found).into_iter().flatten() {
        document(&fs::read(entry.unwrap().path()).unwrap());
    }
}
