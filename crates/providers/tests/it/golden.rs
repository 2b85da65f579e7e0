//! Every file in a dialect's `testdata`, translated for every other dialect, against the files
//! beside it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p ai-gateway-providers golden` writes the files anew.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::setup::{SIDES, Side, TARGETS, read_stream, relay};

pub(crate) const UPDATES: bool = option_env!("UPDATE_GOLDEN").is_some();

fn folder(side: Side, part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(side.name)
        .join("testdata")
        .join(part)
}

/// The files to translate: those with one dot in their name; what came of them has two.
fn inputs(side: Side, part: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder(side, part))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_stem()
                .is_some_and(|stem| !stem.to_string_lossy().contains('.'))
        })
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// Goes over every input of `part`, of every side in `from`, and every other side in `to`.
fn check(
    part: &str,
    (from, to): (&[Side], &[Side]),
    extension: &str,
    translate: impl Fn(Side, Side, &Path) -> String,
) {
    let mut faults = Vec::new();
    for &from in from {
        for path in inputs(from, part) {
            for to in to.iter().filter(|to| to.name != from.name) {
                let came = translate(from, *to, &path);
                let expected = path.with_extension(format!("{}.{extension}", to.name));
                if UPDATES {
                    fs::write(&expected, &came).unwrap();
                } else if fs::read_to_string(&expected).unwrap_or_default() != came {
                    faults.push(format!("{}:\n{came}", expected.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn read(path: &Path) -> Bytes {
    fs::read(path).unwrap().into()
}

/// Lays JSON out for reading; text that is none stays.
fn pretty(json: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

fn listed(dropped: &[String]) -> String {
    match dropped {
        [] => String::new(),
        names => format!("dropped: {}\n", names.join(", ")),
    }
}

#[test]
fn requests_are_written_as_the_golden_files_say() {
    check(
        "request",
        (&SIDES, &TARGETS),
        "json",
        |from, to, path| match from.encode(to, &read(path)) {
            Ok(encoded) => {
                let body = encoded.body.into_bytes();
                let _: &RawValue = serde_json::from_slice(&body).unwrap();
                pretty(&body) + &listed(&encoded.dropped)
            }
            Err(fault) => format!("refused: {fault}\n"),
        },
    );
}

#[test]
fn answers_are_written_as_the_golden_files_say() {
    check(
        "response",
        (&TARGETS, &SIDES),
        "json",
        |from, to, path| match to.exchange(from, false).response(read(path)) {
            Ok(response) => {
                let dropped = listed(&response.dropped);
                format!("{}{dropped}{:?}\n", pretty(&response.body), response.usage)
            }
            Err(fault) => format!("fault: {fault}; {:?}\n", fault.class()),
        },
    );
}

#[test]
fn streams_are_written_as_the_golden_files_say() {
    check("stream", (&TARGETS, &SIDES), "sse", |from, to, path| {
        let stream = read_stream(from, path);
        let relayed = relay(&to.exchange(from, true), [stream.as_slice()]);
        let text = String::from_utf8(relayed.bytes).unwrap();
        let fault = match relayed.fault {
            Some(fault) => format!("fault: {fault}; {:?}\n", fault.class()),
            None => String::new(),
        };
        format!("{text}{fault}{:?}\n", relayed.usage)
    });
}
