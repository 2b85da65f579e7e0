//! The project's chores: `cargo xtask test`, `lint`, `layers`, `tidy`, `loom`, `conformance`,
//! `faults`, `kill`, `hostile`, `soak`, `bench`, `profile`.

mod balancing;
mod bench;
mod chores;
mod clients;
mod command;
mod conformance;
mod faults;
mod fuzz;
mod kill;
mod layers;
mod packages;
mod programs;
mod report;
mod soak;
mod tests_counted;
mod tidy;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::balancing::Measured;
use crate::bench::Measuring;
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
    /// Runs everything that has to pass: lints, tests, doc tests, real clients, the example
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
    /// Runs real clients against every kind of target and prints the matrix of what works
    Conformance {
        /// Runs only the checks whose line has this text, such as `LangChain` or `: gemini`
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Writes the page of the documentation anew from what was run
        #[arg(long, conflicts_with = "only")]
        update: bool,
    },
    /// Feeds the decoders what nobody would write, and keeps what breaks them
    Fuzz {
        /// Feeds only this target; repeatable
        #[arg(long, value_parser = fuzz::TARGETS, value_name = "TARGET")]
        only: Vec<String>,
        /// How long each target is fed
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        seconds: u32,
    },
    /// Plays every interleaving of the balancer's shared cells, with bounded preemptions
    Loom,
    /// Plays every fault of the catalogue through the gateway, ten times each
    #[command(disable_help_flag = true)]
    Faults(Passed),
    /// Kills the gateway while its configuration is written, 100 times, and looks for what is lost
    #[command(disable_help_flag = true)]
    Kill(Passed),
    /// Holds 2,000 streams, leaves a million requests at random, reloads under load, seeks secrets
    #[command(disable_help_flag = true)]
    Soak(Passed),
    /// Sends the gateway requests that are malformed on the wire, and prints what came of them
    Hostile {
        /// How many, each over a connection of its own
        #[arg(long, default_value_t = 100_000)]
        requests: usize,
        /// What they are drawn from: the same seed, the same requests
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measures: builds what is needed for release, and takes the machine for minutes
    Bench {
        #[command(subcommand)]
        what: Measurement,
    },
    /// Shows where time goes
    Profile {
        #[command(subcommand)]
        what: Profiled,
    },
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// The gateway beside nginx, haproxy, bare proxies and other gateways
    #[command(disable_help_flag = true)]
    Gateway(Passed),
    /// The gateway's instructions and allocations a request, against those stored
    #[command(disable_help_flag = true)]
    Guard(Passed),
    /// What a pick of the balancer costs, beside pingora's and tower's
    Pick {
        /// Count the instructions of picks in place of their time, and of no others
        #[arg(long)]
        instructions: bool,
    },
    /// How well the balancer balances, beside others, in virtual time; draws the plots of the docs
    Quality,
}

#[derive(Debug, Subcommand)]
enum Profiled {
    /// The gateway's hottest functions under load
    #[command(disable_help_flag = true)]
    Gateway(Passed),
}

#[derive(Args, Debug)]
struct Passed {
    /// Passed to the program that does it; `--help` asks it what it takes
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<OsString>,
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
        Command::Conformance { only, update } => {
            conformance::run(&workspace, only.as_deref(), *update)
        }
        Command::Fuzz { only, seconds } => fuzz::run(&workspace, only, *seconds),
        Command::Loom => chores::run_all(&workspace, &[Chore::Loom]),
        Command::Faults(passed) => faults::run(&workspace, &passed.arguments),
        Command::Kill(passed) => programs::run(&workspace, "kill", &passed.arguments),
        Command::Soak(passed) => programs::run(&workspace, "soak", &passed.arguments),
        Command::Hostile { requests, seed } => faults::run_malformed(&workspace, *requests, *seed),
        Command::Tidy => Ok(report::problems(&tidy::check(&workspace)?)),
        Command::Bench {
            what: Measurement::Gateway(passed),
        } => bench::run(&workspace, Measuring::Run, &passed.arguments),
        Command::Bench {
            what: Measurement::Guard(passed),
        } => bench::run(&workspace, Measuring::Guard, &passed.arguments),
        Command::Bench {
            what: Measurement::Pick { instructions },
        } => {
            let measured = if *instructions {
                Measured::Instructions
            } else {
                Measured::Pick
            };
            balancing::run(&workspace, measured)
        }
        Command::Bench {
            what: Measurement::Quality,
        } => balancing::run(&workspace, Measured::Quality),
        Command::Profile {
            what: Profiled::Gateway(passed),
        } => bench::run(&workspace, Measuring::Profile, &passed.arguments),
    }
}
