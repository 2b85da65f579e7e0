//! Measures the gateway and its peers side by side, in turns, on one machine.
//!
//! `cargo xtask bench gateway` builds and runs this; `docs/performance.md` says what the figures
//! are and shows a run.

mod cases;
mod clock;
mod document;
mod guard;
mod http1;
mod live;
mod load;
mod messages;
mod peers;
mod plot;
mod process;
mod profile;
mod provider;
mod report;
mod run;
mod samples;
mod terminal;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use tempfile::TempDir;

use crate::{
    guard::Then,
    load::Window,
    peers::{KNOWN, Peer, Setup, Size},
    process::{Core, Provider},
    run::{Plan, Run},
    samples::Record,
    terminal::Terminal,
};

/// Measures the gateway and its peers.
#[derive(Debug, Parser)]
#[command(name = "gateway-bench")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Measures all peers that are installed, in turns.
    Run(RunArgs),
    /// Prints the hottest functions of a peer, by perf.
    Profile {
        #[command(flatten)]
        place: Place,
        /// What load is put on.
        #[arg(long, default_value = "plain-1k-c64")]
        case: String,
        /// Which peer.
        #[arg(long, default_value = "gateway")]
        peer: String,
    },
    /// Counts instructions and allocations a request under callgrind, against a stored baseline.
    Guard {
        #[command(flatten)]
        place: Place,
        /// The stored costs.
        #[arg(long, default_value = "xtask/bench/baseline.json")]
        baseline: PathBuf,
        /// Makes what is measured the baseline.
        #[arg(long)]
        store: bool,
        /// Also prints so many of each part's hottest functions.
        #[arg(long, default_value_t = 0)]
        hottest: usize,
        /// A document to put the costs into, between `<!-- guard -->` and `<!-- /guard -->`.
        #[arg(long)]
        docs: Option<PathBuf>,
    },
    /// Prints the table of an earlier run, and draws its plots.
    Report {
        /// The run's JSON file.
        record: PathBuf,
        #[command(flatten)]
        shown: Shown,
    },
    /// Plays the provider until standard input ends.
    Provider,
}

#[derive(Args, Debug)]
struct Place {
    /// Where the binaries under test are.
    #[arg(long)]
    binaries: PathBuf,
    /// Where records go, and peers from package registries are installed.
    #[arg(long)]
    directory: PathBuf,
}

#[derive(Args, Debug)]
struct RunArgs {
    #[command(flatten)]
    place: Place,
    /// One round with short windows, about two minutes: without LiteLLM and Portkey, unless named.
    #[arg(long)]
    quick: bool,
    /// Rounds over all cases.
    #[arg(long)]
    rounds: Option<u32>,
    /// Only these peers.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// One more peer: its name, the port it listens on, and what starts it.
    #[arg(long = "peer", value_name = "NAME=PORT=COMMAND")]
    given: Vec<String>,
    /// Only cases whose names begin so; `rest` is start, size and memory.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
    /// Also measures the gateway with so many more upstreams and keys, such as 10000,100000.
    #[arg(long, value_name = "UPSTREAMS,KEYS", value_parser = size)]
    grown: Option<Size>,
    #[command(flatten)]
    shown: Shown,
}

/// Where a run is shown besides the terminal.
#[derive(Args, Debug)]
struct Shown {
    /// Where to draw the plots.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// A document to put the tables into, between `<!-- run -->` and `<!-- /run -->`.
    #[arg(long)]
    docs: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let is_well = match Cli::parse().chore {
        Chore::Run(args) => measure(&args)?,
        Chore::Profile { place, case, peer } => {
            let mut bench = Bench::start(&place)?;
            let peer = peers::known(&peer)?(&bench.setup)?;
            let both = (&bench.setup, &mut bench.provider);
            profile::profile(&peer, &case, both, (&place.directory, &bench.terminal))?;
            true
        }
        Chore::Guard {
            place,
            baseline,
            store,
            hottest,
            docs,
        } => {
            let mut bench = Bench::start(&place)?;
            let peer = peers::known("gateway")?(&bench.setup)?;
            let then = if store { Then::Store } else { Then::Compare };
            let both = (&bench.setup, &mut bench.provider);
            let counts = std::path::absolute(place.directory.join("callgrind"))?;
            let stored = (baseline.as_path(), then);
            let (costs, is_well) =
                guard::guard(&peer, both, stored, (&counts, hottest, &bench.terminal))?;
            if let Some(docs) = docs {
                document::put(&docs, "guard", &guard::table(&costs))?;
            }
            is_well
        }
        Chore::Report { record, shown } => {
            let record = serde_json::from_reader(File::open(record)?)?;
            show(&record, &shown, &Terminal::new())?;
            true
        }
        Chore::Provider => provider::run().map(|()| true)?,
    };
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What every chore that puts load on needs: the stand-in, and a folder for the peers' files that
/// is gone afterwards.
struct Bench {
    provider: Provider,
    setup: Setup,
    terminal: Terminal,
    _files: TempDir,
}

impl Bench {
    fn start(place: &Place) -> anyhow::Result<Self> {
        process::lift_file_limit();
        process::stay_on(Core::Second);
        fs::create_dir_all(&place.directory)?;
        let provider = Provider::start(Core::Second)?;
        let files = tempfile::tempdir()?;
        let setup = Setup {
            provider: provider.address,
            directory: files.path().to_path_buf(),
            installed: std::path::absolute(place.directory.join("peers"))?,
            binaries: std::path::absolute(&place.binaries)?,
        };
        Ok(Self {
            provider,
            setup,
            terminal: Terminal::new(),
            _files: files,
        })
    }
}

/// Answers whether all that was measured answered rightly.
fn measure(args: &RunArgs) -> anyhow::Result<bool> {
    let Bench {
        mut provider,
        setup,
        terminal,
        _files,
    } = Bench::start(&args.place)?;
    let mut record = Record {
        date: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%MZ")
            .to_string(),
        commit: commit(),
        machine: machine(),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        versions: BTreeMap::new(),
        skipped: BTreeMap::new(),
        faults: Vec::new(),
        samples: Vec::new(),
    };
    let peers = prepare(args, &setup, &mut record, &terminal)?;
    ensure!(!peers.is_empty(), "no peer to measure");
    let direct = peers::direct(provider.address);
    let large = match args.grown {
        Some(size) => {
            terminal.step("writing a large configuration");
            Some(peers::large(&setup, size)?)
        }
        None => None,
    };
    let measured = Run::new(plan(args), setup, &mut provider, &mut record, &terminal).measure(
        &direct,
        &peers,
        large.as_ref(),
    );
    let path = save(&record, &args.place.directory)?;
    measured?;
    show(&record, &args.shown, &terminal)?;
    terminal.note(&format!("numbers: {}", path.display()));
    for fault in &record.faults {
        terminal.note(&format!("fault: {fault}"));
    }
    Ok(record.faults.is_empty())
}

fn size(text: &str) -> anyhow::Result<Size> {
    let (upstreams, keys) = text.split_once(',').context("not UPSTREAMS,KEYS")?;
    Ok(Size {
        upstreams: upstreams.parse()?,
        keys: keys.parse()?,
    })
}

fn plan(args: &RunArgs) -> Plan {
    let (rounds, warm_up, measured, held) = if args.quick {
        (1, 300, 1000, 500)
    } else {
        (5, 500, 2000, 1000)
    };
    Plan {
        rounds: args.rounds.unwrap_or(rounds),
        window: Window {
            warm_up: Duration::from_millis(warm_up),
            measured: Duration::from_millis(measured),
        },
        held,
        only: args.cases.clone(),
    }
}

/// Sets up the peers asked for; what is missing is left out, with a word on how to get it.
fn prepare(
    args: &RunArgs,
    setup: &Setup,
    record: &mut Record,
    terminal: &Terminal,
) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (name, prepare) in KNOWN {
        let is_wanted = match args.peers.as_slice() {
            [] => !args.quick || !matches!(*name, "litellm" | "portkey"),
            wanted => wanted.iter().any(|wanted| wanted == name),
        };
        if !is_wanted {
            continue;
        }
        match prepare(setup) {
            Ok(peer) => {
                record
                    .versions
                    .insert(peer.name.clone(), peer.version.clone());
                peers.push(peer);
            }
            Err(missing) => {
                terminal.note(&format!("without {name}: {missing:#}"));
                record
                    .skipped
                    .insert((*name).to_owned(), format!("{missing:#}"));
            }
        }
    }
    for given in &args.given {
        peers.push(peers::given(given, setup)?);
    }
    Ok(peers)
}

fn show(record: &Record, shown: &Shown, terminal: &Terminal) -> anyhow::Result<()> {
    let text = report::text(record, "gateway");
    terminal.print(&text)?;
    if let Some(docs) = &shown.docs {
        document::put(docs, "run", &text)?;
    }
    match &shown.plots {
        Some(directory) => plot::draw(record, directory),
        None => Ok(()),
    }
}

fn save(record: &Record, directory: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let path = directory.join(format!("{}.json", record.date.replace(':', "")));
    serde_json::to_writer(File::create(&path)?, record)
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let mut commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    if git(&["status", "--porcelain", "-uno"]).is_some_and(|changes| !changes.is_empty()) {
        commit.push('+');
    }
    commit
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let models: Vec<&str> = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model)
        .collect();
    let kernel = read("/proc/sys/kernel/osrelease");
    let model = models.first().copied().unwrap_or("unknown processor");
    format!("{} × {model}, Linux {}", models.len(), kernel.trim())
}
