//! The steps of `test` and `lint`: what each runs, in which order, and the summary of them all.

use std::ops::AddAssign;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::command::{self, Show, now};
use crate::tests_counted::{self, Counted};
use crate::workspace::Workspace;
use crate::{clients, faults, kill, layers, report, soak, tidy};

/// One step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Chore {
    /// The code is formatted
    Fmt,
    /// Nothing is against the rules that no compiler checks
    Tidy,
    /// No crate uses what its layer forbids
    Layers,
    /// Clippy has no warning
    Clippy,
    /// The documentation has no warning
    Docs,
    /// Programs, examples and tests are built
    Build,
    /// The tests pass
    Tests,
    /// The examples in the documentation run
    Doctests,
    /// The balancer's shared cells keep their laws in every interleaving of a few threads
    Loom,
    /// Real clients are served by every kind of target as by their own providers
    Clients,
    /// Every fault of a target comes out as the catalogue says, and hostile clients harm none
    Faults,
    /// Nothing that was acknowledged is lost to `kill -9`
    Kill,
    /// Requests malformed on the wire reach no target and cost the gateway nothing
    Hostile,
    /// Nothing is lost, mixed up, leaked or told under load
    Soak,
    /// The examples run to their end
    Example,
}

impl Chore {
    /// Every step, cheap ones first.
    pub(crate) const ALL: [Self; 15] = [
        Self::Fmt,
        Self::Tidy,
        Self::Layers,
        Self::Clippy,
        Self::Docs,
        Self::Build,
        Self::Tests,
        Self::Doctests,
        Self::Loom,
        Self::Clients,
        Self::Faults,
        Self::Kill,
        Self::Hostile,
        Self::Soak,
        Self::Example,
    ];

    /// The steps that run nothing of the project.
    pub(crate) const LINTS: [Self; 5] = [
        Self::Fmt,
        Self::Tidy,
        Self::Layers,
        Self::Clippy,
        Self::Docs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Layers => "layers",
            Self::Clippy => "clippy",
            Self::Docs => "docs",
            Self::Build => "build",
            Self::Tests => "tests",
            Self::Doctests => "doctests",
            Self::Loom => "loom",
            Self::Clients => "clients",
            Self::Faults => "faults",
            Self::Kill => "kill",
            Self::Hostile => "hostile",
            Self::Soak => "soak",
            Self::Example => "example",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<Outcome> {
        match self {
            Self::Fmt => cargo(workspace, self, "fmt --all --check"),
            Self::Tidy => Ok(Outcome::of(
                report::problems(&tidy::check(workspace)?),
                Counted::default(),
            )),
            Self::Layers => {
                let findings = layers::check(workspace)?;
                report::line(&findings.table);
                Ok(Outcome::of(
                    report::problems(&findings.problems),
                    Counted::default(),
                ))
            }
            Self::Clippy => cargo(
                workspace,
                self,
                "clippy --workspace --all-targets -- -D warnings",
            ),
            Self::Docs => cargo(
                workspace,
                self,
                "doc --workspace --no-deps --document-private-items",
            ),
            // Everything in one go, so that each package is built once, for one set of features.
            Self::Build => cargo(
                workspace,
                self,
                "build --workspace --lib --bins --tests --examples",
            ),
            Self::Tests => run_tests(workspace),
            Self::Doctests => cargo(workspace, self, "test --workspace --doc"),
            Self::Loom => run_loom(workspace),
            Self::Clients => clients::run(workspace, &[]),
            Self::Faults => faults::check(workspace),
            Self::Kill => kill::check(workspace),
            Self::Hostile => faults::check_malformed(workspace),
            Self::Soak => soak::check(workspace),
            Self::Example => {
                let mut outcome = run_example(workspace, "multi-provider")?;
                outcome += run_example(workspace, "balancer-only")?;
                Ok(outcome)
            }
        }
    }

    /// Whether it runs programs that [`Chore::Build`] builds.
    fn needs_build(self) -> bool {
        matches!(
            self,
            Self::Clients | Self::Faults | Self::Kill | Self::Hostile | Self::Soak | Self::Example
        )
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    is_ok: bool,
    tests: Counted,
}

impl Outcome {
    fn of(is_ok: bool, mut tests: Counted) -> Self {
        // A step that fails counts as a failure in the closing line, whatever it is that failed.
        if !is_ok && tests.failed == 0 {
            tests.failed = 1;
        }
        Self { is_ok, tests }
    }

    pub(crate) fn is_ok(self) -> bool {
        self.is_ok
    }
}

impl From<bool> for Outcome {
    fn from(is_ok: bool) -> Self {
        Self::of(is_ok, Counted::default())
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.is_ok &= other.is_ok;
        self.tests += other.tests;
    }
}

/// Puts the build before the steps that need it.
pub(crate) fn complete(mut chores: Vec<Chore>) -> Vec<Chore> {
    let first = chores.iter().position(|chore| chore.needs_build());
    if let Some(first) = first
        && !chores.contains(&Chore::Build)
    {
        chores.insert(first, Chore::Build);
    }
    chores
}

/// Runs the steps in their order, tells each one's time, and answers whether all passed. A step that
/// fails does not keep the others from running.
pub(crate) fn run_all(workspace: &Workspace, chores: &[Chore]) -> Result<bool> {
    let mut summary = Table::new();
    summary
        .load_style(NOTHING)
        .set_header(["step", "result", "time", "tests"]);
    let (mut tests, mut failed) = (Counted::default(), Vec::new());
    let started = now();
    for (index, chore) in chores.iter().enumerate() {
        report::line(&format!(
            "[{}/{}] {}",
            index + 1,
            chores.len(),
            chore.name()
        ));
        let began = now();
        let is_stale = chore.needs_build() && failed.contains(&Chore::Build.name());
        let run = if is_stale {
            stale()
        } else {
            chore.run(workspace)
        };
        let outcome = run.unwrap_or_else(|error| {
            report::line(&format!("error: {error:#}"));
            Outcome::of(false, Counted::default())
        });
        let time = seconds(began.elapsed());
        let result = if outcome.is_ok { "ok" } else { "FAILED" };
        if !outcome.is_ok {
            failed.push(chore.name());
        }
        report::line(&format!(
            "[{}/{}] {}: {result}, {time}",
            index + 1,
            chores.len(),
            chore.name()
        ));
        let count = if outcome.tests == Counted::default() {
            String::new()
        } else {
            format!(
                "{} passed, {} failed",
                outcome.tests.passed, outcome.tests.failed
            )
        };
        summary.add_row([chore.name(), result, &time, &count]);
        tests += outcome.tests;
    }
    report::line(&format!("\n{}\n", summary.trim_fmt()));
    report::line(&format!("total {}", seconds(started.elapsed())));
    if !failed.is_empty() {
        report::line(&format!("failed: {}", failed.join(", ")));
    }
    if tests != Counted::default() {
        report::line(&format!("{} passed, {} failed", tests.passed, tests.failed));
    }
    Ok(failed.is_empty())
}

/// Keeps a step from running what an earlier build has left.
fn stale() -> Result<Outcome> {
    bail!("there is nothing to run: the build failed")
}

fn run_example(workspace: &Workspace, name: &str) -> Result<Outcome> {
    let mut example = Command::new(workspace.built("examples").join(name));
    // With keys in the environment it would leave this machine.
    example
        .env_remove("OPENAI_API_KEY")
        .env_remove("ANTHROPIC_API_KEY");
    run_command(workspace, name, example)
}

/// Uses nextest where it is installed, for its speed and its time limits, else cargo's own runner.
fn run_tests(workspace: &Workspace) -> Result<Outcome> {
    let has_nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .output();
    if has_nextest.is_ok_and(|output| output.status.success()) {
        return cargo(
            workspace,
            Chore::Tests,
            "nextest run --workspace --no-fail-fast",
        );
    }
    cargo(
        workspace,
        Chore::Tests,
        "test --workspace --lib --bins --tests --no-fail-fast",
    )
}

/// Plays the balancer's loom models, built apart: with loom's cells everything differs.
fn run_loom(workspace: &Workspace) -> Result<Outcome> {
    let mut command = Command::new("cargo");
    command
        .args(["test", "--package", "ai-gateway-balancer", "--lib"])
        .arg("loom_models")
        .env("CARGO_TARGET_DIR", workspace.target_dir().join("loom"))
        .env("RUSTFLAGS", "--cfg loom")
        .env("LOOM_MAX_PREEMPTIONS", LOOM_PREEMPTIONS);
    run_command(workspace, Chore::Loom.name(), command)
}

/// How often a thread is interrupted where it need not be: nearly all faults show with two, and
/// each more multiplies the interleavings.
const LOOM_PREEMPTIONS: &str = "3";

fn cargo(workspace: &Workspace, chore: Chore, arguments: &str) -> Result<Outcome> {
    let mut command = Command::new("cargo");
    command
        .args(arguments.split_whitespace())
        .env("RUSTDOCFLAGS", "-D warnings");
    run_command(workspace, chore.name(), command)
}

/// Runs `command` in the workspace's folder and counts the tests that it tells of.
///
/// A command that ends with another status than 0 is an outcome; one that does not start, or does not
/// end, is an error.
pub(crate) fn run_command(workspace: &Workspace, name: &str, command: Command) -> Result<Outcome> {
    run_shown(workspace, name, command, Show::Last)
}

/// As [`run_command`], with as much of it on a terminal as `show` says.
pub(crate) fn run_shown(
    workspace: &Workspace,
    name: &str,
    mut command: Command,
    show: Show,
) -> Result<Outcome> {
    command.current_dir(workspace.root());
    let log = workspace
        .target_dir()
        .join("xtask")
        .join(format!("{name}.log"));
    let finished = command::run(command, &log, STEP_LIMIT, show)?;
    Ok(Outcome::of(
        finished.status.success(),
        tests_counted::count(&finished.lines),
    ))
}

/// The longest a step may take: the whole has to fit into an hour on two cores.
const STEP_LIMIT: Duration = Duration::from_secs(25 * 60);

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Chore, complete};

    #[test]
    fn a_step_that_runs_a_program_is_preceded_by_the_build() {
        let completed = complete(vec![Chore::Fmt, Chore::Clients, Chore::Example]);
        assert_eq!(
            completed,
            [Chore::Fmt, Chore::Build, Chore::Clients, Chore::Example]
        );
        assert_eq!(complete(vec![Chore::Tests]), [Chore::Tests]);
        assert_eq!(complete(Chore::ALL.to_vec()), Chore::ALL);
    }
}
