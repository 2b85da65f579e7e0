//! Fuzzing: libFuzzer over the targets that the tests of `providers` and `model` replay.
//!
//! It is built by the compiler at hand: the instruments are a pass of LLVM's, not an unstable flag,
//! and what they would find beyond a panic, safe Rust does not have.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::now;
use crate::report;
use crate::workspace::Workspace;

/// What can be fed.
pub(crate) const TARGETS: [&str; 7] = [
    "request", "response", "stream", "sse", "intake", "error", "document",
];

/// Counts edges and watches comparisons, so that the fuzzer sees what an input reaches.
const INSTRUMENTS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest input that is tried, in bytes.
const MOST_BYTES: u32 = 16 * 1024;

/// Builds the fuzzer and feeds each target for `seconds`; answers whether none broke.
///
/// What it learns is kept in the target folder and built upon the next time. What breaks a target is
/// kept there too, and told: it belongs into `tests/it/found` of the crate once it is mended.
pub(crate) fn run(workspace: &Workspace, only: &[String], seconds: u32) -> Result<bool> {
    let folder = workspace.target_dir().join("fuzz");
    let host = host()?;
    let manifest = workspace.root().join("xtask/fuzz/Cargo.toml");
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--target", &host]);
    build.arg("--manifest-path").arg(&manifest);
    build.arg("--target-dir").arg(&folder);
    succeed(build.env("RUSTFLAGS", INSTRUMENTS))?;
    seed(workspace, &folder.join("seeds"))?;
    let fuzzer = folder.join(&host).join("release/fuzz");
    let mut broken = Vec::new();
    for target in TARGETS {
        if only.is_empty() || only.iter().any(|name| name == target) {
            let began = now();
            let is_ok = feed(&fuzzer, &folder, target, seconds)?;
            let result = if is_ok { "ok  " } else { "FAIL" };
            let took = began.elapsed().as_secs();
            report::line(&format!("{result}  {target}, {took} s"));
            if !is_ok {
                broken.push(target);
            }
        }
    }
    if !broken.is_empty() {
        let found = folder.join("found");
        report::line(&format!(
            "broke: {}; the inputs are in {}",
            broken.join(", "),
            found.display()
        ));
    }
    Ok(broken.is_empty())
}

fn feed(fuzzer: &Path, folder: &Path, target: &str, seconds: u32) -> Result<bool> {
    let corpus = folder.join("corpus").join(target);
    let found = folder.join("found").join(target);
    let seeds = folder.join("seeds").join(target);
    for folder in [&corpus, &found, &seeds] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut feeding = Command::new(fuzzer);
    feeding.env("FUZZ_TARGET", target);
    feeding.arg(format!("-max_total_time={seconds}"));
    feeding.arg(format!("-max_len={MOST_BYTES}"));
    feeding.arg(format!("-artifact_prefix={}/", found.display()));
    feeding.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    let status = feeding.arg(corpus).arg(seeds).status();
    Ok(status.context("the fuzzer did not start")?.success())
}

/// Has the tests write the inputs to start with.
fn seed(workspace: &Workspace, folder: &Path) -> Result<()> {
    let mut tests = Command::new("cargo");
    tests.current_dir(workspace.root());
    tests.args(["test", "--quiet", "--package", "ai-gateway-providers"]);
    tests.args(["--test", "it", "a_fuzzer_starts_with_the_test_data"]);
    succeed(tests.env("FUZZ_SEEDS", folder))?;
    let documents = folder.join("document");
    fs::create_dir_all(&documents).context("cannot create the seeds' folder")?;
    let upstream = workspace
        .root()
        .join("crates/model/testdata/seeds-upstream.json");
    let mut input = vec![0];
    input.extend(fs::read(upstream).context("cannot read the seed")?);
    fs::write(documents.join("upstream"), input).context("cannot write the seed")
}

/// The machine's own target: naming it keeps the instruments out of build scripts.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.context("rustc did not start")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{name} did not start"))?;
    if !status.success() {
        bail!("{name} failed: {status}");
    }
    Ok(())
}
