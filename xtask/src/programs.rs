//! The programs that hold a running gateway against what it promises: they are the testkit's, and
//! are built with the gateway.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

/// Builds the gateway and the testkit's programs.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
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
        bail!("there is nothing to run: the build failed");
    }
    Ok(())
}

/// The program of that name, with its data in a folder of its own. A gateway that `arguments`
/// name goes before the one that was built.
pub(crate) fn command(
    workspace: &Workspace,
    program: &str,
    folder: &str,
    arguments: &[OsString],
) -> Command {
    let mut command = Command::new(workspace.built(program));
    command.current_dir(workspace.root());
    if !arguments.iter().any(|argument| argument == GATEWAY) {
        command.arg(GATEWAY).arg(workspace.built("gateway-server"));
    }
    let folder = workspace.target_dir().join("xtask").join(folder);
    command.arg("--folder").arg(folder);
    command.args(arguments);
    command
}

/// Builds, and runs the program to its end. Answers whether all was well.
pub(crate) fn run(workspace: &Workspace, program: &str, arguments: &[OsString]) -> Result<bool> {
    build(workspace)?;
    let status = command(workspace, program, program, arguments).status();
    let status = status.with_context(|| format!("{program} did not start"))?;
    Ok(status.success())
}

const GATEWAY: &str = "--gateway-server";
