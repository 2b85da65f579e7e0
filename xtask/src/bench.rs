//! What is measured. The measuring itself is done by the package in `xtask/bench`, which ordinary
//! builds never compile; this builds it with what it measures, and hands over.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::packages;
use crate::report;
use crate::workspace::Workspace;

/// What the measuring program is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Measuring {
    /// Measure the gateway and its peers, in turns.
    Run,
    /// Sample where time goes.
    Profile,
    /// Count instructions and allocations.
    Guard,
}

/// Builds what `measuring` needs for release, gets the peers that come in packages, and has
/// `gateway-bench` do it with `arguments`; answers whether all was well.
///
/// Whatever ends this, Ctrl-C too, ends the processes that are measured.
pub(crate) fn run(
    workspace: &Workspace,
    measuring: Measuring,
    arguments: &[OsString],
) -> Result<bool> {
    let release = workspace.target_dir().join("release");
    let records = workspace.target_dir().join("bench");
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    build(workspace, "gateway-bench")?;
    if !has("--help") {
        cargo(
            workspace,
            &["build", "--release", "--package", "gateway-server"],
        )?;
    }
    if has("--grown") {
        let fill = [
            "build",
            "--release",
            "--package",
            "ai-gateway-store",
            "--example",
            "fill",
        ];
        cargo(workspace, &fill)?;
    }
    if measuring == Measuring::Run && !has("--help") {
        missing("nginx and haproxy", packages::install(&packages::PROXIES));
        missing("peer-pingora", packages::install(&packages::BUILDS_PINGORA));
        for package in ["peer-hyper", "peer-pingora"] {
            missing(package, build(workspace, package));
        }
        if !has("--quick") {
            missing("LiteLLM and Portkey", registries(&records.join("peers")));
        }
    }
    let mut bench = Command::new(release.join("gateway-bench"));
    bench.current_dir(workspace.root()).arg(match measuring {
        Measuring::Run => "run",
        Measuring::Profile => "profile",
        Measuring::Guard => "guard",
    });
    bench.arg("--binaries").arg(&release);
    bench.arg("--directory").arg(&records);
    let status = bench.args(arguments).status();
    let status = status.context("gateway-bench did not start")?;
    Ok(status.success())
}

/// Builds a package of the measuring workspace next to the gateway's own binaries.
fn build(workspace: &Workspace, package: &str) -> Result<()> {
    let manifest = workspace.root().join("xtask/bench/Cargo.toml");
    let manifest = manifest.to_string_lossy();
    cargo(
        workspace,
        &[
            "build",
            "--release",
            "--locked",
            "--manifest-path",
            &manifest,
            "--package",
            package,
        ],
    )
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.root()).args(arguments);
    succeed(cargo.arg("--target-dir").arg(workspace.target_dir()))
}

/// Installs LiteLLM and Portkey below `folder`, once.
fn registries(folder: &Path) -> Result<()> {
    let (litellm, portkey) = (folder.join("litellm"), folder.join("portkey"));
    std::fs::create_dir_all(folder).context("cannot create the peers' folder")?;
    if !litellm.join("bin/litellm").exists() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&litellm))?;
        let mut pip = Command::new(litellm.join("bin/pip"));
        succeed(pip.args(["install", "--quiet", "litellm[proxy]"]))?;
    }
    if !portkey.join("node_modules").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&portkey);
        succeed(npm.arg("@portkey-ai/gateway"))?;
    }
    Ok(())
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

/// Says which peer will be left out, and goes on.
fn missing(peer: &str, outcome: Result<()>) {
    if let Err(error) = outcome {
        report::line(&format!("without {peer}: {error:#}"));
    }
}
