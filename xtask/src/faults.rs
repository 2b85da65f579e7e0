//! The catalogue of faults, played through the built gateway. The playing is done by `faults`, a
//! program of the testkit; this builds it with the gateway, and hands over.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::chores::{Outcome, run_command};
use crate::programs;
use crate::report;
use crate::workspace::Workspace;

/// Builds gateway and catalogue, and plays it with `arguments`: ten times each cell unless they
/// say how often. Answers whether all went as it should.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<bool> {
    programs::build(workspace)?;
    let mut faults = programs::command(workspace, "faults", "faults", arguments);
    if !arguments.iter().any(|argument| argument == "--repeat") {
        faults.args(["--repeat", "10"]);
    }
    let status = faults.status();
    Ok(status.context("faults did not start")?.success())
}

/// Builds the same, and sends `requests` malformed requests drawn from `seed`. Answers whether
/// nothing came of them.
pub(crate) fn run_malformed(workspace: &Workspace, requests: usize, seed: u64) -> Result<bool> {
    programs::build(workspace)?;
    let status = malformed(workspace, requests, seed).status();
    Ok(status.context("faults did not start")?.success())
}

/// The short form of the malformed requests.
pub(crate) fn check_malformed(workspace: &Workspace) -> Result<Outcome> {
    run_command(workspace, "hostile", malformed(workspace, 5_000, 1))
}

fn malformed(workspace: &Workspace, requests: usize, seed: u64) -> Command {
    let mut faults = programs::command(workspace, "faults", "hostile", &[]);
    faults.arg("--malformed").arg(requests.to_string());
    faults.arg("--seed").arg(seed.to_string());
    faults
}

/// The short form: each cell once, and hostile clients. The page for operators is held against
/// the catalogue too.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut faults = programs::command(workspace, "faults", "faults", &[]);
    faults.args(["--hostile", "10000"]);
    let mut outcome = run_command(workspace, "faults", faults)?;
    outcome += Outcome::from(check_page(workspace)?);
    Ok(outcome)
}

/// Holds `docs/faults.md` against the catalogue.
fn check_page(workspace: &Workspace) -> Result<bool> {
    let printed = programs::command(workspace, "faults", "faults", &[])
        .arg("--print")
        .output();
    let printed = String::from_utf8(printed.context("faults did not start")?.stdout)?;
    let page = workspace.root().join("docs/faults.md");
    let text = fs::read_to_string(&page).context("docs/faults.md cannot be read")?;
    let is_same = text.contains(printed.trim());
    if !is_same {
        report::line("problem: docs/faults.md is not what `cargo xtask faults --print` says");
    }
    Ok(is_same)
}
