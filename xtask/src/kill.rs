//! `kill -9` on a gateway whose configuration is being written. The killing is done by `kill`, a
//! program of the testkit; this builds it with the gateway, and hands over.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::chores::{Outcome, run_command};
use crate::workspace::Workspace;

/// Builds gateway and killer, and kills as `arguments` say. Answers whether nothing was lost.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<bool> {
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
        bail!("there is nothing to kill: the build failed");
    }
    let status = command(workspace).args(arguments).status();
    Ok(status.context("kill did not start")?.success())
}

/// The short form.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut kill = command(workspace);
    kill.args(["--times", "20"]);
    run_command(workspace, "kill", kill)
}

fn command(workspace: &Workspace) -> Command {
    let mut kill = Command::new(workspace.built("kill"));
    kill.current_dir(workspace.root());
    kill.arg("--gateway-server")
        .arg(workspace.built("gateway-server"));
    kill.arg("--folder")
        .arg(workspace.target_dir().join("xtask/kill"));
    kill
}
