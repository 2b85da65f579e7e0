//! The open loop: requests are due at a fixed rate, whatever became of those before, and each
//! one's time counts from when it was due, so that a stall shows in full.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

use super::{Counters, FAULT_LIMIT, Tally, Traffic, Window, since_ns};
use crate::{clock, http1::Wire};

/// Sends `rate` requests a second over at most `connections` connections through `window`; calls
/// `edge` when counting begins and ends.
///
/// # Errors
///
/// When the timer fails; the peer's faults are counted.
pub(crate) async fn open(
    traffic: &Traffic,
    connections: usize,
    rate: u32,
    window: Window,
    mut edge: impl FnMut(),
) -> anyhow::Result<Tally> {
    let counters = Rc::new(Counters::new()?);
    let traffic = Rc::new(traffic.clone());
    let desk = Rc::new(Desk::default());
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (counters, traffic, desk) =
            (Rc::clone(&counters), Rc::clone(&traffic), Rc::clone(&desk));
        tasks.spawn_local(async move { serve(&traffic, &counters, &desk).await });
    }
    let period = Duration::from_secs(1) / rate.max(1);
    let mut ticker = Ticker::start(period);
    let warm_up_ticks = ticks(window.warm_up, period);
    let last = warm_up_ticks + ticks(window.measured, period);
    let (mut tick, mut start) = (0, clock::now());
    while tick < last && desk.due.borrow().len() < BACKLOG_LIMIT {
        for _ in 0..ticker.wait().await? {
            if tick == warm_up_ticks {
                edge();
                counters.is_counting.set(true);
                start = clock::now();
            }
            desk.due.borrow_mut().push_back(ticker.due_ns(tick));
            desk.ready.notify_one();
            tick += 1;
        }
    }
    let elapsed = start.elapsed();
    edge();
    counters.is_over.set(true);
    desk.ready.notify_waiters();
    let unsent = desk.due.borrow().len();
    if unsent > connections {
        counters.failed(&anyhow::anyhow!(
            "{unsent} requests still waited: the rate is too high"
        ));
    }
    while tasks.join_next().await.is_some() {}
    Ok(counters.tally(elapsed))
}

/// When requests are due that no connection has taken yet.
#[derive(Default)]
struct Desk {
    due: RefCell<VecDeque<u64>>,
    ready: Notify,
}

impl Desk {
    async fn take(&self, counters: &Counters) -> Option<u64> {
        loop {
            if counters.is_over.get() {
                return None;
            }
            let first = self.due.borrow_mut().pop_front();
            if first.is_some() {
                return first;
            }
            self.ready.notified().await;
        }
    }
}

async fn serve(traffic: &Traffic, counters: &Counters, desk: &Desk) {
    let mut faults = 0;
    while !counters.is_over.get() && faults < FAULT_LIMIT {
        if let Err(fault) = converse(traffic, counters, desk).await {
            counters.failed(&fault);
            faults += 1;
        }
    }
}

async fn converse(traffic: &Traffic, counters: &Counters, desk: &Desk) -> anyhow::Result<()> {
    let mut wire = Wire::connect(traffic.address).await?;
    while let Some(due_ns) = desk.take(counters).await {
        wire.write(&traffic.request).await?;
        traffic.expected.read(&mut wire, |_| {}).await?;
        counters.answered(since_ns(due_ns));
    }
    Ok(())
}

/// A periodic timer finer than the runtime's millisecond: a thread that sleeps from tick to tick.
struct Ticker {
    ticks: mpsc::UnboundedReceiver<u64>,
    start_ns: u64,
    period_ns: u64,
}

impl Ticker {
    /// Starts ticking; the thread ends by itself after the tick that follows the drop.
    fn start(period: Duration) -> Self {
        let (sender, ticks) = mpsc::unbounded_channel();
        let start_ns = clock::stamp_ns() + 1_000_000;
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        std::thread::spawn(move || {
            let mut at_ns = start_ns;
            while sender.send(at_ns).is_ok() {
                at_ns += period_ns;
                clock::sleep_until_ns(at_ns);
            }
        });
        Self {
            ticks,
            start_ns,
            period_ns,
        }
    }

    /// Waits for the next tick and returns how many have passed since the last wait.
    async fn wait(&mut self) -> anyhow::Result<u64> {
        self.ticks.recv().await.context("the ticker ended")?;
        let mut count = 1;
        while self.ticks.try_recv().is_ok() {
            count += 1;
        }
        Ok(count)
    }

    fn due_ns(&self, tick: u64) -> u64 {
        self.start_ns + tick * self.period_ns
    }
}

fn ticks(span: Duration, period: Duration) -> u64 {
    u64::try_from(span.as_nanos() / period.as_nanos().max(1)).unwrap_or(u64::MAX)
}

/// A peer this far behind will not catch up.
const BACKLOG_LIMIT: usize = 10_000;
