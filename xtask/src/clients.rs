//! Real clients' checks: sets up environments of their own under the target folder, for Python and
//! for JavaScript, and runs them against the built programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::chores::{Outcome, run_command, run_shown as run_command_shown};
use crate::command::Show;
use crate::report;
use crate::workspace::Workspace;

/// Runs the checks with `arguments` for their program, installing the clients first unless they are
/// there.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<Outcome> {
    run_shown(workspace, arguments, Show::Last)
}

/// As [`run`], with as much of it on a terminal as `show` says.
pub(crate) fn run_shown(workspace: &Workspace, arguments: &[&str], show: Show) -> Result<Outcome> {
    let folder = workspace.root().join("crates/testkit/clients");
    let python = install_python(workspace, &folder.join("requirements.txt"))?;
    let mut checks = Command::new(python);
    checks.arg("-B").arg(folder.join("check.py"));
    checks
        .arg("--gateway-server")
        .arg(workspace.built("gateway-server"));
    checks.arg("--stand-in").arg(workspace.built("stand-in"));
    let page = workspace.root().join("docs/providers/conformance.md");
    checks.arg("--page").arg(page).args(arguments);
    if has_node() {
        let packages = install_node(workspace, &folder.join("vercel"))?;
        checks.arg("--node-packages").arg(packages);
    } else {
        report::line("without Node.js and npm: the clients for JavaScript are left out");
    }
    run_command_shown(workspace, "clients", checks, show)
}

/// Makes the environment and answers its interpreter. An environment of the same requirements is
/// used again.
fn install_python(workspace: &Workspace, requirements: &Path) -> Result<PathBuf> {
    let environment = workspace.target_dir().join("python-clients");
    let python = environment.join("bin/python");
    let stamp = Stamp::of(&environment, &[requirements])?;
    if python.exists() && stamp.is_current() {
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
    stamp.set()?;
    Ok(python)
}

fn has_node() -> bool {
    let answers = |program| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    answers("node") && answers("npm")
}

/// Installs what the lock file in `source` names, into a folder that is answered. What is there
/// already is used again.
fn install_node(workspace: &Workspace, source: &Path) -> Result<PathBuf> {
    let environment = workspace.target_dir().join("node-clients");
    let manifests = ["package.json", "package-lock.json"].map(|name| source.join(name));
    let stamp = Stamp::of(&environment, &manifests.each_ref().map(PathBuf::as_path))?;
    if stamp.is_current() {
        return Ok(environment);
    }
    fs::create_dir_all(&environment)
        .with_context(|| format!("cannot create {}", environment.display()))?;
    for manifest in &manifests {
        let copy = environment.join(manifest.file_name().unwrap_or_default());
        fs::copy(manifest, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    install.arg("--prefix").arg(&environment);
    set_up(workspace, "clients-npm", install).context("the clients were not installed")?;
    stamp.set()?;
    Ok(environment)
}

/// What an environment was made from, kept beside it.
struct Stamp {
    path: PathBuf,
    wanted: String,
}

impl Stamp {
    fn of(environment: &Path, sources: &[&Path]) -> Result<Self> {
        let mut wanted = String::new();
        for source in sources {
            wanted += &fs::read_to_string(source)
                .with_context(|| format!("cannot read {}", source.display()))?;
        }
        let path = environment.join("installed.txt");
        Ok(Self { path, wanted })
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|installed| installed == self.wanted)
    }

    fn set(&self) -> Result<()> {
        fs::write(&self.path, &self.wanted)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn set_up(workspace: &Workspace, name: &str, command: Command) -> Result<()> {
    if run_command(workspace, name, command)?.is_ok() {
        return Ok(());
    }
    bail!("{name} failed")
}
