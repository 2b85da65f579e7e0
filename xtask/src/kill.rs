//! `kill -9` on a gateway whose configuration is being written.

use anyhow::Result;

use crate::chores::{Outcome, run_command};
use crate::programs;
use crate::workspace::Workspace;

/// The short form.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome> {
    let mut kill = programs::command(workspace, "kill", "kill", &[]);
    kill.args(["--times", "20"]);
    run_command(workspace, "kill", kill)
}
