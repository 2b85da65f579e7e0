//! Real clients against every kind of target, with a line a check and the matrix at the end.

use anyhow::Result;

use crate::chores::{self, Chore};
use crate::clients;
use crate::command::Show;
use crate::workspace::Workspace;

/// Builds what is run and runs the checks, all or those with `only` in their line; answers whether
/// all passed.
///
/// A whole run is held against the page of the documentation, or writes it when `update` says so.
pub(crate) fn run(workspace: &Workspace, only: Option<&str>, update: bool) -> Result<bool> {
    if !chores::run_all(workspace, &[Chore::Build])? {
        return Ok(false);
    }
    let mut arguments = vec!["--pairs"];
    if let Some(only) = only {
        arguments.extend(["--only", only]);
    }
    if update {
        arguments.push("--update");
    }
    let outcome = clients::run_shown(workspace, &arguments, Show::Each)?;
    Ok(outcome.is_ok())
}
