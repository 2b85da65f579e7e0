//! Where the gateway's time goes: its hottest functions while one case runs.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, ensure};

use crate::{
    cases::{CASES, Case, Drive},
    live::{Launch, Live},
    load::{self, Traffic, Window},
    peers::{Peer, Setup},
    process::{Core, Group, Provider},
    terminal::Terminal,
};

/// Samples `peer` for five seconds while `case` runs, and prints what perf found.
///
/// # Errors
///
/// When perf is not installed, or the peer does not answer.
pub(crate) fn profile(
    peer: &Peer,
    case: &str,
    (setup, provider): (&Setup, &mut Provider),
    (directory, terminal): (&Path, &Terminal),
) -> anyhow::Result<()> {
    let named = CASES.iter().find(|known| known.id == case);
    let case = *named.with_context(|| {
        let names: Vec<&str> = CASES.iter().map(|case| case.id).collect();
        format!("no case {case}; there are {}", names.join(", "))
    })?;
    let launch = Launch {
        directory: &setup.directory,
        core: Core::First,
        under: &[],
    };
    let mut live = Live::launch(peer, provider, launch)?;
    let traffic = live
        .traffic(case, provider)?
        .context("the peer does not do this")?;
    let samples = directory.join(format!("{}-{}.perf", peer.name, case.id));
    let pid = live.group.as_ref().context("no process")?.id().to_string();
    let command = [
        "perf",
        "record",
        "--quiet",
        "-e",
        "cpu-clock",
        "-F",
        "2999",
        "-p",
        &pid,
        "-o",
        &samples.display().to_string(),
        "--",
        "sleep",
        "5",
    ]
    .map(str::to_owned);
    let log = setup.directory.join("perf.log");
    let mut perf = None;
    drive(case, &traffic, || {
        if perf.is_none() {
            perf = Some(Group::start(&command, Core::Second, &log));
        }
    })?;
    let mut perf = perf.context("the case did not begin")??;
    ensure!(
        perf.ends_within(Duration::from_secs(10)),
        "perf did not end"
    );
    Ok(terminal.print(&hottest(&samples)?)?)
}

/// The functions that most samples fell into, the hottest first.
fn hottest(samples: &Path) -> anyhow::Result<String> {
    let mut report = Command::new("perf");
    report.args(["report", "--stdio", "--no-children", "--sort", "dso,symbol"]);
    report.args(["--percent-limit", "0.4", "-i"]).arg(samples);
    let output = report
        .output()
        .context("perf is missing: apt-get install -y linux-perf")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let lines: Vec<&str> = lines.take(LINES).collect();
    ensure!(
        !lines.is_empty(),
        "perf found nothing: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(lines.join("\n") + "\n")
}

fn drive(case: Case, traffic: &Traffic, edge: impl FnMut()) -> anyhow::Result<()> {
    let window = Window {
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(6),
    };
    let limit = Duration::from_secs(60);
    let tally = match case.drive {
        Drive::Closed(connections) => {
            load::run(limit, load::closed(traffic, connections, window, edge))?
        }
        Drive::Open(rate) => load::run(limit, load::open(traffic, 64, rate, window, edge))?,
        Drive::Streams {
            streams,
            events,
            every,
        } => {
            load::run(
                limit,
                load::streams(traffic, (streams, every * events), window, edge),
            )?
            .0
        }
    };
    ensure!(tally.faults.is_empty(), "faults: {:?}", tally.faults);
    Ok(())
}

/// Functions shown.
const LINES: usize = 60;
