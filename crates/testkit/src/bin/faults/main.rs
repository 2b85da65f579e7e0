//! Holds a running gateway against the catalogue of faults, and prints it as a table.

mod asking;
mod cell;
mod heard;
mod hostile;
mod latency;
mod malformed;
mod row;
mod rows;
mod scenes;
mod table;
mod tls;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ai_gateway_testkit::Gateway;
use anyhow::Result;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::asking::{Form, Protocol};
use crate::cell::Cell;
use crate::scenes::Own;
use crate::table::Table;

/// Plays every fault of a target, plain and streamed, over HTTP/1.1 and HTTP/2, through a real
/// gateway.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask faults")]
struct Arguments {
    /// The gateway's program
    #[arg(long, value_name = "FILE")]
    gateway_server: PathBuf,
    /// A folder for the gateway's data; emptied first
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// How often each cell is played
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Plays only rows whose number or words hold this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Cells played at the same time
    #[arg(long, default_value_t = 12)]
    jobs: usize,
    /// Requests of hostile clients, after which no target may have lost anything
    #[arg(long, default_value_t = 0)]
    hostile: usize,
    /// Malformed requests on the wire; where there are any, nothing else is played
    #[arg(long, default_value_t = 0)]
    malformed: usize,
    /// What the malformed requests are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Failovers whose added time is measured
    #[arg(long, default_value_t = 0)]
    failovers: usize,
    /// Prints the catalogue as a table of Markdown, and plays nothing
    #[arg(long)]
    print: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            table::line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    let wanted = |row: &row::Row| {
        let only = arguments.only.as_deref().unwrap_or_default();
        row.id == only || row.what.contains(only)
    };
    let rows: Vec<_> = rows::all().into_iter().filter(wanted).collect();
    if arguments.print {
        table::line(&table::markdown(&rows));
        return Ok(true);
    }
    std::fs::remove_dir_all(&arguments.folder).ok();
    std::fs::create_dir_all(&arguments.folder)?;
    let (program, folder) = (&arguments.gateway_server, &arguments.folder);
    if arguments.malformed > 0 {
        let gateway = Gateway::start(program, folder, &malformed::LIMITS).await?;
        return malformed::attack(&Arc::new(gateway), arguments.malformed, arguments.seed).await;
    }
    let gateway = Gateway::run(command(program, folder)?).await?;
    let gateway = Arc::new(gateway);
    let table = play(arguments, &gateway, rows).await?;
    table.print();
    let mut is_good = table.is_good();
    if arguments.failovers > 0 {
        is_good &= latency::measure(&gateway, arguments.failovers).await?;
    }
    if arguments.hostile > 0 {
        is_good &= hostile::attack(&gateway, arguments.hostile).await?;
    }
    Ok(is_good)
}

/// A gateway that trusts the catalogue's authority and nobody else, and cuts slow clients soon.
fn command(program: &Path, folder: &Path) -> Result<Command> {
    let authority = folder.join("authority.pem");
    std::fs::write(&authority, tls::AUTHORITY)?;
    let mut command = Gateway::command(program, folder);
    command.env("SSL_CERT_FILE", authority);
    command.args(malformed::LIMITS);
    command.args(["--write-stall-timeout", "1"]);
    Ok(command)
}

/// Plays every cell as often as is asked for, a few at a time.
async fn play(arguments: &Arguments, gateway: &Arc<Gateway>, rows: Vec<row::Row>) -> Result<Table> {
    let mut cells = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        for form in [Form::Plain, Form::Stream] {
            for protocol in [Protocol::Http1, Protocol::Http2] {
                if row.expected(form).is_some() {
                    let row = row.clone();
                    cells.push((
                        place,
                        Cell {
                            row,
                            form,
                            protocol,
                        },
                    ));
                }
            }
        }
    }
    let own = Own {
        program: arguments.gateway_server.clone(),
        folder: arguments.folder.clone(),
    };
    let bar = bar(cells.len() * arguments.repeat, "cells");
    let slots = Arc::new(Semaphore::new(arguments.jobs.max(1)));
    let mut playing = JoinSet::new();
    let mut table = Table::new(rows);
    for round in 0..arguments.repeat {
        for (number, (place, cell)) in cells.iter().cloned().enumerate() {
            let slot = Arc::clone(&slots).acquire_owned().await?;
            let (gateway, own) = (Arc::clone(gateway), own.clone());
            let name = format!("r{round}-{number}");
            playing.spawn(async move {
                let played = cell.play(&gateway, &own, &name).await;
                drop(slot);
                (place, cell.form, cell.protocol, played)
            });
            while let Some(played) = playing.try_join_next() {
                let (place, form, protocol, played) = played?;
                bar.inc(1);
                table.note(place, form, protocol, played);
            }
        }
    }
    while let Some(played) = playing.join_next().await {
        let (place, form, protocol, played) = played?;
        bar.inc(1);
        table.note(place, form, protocol, played);
    }
    bar.finish_and_clear();
    Ok(table)
}

/// A bar over so many steps; hidden where nobody looks.
fn bar(steps: usize, of: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let template = "  {bar:40} {pos}/{len} {msg} {elapsed}, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(of)
}
