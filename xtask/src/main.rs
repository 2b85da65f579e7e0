//! The project's chores: `cargo xtask test`, `lint`, `layers`, `tidy`.

mod chores;
mod clients;
mod command;
mod layers;
mod report;
mod tests_counted;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::chores::Chore;
use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "The project's chores",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything that has to pass: lints, tests, doc tests, Python clients, the example
    Test {
        /// Runs only this step; repeatable
        #[arg(long, value_enum, value_name = "STEP")]
        only: Vec<Chore>,
        /// Leaves this step out; repeatable
        #[arg(long, value_enum, value_name = "STEP", conflicts_with = "only")]
        skip: Vec<Chore>,
    },
    /// Checks format, lints, layers, tidiness and the documentation
    Lint,
    /// Checks each edge between crates, and what the pure crates are built on
    Layers,
    /// Checks what compilers do not: ignored tests, loose TODOs, machine paths, file names
    Tidy,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Answers whether all was well.
fn run(arguments: &Arguments) -> Result<bool> {
    let workspace = Workspace::find()?;
    match &arguments.command {
        Command::Test { only, skip } => {
            let chores = if only.is_empty() {
                Chore::ALL.to_vec()
            } else {
                only.clone()
            };
            let chores: Vec<Chore> = chores
                .into_iter()
                .filter(|chore| !skip.contains(chore))
                .collect();
            chores::run_all(&workspace, &chores::complete(chores))
        }
        Command::Lint => chores::run_all(&workspace, &Chore::LINTS),
        Command::Layers => {
            let findings = layers::check(&workspace)?;
            report::line(&findings.table);
            Ok(report::problems(&findings.problems))
        }
        Command::Tidy => Ok(report::problems(&tidy::check(&workspace)?)),
    }
}
