//! The catalogue of faults, played through the built gateway. The playing is done by `faults`, a
//! program of the testkit; this builds it with the gateway, and hands over.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::chores::{Outcome, run_command};
use crate::report;
use crate::workspace::Workspace;

/// Builds gateway and catalogue, and plays it with `arguments`: ten times each cell unless they
/// say how often. Answers whether all went as it should.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<bool> {
    build(workspace)?;
    let mut faults = command(workspace, "faults");
    if !arguments.iter().any(|argument| argument == "--repeat") {
        faults.args(["--repeat", "10"]);
    }
    let status = faults.args(arguments).status();
    Ok(status.context("faults did not start")?.success())
}

/// Builds the same, and sends `requests` malformed requests drawn from `seed`. Answers whether
/// nothing came of them.
pub(crate) fn run_malformed(workspace: &Workspace, requests: usize, seed: u64) -> Result<bool> {
    build(workspace)?;
    let status = malformed(workspace, requests, seed).status();
    Ok(status.context("faults did not start")?.success())
}

/// The short form of the malformed requests.
pub(crate) fn check_malformed(workspace: &Workspace) -> Result<Outcome> {
    run_command(workspace, "hostile", malformed(workspace, 5_000, 1))
}

fn build(workspace: &Workspace) -> Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--bins"]);
    build.args([
        "--package",
        "gateway-server",
        "--package",
        "ai-gateway-testkit",
    ]);
    let status = build.current_dir(workspace.root()).status();
    if !status.context("cargo did not start")?.success() {
        bail!("there is nothing to play: the build failed");
    }
    Ok(())
}

fn malformed(workspace: &Workspace, requests: usize, seed: u64) -> Command {
    let mut faults = command(workspace, "hostile");
    faults.arg("--malformed").arg(requests.to_string());
    faults.arg("--seed").arg(seed.to_string());
    faults
}

/// The short form: each cell once, and hostile clients. The page for operators is held against
/// the catalogue too.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut faults = command(workspace, "faults");
    faults.args(["--hostile", "10000"]);
    let mut outcome = run_command(workspace, "faults", faults)?;
    outcome += Outcome::from(check_page(workspace)?);
    Ok(outcome)
}

/// Holds `docs/faults.md` against the catalogue.
fn check_page(workspace: &Workspace) -> Result<bool> {
    let printed = command(workspace, "faults").arg("--print").output();
    let printed = String::from_utf8(printed.context("faults did not start")?.stdout)?;
    let page = workspace.root().join("docs/faults.md");
    let text = fs::read_to_string(&page).context("docs/faults.md cannot be read")?;
    let is_same = text.contains(printed.trim());
    if !is_same {
        report::line("problem: docs/faults.md is not what `cargo xtask faults --print` says");
    }
    Ok(is_same)
}

/// The program, with its data in a folder of that name.
fn command(workspace: &Workspace, folder: &str) -> Command {
    let mut faults = Command::new(workspace.built("faults"));
    faults.current_dir(workspace.root());
    faults
        .arg("--gateway-server")
        .arg(workspace.built("gateway-server"));
    faults
        .arg("--folder")
        .arg(workspace.target_dir().join("xtask").join(folder));
    faults
}
