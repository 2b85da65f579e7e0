//! The rounds of a run: in each, every case puts its load on one peer after the other, so that what
//! the machine does besides meets all of them alike.

mod growth;
mod rest;

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, ensure};

use crate::{
    cases::{CASES, Case, Drive},
    live::{Launch, Live},
    load::{self, Tally, Traffic, Transits, Window},
    peers::{Peer, Setup},
    process::{Core, Provider},
    samples::{Record, Sample},
    terminal::Terminal,
};

/// How much to measure.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Rounds over all cases.
    pub(crate) rounds: u32,
    /// The window of each case.
    pub(crate) window: Window,
    /// Connections held open for their memory.
    pub(crate) held: usize,
    /// Case names to run; empty for all.
    pub(crate) only: Vec<String>,
}

impl Plan {
    /// Whether the case or cases named `id` are to run.
    fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| id.starts_with(only.as_str()))
    }
}

/// A run in progress.
pub(crate) struct Run<'a> {
    plan: Plan,
    setup: Setup,
    provider: &'a mut Provider,
    record: &'a mut Record,
    terminal: &'a Terminal,
    round: u32,
    /// Peers that take seconds to start, and have been measured at rest.
    settled: BTreeSet<String>,
    /// Peers that serve some hundred requests a second.
    slow: BTreeSet<String>,
}

impl<'a> Run<'a> {
    /// Prepares a run that adds to `record`.
    pub(crate) fn new(
        plan: Plan,
        setup: Setup,
        provider: &'a mut Provider,
        record: &'a mut Record,
        terminal: &'a Terminal,
    ) -> Self {
        Self {
            plan,
            setup,
            provider,
            record,
            terminal,
            round: 0,
            settled: BTreeSet::new(),
            slow: BTreeSet::new(),
        }
    }

    /// Measures `peers`, and the stand-in asked directly as the base of added times.
    ///
    /// A peer that does not start or answers wrongly becomes a fault of the record.
    ///
    /// # Errors
    ///
    /// When the stand-in is gone.
    pub(crate) fn measure(
        &mut self,
        direct: &Peer,
        peers: &[Peer],
        large: Option<&Peer>,
    ) -> anyhow::Result<()> {
        for round in 0..self.plan.rounds {
            self.round = round;
            if self.plan.wants("rest") {
                peers.iter().for_each(|peer| self.rest(peer));
            }
            let own = peers.iter().find(|peer| peer.name == "gateway");
            if let Some(own) = own.filter(|_| self.plan.wants("growth")) {
                self.growth(own, large);
            }
            let cases: Vec<Case> = CASES
                .iter()
                .filter(|case| self.plan.wants(case.id))
                .copied()
                .collect();
            let mut live = vec![Live::direct(direct)];
            if !cases.is_empty() {
                live.extend(peers.iter().filter_map(|peer| self.start(peer)));
            }
            for case in cases {
                self.terminal
                    .step(&format!("round {}: {}", round + 1, case.id));
                for one in &mut live {
                    self.measure_case(case, one);
                }
                self.add_times(case.id, peers);
            }
        }
        Ok(())
    }

    /// Starts `peer`, unless it fails to.
    fn start<'b>(&mut self, peer: &'b Peer) -> Option<Live<'b>> {
        match self.start_and_probe(peer) {
            Ok(live) => Some(live),
            Err(fault) => {
                self.fault(&peer.name, "start", &fault);
                None
            }
        }
    }

    /// Starts `peer` and finds out whether it is a slow one.
    fn start_and_probe<'b>(&mut self, peer: &'b Peer) -> anyhow::Result<Live<'b>> {
        let mut live = self.launch(peer)?;
        let case = CASES.first().context("no case")?;
        let traffic = live.traffic(*case, self.provider)?.context("no request")?;
        let window = Window {
            warm_up: Duration::from_millis(200),
            measured: Duration::from_millis(300),
        };
        let tally = load::run(DEADLINE, load::closed(&traffic, 16, window, || {}))?;
        if rate(tally.answers, tally.elapsed) < SLOW_RATE {
            self.slow.insert(peer.name.clone());
        }
        Ok(live)
    }

    fn launch<'b>(&mut self, peer: &'b Peer) -> anyhow::Result<Live<'b>> {
        let launch = Launch {
            directory: &self.setup.directory,
            core: Core::First,
            under: &[],
        };
        Live::launch(peer, self.provider, launch)
    }

    /// Runs `case` on one peer; what goes wrong becomes a fault of the record.
    fn measure_case(&mut self, case: Case, live: &mut Live<'_>) {
        let is_slow = self.slow.contains(&live.peer.name);
        let is_able = live.peer.can_stream || case.events() == 0;
        if !is_able || (is_slow && !case.includes_slow) {
            return;
        }
        let case = if is_slow { case.slowed() } else { case };
        let outcome = live
            .traffic(case, self.provider)
            .and_then(|traffic| match traffic {
                Some(traffic) => self.drive(case, live, &traffic),
                None => Ok(()),
            });
        if let Err(fault) = outcome {
            self.fault(&live.peer.name, case.id, &fault);
        }
    }

    fn drive(&mut self, case: Case, live: &Live<'_>, traffic: &Traffic) -> anyhow::Result<()> {
        let window = self.plan.window;
        let mut edges = Vec::new();
        let provider = &*self.provider;
        let edge = || edges.push((live.cpu(provider), own_cpu()));
        let (tally, transits) = match case.drive {
            Drive::Closed(connections) => {
                let work = load::closed(traffic, connections, window, edge);
                (load::run(DEADLINE, work)?, None)
            }
            Drive::Open(requests) => {
                let work = load::open(traffic, OPEN_CONNECTIONS, requests, window, edge);
                (load::run(DEADLINE, work)?, None)
            }
            Drive::Streams {
                streams,
                events,
                every,
            } => {
                let work = load::streams(traffic, (streams, every * events), window, edge);
                let (tally, transits) = load::run(DEADLINE, work)?;
                (tally, Some(transits))
            }
        };
        let [(before, own_before), (after, own_after)] = *edges.as_slice() else {
            anyhow::bail!("the window has {} edges", edges.len());
        };
        let name = live.peer.name.as_str();
        for (fault, count) in &tally.faults {
            self.record
                .faults
                .push(format!("{name} {}: {count} × {fault}", case.id));
        }
        ensure!(tally.answers > 0 || tally.events > 0, "no answer");
        let cpu = after.saturating_sub(before);
        let mut add = |figure: &str, value: f64| self.add(name, case.id, figure, value);
        add("busy", cpu.as_secs_f64() / tally.elapsed.as_secs_f64());
        let own = own_after.saturating_sub(own_before);
        add(
            "harness_busy",
            own.as_secs_f64() / tally.elapsed.as_secs_f64(),
        );
        match transits {
            None => add_answers(&tally, cpu, &mut add),
            Some(transits) => add_events(&tally, &transits, cpu, &mut add),
        }
        Ok(())
    }

    /// Adds each peer's times less those of asking the stand-in directly in the same round.
    fn add_times(&mut self, case: &str, peers: &[Peer]) {
        for figure in [
            "p50_us",
            "p99_us",
            "p999_us",
            "first_us",
            "event_p50_us",
            "event_p99_us",
        ] {
            let round = self.round;
            let at = |record: &Record, peer: &str| {
                let mut found = record.samples.iter().filter(|sample| {
                    (sample.round, &*sample.case, &*sample.figure) == (round, case, figure)
                });
                found
                    .find(|sample| sample.peer == peer)
                    .map(|sample| sample.value)
            };
            let Some(base) = at(self.record, "direct") else {
                continue;
            };
            for peer in peers {
                if let Some(value) = at(self.record, &peer.name) {
                    self.add(&peer.name, case, &format!("added_{figure}"), value - base);
                }
            }
        }
    }

    fn fault(&mut self, peer: &str, case: &str, fault: &anyhow::Error) {
        self.terminal.note(&format!("{peer} {case}: {fault:#}"));
        self.record.faults.push(format!("{peer} {case}: {fault:#}"));
    }

    fn add(&mut self, peer: &str, case: &str, figure: &str, value: f64) {
        self.record.samples.push(Sample {
            round: self.round,
            peer: peer.to_owned(),
            case: case.to_owned(),
            figure: figure.to_owned(),
            value,
        });
    }
}

fn add_answers(tally: &Tally, cpu: Duration, add: &mut impl FnMut(&str, f64)) {
    add("cpu_us", micros(cpu) / tally.answers as f64);
    add("rps", rate(tally.answers, tally.elapsed));
    for (figure, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
        add(
            figure,
            tally.latency.value_at_quantile(quantile) as f64 / 1000.0,
        );
    }
}

fn add_events(tally: &Tally, transits: &Transits, cpu: Duration, add: &mut impl FnMut(&str, f64)) {
    add(
        "cpu_us_per_1000",
        micros(cpu) / tally.events as f64 * 1000.0,
    );
    add("events_per_s", rate(tally.events, tally.elapsed));
    add(
        "first_us",
        transits.first.value_at_quantile(0.5) as f64 / 1000.0,
    );
    add(
        "event_p50_us",
        transits.event.value_at_quantile(0.5) as f64 / 1000.0,
    );
    add(
        "event_p99_us",
        transits.event.value_at_quantile(0.99) as f64 / 1000.0,
    );
}

fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

/// Processor time of this process.
fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// A case that has not ended by then hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Peers below this many requests a second take part in fewer cases, at a lower pace.
const SLOW_RATE: f64 = 1500.0;

/// Connections of the open loop; it opens no more when these are busy.
const OPEN_CONNECTIONS: usize = 64;
