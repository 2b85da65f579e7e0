//! A gateway held under load for long.

use anyhow::Result;

use crate::chores::{Outcome, run_command};
use crate::programs;
use crate::workspace::Workspace;

/// The short form.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut soak = programs::command(workspace, "soak", "soak", &[]);
    soak.args(["--streams", "200", "--minutes", "0.1"]);
    soak.args(["--requests", "10000", "--writes", "100"]);
    run_command(workspace, "soak", soak)
}
