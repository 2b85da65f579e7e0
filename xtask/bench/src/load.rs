//! The load generator: closed and open loops, streams, and connections that are only held. Every
//! answer is checked for its status and for what it must contain.

mod closed;
mod held;
mod open;
mod streams;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    ops::RangeInclusive,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use tokio::{task::LocalSet, time::timeout};

use crate::{clock, http1::Wire, messages::Marks};

pub(crate) use self::{
    closed::closed,
    held::{Holds, held},
    open::open,
    streams::{Transits, streams},
};

/// Where requests go, what each says, and what every answer must be.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// The listener under test.
    pub(crate) address: SocketAddr,
    /// A whole request.
    pub(crate) request: Vec<u8>,
    /// What makes an answer right.
    pub(crate) expected: Expected,
}

/// What makes an answer right, besides the status 200.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The size of the decoded body, where it is known.
    pub(crate) bytes: Option<RangeInclusive<u64>>,
    /// Content events in it: 0 for a plain answer.
    pub(crate) events: u32,
}

/// How long to run before counting, and how long to count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) measured: Duration,
}

/// What a run saw in its window.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Answers that were right.
    pub(crate) answers: u64,
    /// Content events received.
    pub(crate) events: u64,
    /// The window's real length.
    pub(crate) elapsed: Duration,
    /// Time from when a request was due to the end of its answer, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// What went wrong, and how often, in the whole run.
    pub(crate) faults: BTreeMap<String, u64>,
}

/// The counters of a run in progress, shared by its connections.
struct Counters {
    answers: Cell<u64>,
    events: Cell<u64>,
    latency: RefCell<Histogram<u64>>,
    faults: RefCell<BTreeMap<String, u64>>,
    is_counting: Cell<bool>,
    is_over: Cell<bool>,
}

impl Counters {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            answers: Cell::new(0),
            events: Cell::new(0),
            latency: RefCell::new(histogram()?),
            faults: RefCell::new(BTreeMap::new()),
            is_counting: Cell::new(false),
            is_over: Cell::new(false),
        })
    }

    fn answered(&self, latency_ns: u64) {
        if self.is_counting.get() {
            self.answers.set(self.answers.get() + 1);
            self.latency.borrow_mut().saturating_record(latency_ns);
        }
    }

    fn failed(&self, fault: &anyhow::Error) {
        *self
            .faults
            .borrow_mut()
            .entry(format!("{fault:#}"))
            .or_default() += 1;
    }

    fn tally(&self, elapsed: Duration) -> Tally {
        Tally {
            answers: self.answers.get(),
            events: self.events.get(),
            elapsed,
            latency: self.latency.borrow().clone(),
            faults: self.faults.borrow().clone(),
        }
    }
}

impl Expected {
    /// Reads one answer from `wire` and checks it; `on_mark` gets the stamp of each event.
    async fn read(&self, wire: &mut Wire, mut on_mark: impl FnMut(u64)) -> anyhow::Result<u64> {
        let (mut bytes, mut events, mut marks) = (0_u64, 0_u32, Marks::default());
        let head = wire
            .read(|piece| {
                bytes += piece.len() as u64;
                if self.events > 0 {
                    marks.feed(piece, &mut |stamp| {
                        events += 1;
                        on_mark(stamp);
                    });
                }
            })
            .await?
            .context("closed before an answer")?;
        ensure!(head.status == 200, "status {}", head.status);
        ensure!(
            events == self.events,
            "{events} events instead of {}",
            self.events
        );
        if let Some(range) = &self.bytes {
            ensure!(
                range.contains(&bytes),
                "a body of {bytes} bytes, not {range:?}"
            );
        }
        ensure!(!wire.has_leftover(), "bytes behind the answer");
        if head.closes {
            bail!("the connection was closed after an answer");
        }
        Ok(bytes)
    }
}

/// Runs `work` on this thread, with a deadline that only a peer that hangs reaches.
///
/// # Errors
///
/// Those of `work`, and the deadline's passing.
pub(crate) fn run<T>(
    deadline: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bounded = async {
        timeout(deadline, work)
            .await
            .context("no end within the deadline")?
    };
    runtime.block_on(LocalSet::new().run_until(bounded))
}

/// Sends one request on a connection of its own and returns its answer's body.
///
/// # Errors
///
/// When the answer is not a complete 200.
pub(crate) async fn once(address: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut wire = Wire::connect(address).await?;
    wire.write(request).await?;
    let mut body = Vec::new();
    let head = wire.read(|piece| body.extend_from_slice(piece)).await?;
    let status = head.context("closed before an answer")?.status;
    let text = String::from_utf8_lossy(body.get(..body.len().min(400)).unwrap_or(&[]));
    ensure!(status == 200, "status {status}: {text}");
    Ok(body)
}

/// Sends exactly `count` requests, one after another on one connection.
///
/// # Errors
///
/// When an answer is not right.
pub(crate) async fn exactly(traffic: &Traffic, count: u32) -> anyhow::Result<()> {
    let mut wire = Wire::connect(traffic.address).await?;
    for _ in 0..count {
        wire.write(&traffic.request).await?;
        traffic.expected.read(&mut wire, |_| {}).await?;
    }
    Ok(())
}

/// Three significant digits from a microsecond to a minute.
fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?)
}

fn since_ns(start_ns: u64) -> u64 {
    clock::stamp_ns().saturating_sub(start_ns)
}

/// After so many faults a run ends early: the peer is broken, not slow.
const FAULT_LIMIT: u64 = 100;
