//! Holds a gateway under load for long, and looks for what is lost, mixed up, leaked or told.

mod canaries;
mod crosstalk;
mod crowd;
mod line;
mod origin;
mod reload;
mod screen;
mod streams;
mod tale;
mod teller;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::screen::line;

/// Holds streams through a real gateway, leaves requests at random moments, changes the
/// configuration meanwhile, and looks for secrets wherever the gateway writes.
///
/// Without `--only` it does all four, one after the other, each with a gateway of its own, and fails
/// when anything was lost, mixed up, leaked or told. Ctrl-C ends it with all that it started.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask soak")]
struct Arguments {
    /// The gateway's program
    #[arg(long, value_name = "FILE")]
    gateway_server: PathBuf,
    /// A folder for the gateways' data; emptied first
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Does only this part; repeatable
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Streams that are held at the same time, half of them over HTTP/1.1 and half over HTTP/2
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(2..=50_000))]
    streams: u32,
    /// How long all of them are held
    #[arg(long, default_value_t = 10.0, value_name = "MINUTES", value_parser = minutes)]
    minutes: f64,
    /// Requests of which some are left, each with a mark of its own
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Requests at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(2..=2_000))]
    at_once: u16,
    /// Writes of the configuration under load
    #[arg(long, default_value_t = 1_000)]
    writes: u64,
    /// What is random begins here: the same seed, the same requests; by default where nobody knows
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Part {
    /// Many streams at the same time, every byte held against what was told
    Streams,
    /// Answers that reach another request than their own
    Crosstalk,
    /// Changes of the configuration while streams and requests are under way
    Reload,
    /// Secrets in logs, answers, metrics and files
    Canaries,
}

impl Part {
    const ALL: [Self; 4] = [Self::Streams, Self::Crosstalk, Self::Reload, Self::Canaries];

    fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Crosstalk => "crosstalk",
            Self::Reload => "reload",
            Self::Canaries => "canaries",
        }
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: Option<f64> = text.parse().ok();
    minutes
        .filter(|minutes| (0.01..=1_440.0).contains(minutes))
        .ok_or_else(|| "a number of minutes from 0.01 to 1440, such as 10 or 0.5".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Dropping the run kills the gateway and closes every connection.
    let ended = tokio::select! {
        ended = run(&arguments) => ended,
        _ = tokio::signal::ctrl_c() => {
            line("interrupted");
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    std::fs::remove_dir_all(&arguments.folder).ok();
    raise_open_files();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let parts = if arguments.only.is_empty() {
        Part::ALL.to_vec()
    } else {
        arguments.only.clone()
    };
    let mut bad = Vec::new();
    for part in parts {
        let folder = arguments.folder.join(part.name());
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let stage = Stage {
            program: &arguments.gateway_server,
            folder: &folder,
            seed,
        };
        line(part.name());
        let is_good = match part {
            Part::Streams => streams::run(stage, arguments.streams, arguments.minutes).await,
            Part::Crosstalk => {
                crosstalk::run(stage, arguments.requests, arguments.at_once.into()).await
            }
            Part::Reload => reload::run(stage, arguments.writes).await,
            Part::Canaries => canaries::run(stage).await,
        };
        let is_good = is_good.unwrap_or_else(|error| {
            line(&format!("  error: {error:#}"));
            false
        });
        if !is_good {
            bad.push(part.name());
        }
    }
    if !bad.is_empty() {
        line(&format!(
            "failed: {}; the same again: --seed {seed}",
            bad.join(", ")
        ));
    }
    Ok(bad.is_empty())
}

/// Where a part plays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage<'a> {
    /// The gateway's program.
    program: &'a std::path::Path,
    /// An empty folder.
    folder: &'a std::path::Path,
    seed: u64,
}

/// Allows as many open files as the system lets this process have; the gateway inherits it.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        line(&format!("the limit of open files stays as it is: {error}"));
    }
}
