//! Inputs that a fuzzer is started with, and those that it once found, replayed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fuzz_targets::{CHOICES, error, intake, request, response, sse, stream};
use crate::setup::{SIDES, TARGETS, read_stream};

/// Every file of `part` among the test data: what came, and what was made of it.
fn files(part: &str) -> Vec<(usize, PathBuf)> {
    let mut files = Vec::new();
    for (index, side) in TARGETS.iter().enumerate() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(side.name)
            .join("testdata")
            .join(part);
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        files.extend(entries.map(|entry| (index, entry.unwrap().path())));
    }
    assert!(!files.is_empty());
    files
}

/// Feeds every file of `part`, read as if any other side had sent it, whole and cut in half.
fn replay(part: &str, target: fn(&[u8])) {
    for (index, path) in files(part) {
        let body = match part {
            "stream" => read_stream(TARGETS[index], &path),
            _ => fs::read(&path).unwrap(),
        };
        for body in [body.as_slice(), &body[..body.len() / 2]] {
            for client in 0..SIDES.len() {
                for other in 0..TARGETS.len() {
                    let choices = [client, other, body.len() % 251];
                    let choices: [u8; CHOICES] =
                        choices.map(|choice| u8::try_from(choice).unwrap());
                    target(&[choices.as_slice(), body].concat());
                }
            }
        }
    }
}

/// Feeds what a fuzzer once found, and a few of the inputs that it reached new code with.
fn replay_found(name: &str, target: fn(&[u8])) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut count = 0;
    for folder in ["found", "corpus"] {
        let entries = fs::read_dir(tests.join(folder).join(name));
        for entry in entries.into_iter().flatten() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
    }
    assert!(count >= CORPUS_FILES, "{name}: {count}");
}

/// How many inputs of each target are kept.
const CORPUS_FILES: usize = 24;

#[test]
fn requests_of_any_kind_are_refused_or_readable() {
    replay("request", request);
    replay("response", request);
    replay_found("request", request);
}

#[test]
fn answers_of_any_kind_are_faults_or_readable() {
    replay("response", response);
    replay("request", response);
    replay_found("response", response);
}

#[test]
fn streams_of_any_kind_are_relayed_alike() {
    for (index, path) in files("stream") {
        if path.extension().is_some_and(|extension| extension == "sse")
            || TARGETS[index].name == "bedrock"
        {
            let stream_bytes = fs::read(&path).unwrap();
            sse(&[
                &[u8::try_from(index).unwrap(), 0, 7],
                stream_bytes.as_slice(),
            ]
            .concat());
        }
    }
    replay_found("sse", sse);
    replay_found("stream", stream);
}

#[test]
fn bodies_and_refusals_of_any_kind_are_read() {
    replay("request", intake);
    replay("response", error);
    replay("request", error);
    replay_found("intake", intake);
    replay_found("error", error);
}

/// Writes the inputs that a fuzzer is to start with, when it asks for them.
#[test]
fn a_fuzzer_starts_with_the_test_data() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else {
        return;
    };
    let folder = PathBuf::from(folder);
    for (part, targets) in [
        ("request", &["request", "intake"][..]),
        ("response", &["response", "error"]),
        ("stream", &["stream", "sse"]),
    ] {
        for (index, path) in files(part) {
            let is_input = !path.file_stem().unwrap().to_string_lossy().contains('.');
            if !is_input {
                continue;
            }
            let bytes = match part {
                "stream" => read_stream(TARGETS[index], &path),
                _ => fs::read(&path).unwrap(),
            };
            let side = u8::try_from(index).unwrap();
            for target in targets {
                fs::create_dir_all(folder.join(target)).unwrap();
                let name = format!("{index}-{}", path.file_name().unwrap().to_string_lossy());
                let choices = match part {
                    "request" => [side, side.wrapping_add(1), 0],
                    _ => [side.wrapping_add(1), side, 5],
                };
                let seed = [choices.as_slice(), &bytes].concat();
                fs::write(folder.join(target).join(name), seed).unwrap();
            }
        }
    }
}
