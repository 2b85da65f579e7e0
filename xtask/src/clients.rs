//! The Python clients' checks: sets up an environment of their own under the target folder and runs
//! them against the built programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::chores::{Outcome, run_command};
use crate::workspace::Workspace;

/// Runs the checks, installing the clients first unless they are there.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome> {
    let folder = workspace.root().join("crates/testkit/clients");
    let python = prepare(workspace, &folder.join("requirements.txt"))?;
    let mut checks = Command::new(python);
    checks.arg("-B").arg(folder.join("check.py"));
    checks
        .arg("--gateway-server")
        .arg(workspace.built("gateway-server"));
    checks.arg("--stand-in").arg(workspace.built("stand-in"));
    run_command(workspace, "clients", checks)
}

/// Makes the environment and answers its interpreter. An environment of the same requirements is
/// used again.
fn prepare(workspace: &Workspace, requirements: &Path) -> Result<PathBuf> {
    let environment = workspace.target_dir().join("python-clients");
    let (python, stamp) = (
        environment.join("bin/python"),
        environment.join("installed.txt"),
    );
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&environment);
    set_up(workspace, "clients-venv", make).context("python3 makes no environment")?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    install.arg(requirements);
    set_up(workspace, "clients-install", install).context("the clients were not installed")?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}

fn set_up(workspace: &Workspace, name: &str, command: Command) -> Result<()> {
    if run_command(workspace, name, command)?.is_ok() {
        return Ok(());
    }
    bail!("{name} failed")
}
