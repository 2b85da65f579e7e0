//! Kills a gateway again and again while its configuration is written, and looks for what is lost.

mod slots;
mod stored;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ai_gateway_testkit::{Client, Gateway};
use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Parser;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::slots::{Slots, Write, upstream};
use crate::stored::{UPSTREAMS, stored};

/// Writes on the Admin API, kills the gateway with `kill -9` at a random moment, starts it again, and
/// holds what is stored against what was acknowledged.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask kill")]
struct Arguments {
    /// The gateway's program
    #[arg(long, value_name = "FILE")]
    gateway_server: PathBuf,
    /// A folder for the gateway's data; emptied first
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// How often it is killed
    #[arg(long, default_value_t = 100)]
    times: usize,
    /// Clients that write at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=12))]
    writers: u8,
    /// Where the random moments and writes begin, to have them again; by default where nobody knows
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What happened so far.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    /// Writes under way at a kill that were there afterwards, and those that were not.
    kept: u64,
    dropped: u64,
    starts: Vec<Duration>,
    faults: Vec<String>,
}

async fn run(arguments: &Arguments) -> Result<bool> {
    std::fs::remove_dir_all(&arguments.folder).ok();
    std::fs::create_dir_all(&arguments.folder)?;
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let numbers = Arc::new(AtomicU64::new(1));
    let writers = usize::from(arguments.writers);
    let mut slots: Vec<_> = (0..writers)
        .map(|writer| Slots::new(writer, SLOTS))
        .collect();
    let mut tally = Tally::default();
    let bar = bar(arguments.times);
    let binary = &arguments.gateway_server;
    let mut gateway = Gateway::start(binary, &arguments.folder, &[]).await?;
    for time in 1..=arguments.times {
        let mut writing = JoinSet::new();
        for slots in slots.drain(..) {
            let (admin, numbers) = (gateway.admin.clone(), Arc::clone(&numbers));
            writing.spawn(write(admin, slots, numbers, random.fork()));
        }
        sleep(Duration::from_micros(random.u64(..LONGEST_MICROS))).await;
        gateway.program.kill().await?;
        for written in writing.join_all().await {
            let written = written.with_context(|| format!("before kill {time}"))?;
            tally.acknowledged += written.acknowledged;
            slots.push(written.slots);
        }
        let started = Gateway::start(binary, &arguments.folder, &[]).await;
        gateway = started.with_context(|| format!("no start after kill {time}, seed {seed}"))?;
        tally.starts.push(gateway.took);
        check(&gateway, &mut slots, time, &mut tally).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    gateway.program.kill().await?;
    print(arguments, seed, &mut tally);
    Ok(tally.faults.is_empty())
}

/// What a writer had done when the gateway died.
struct Written {
    slots: Slots,
    acknowledged: u64,
}

/// Writes, one after the other, until the gateway is gone.
async fn write(
    admin: Client,
    mut slots: Slots,
    numbers: Arc<AtomicU64>,
    mut random: fastrand::Rng,
) -> Result<Written> {
    let mut acknowledged = 0;
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let chance = random.usize(..1_000_000);
        let write = slots.begin(chance, number).context("no upstreams")?;
        let Ok((status, text)) = send(&admin, &write).await else {
            break;
        };
        if !(200..300).contains(&status) {
            bail!("{write:?} was refused: {status} {text}");
        }
        slots.acknowledge();
        acknowledged += 1;
    }
    Ok(Written {
        slots,
        acknowledged,
    })
}

async fn send(admin: &Client, write: &Write) -> Result<(u16, String)> {
    let answered = match write {
        Write::Create { name, number } => admin.post(UPSTREAMS, &upstream(name, *number)).await?,
        Write::Change { name, number } => {
            let body = Bytes::from(upstream(name, *number).to_string());
            let path = format!("{UPSTREAMS}/{name}");
            admin.send(Method::PUT, &path, body).await?
        }
        Write::Delete { name } => {
            let path = format!("{UPSTREAMS}/{name}");
            admin.send(Method::DELETE, &path, Bytes::new()).await?
        }
    };
    Ok((answered.status, answered.text()))
}

async fn check(
    gateway: &Gateway,
    slots: &mut [Slots],
    time: usize,
    tally: &mut Tally,
) -> Result<()> {
    let stored = stored(gateway).await?;
    let mut faults = Vec::new();
    for slots in slots {
        match slots.check(&stored, &mut faults) {
            Some(true) => tally.kept += 1,
            Some(false) => tally.dropped += 1,
            None => {}
        }
    }
    let faults = faults.into_iter();
    tally
        .faults
        .extend(faults.map(|fault| format!("kill {time}: {fault}")));
    Ok(())
}

fn print(arguments: &Arguments, seed: u64, tally: &mut Tally) {
    tally.starts.sort_unstable();
    let quantile = |percent: usize| {
        let place = (tally.starts.len() * percent / 100).min(tally.starts.len().saturating_sub(1));
        let start = tally.starts.get(place).copied().unwrap_or_default();
        start.as_secs_f64() * 1000.0
    };
    line(&format!(
        "{} kills of {} writers: {} writes acknowledged; of those under way {} were there and {} not; \
         {} faults",
        arguments.times,
        arguments.writers,
        tally.acknowledged,
        tally.kept,
        tally.dropped,
        tally.faults.len()
    ));
    line(&format!(
        "from start to ready: p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms",
        quantile(50),
        quantile(99),
        quantile(100)
    ));
    for fault in tally.faults.iter().take(SHOWN) {
        line(&format!("fault: {fault}"));
    }
    if !tally.faults.is_empty() {
        line(&format!("the same moments again: --seed {seed}"));
    }
}

fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    let template = "  {bar:40} {pos}/{len} kills {elapsed}, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Prints one line. A reader that is gone is no reason to stop.
fn line(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// The upstreams of each writer.
const SLOTS: usize = 6;
/// How long it is written at most before a kill.
const LONGEST_MICROS: u64 = 300_000;
/// The faults that are printed.
const SHOWN: usize = 20;
