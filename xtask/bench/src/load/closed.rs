//! The closed loop: each connection sends its next request when it has the last one's answer.

use std::rc::Rc;

use tokio::{task::JoinSet, time::sleep};

use super::{Counters, FAULT_LIMIT, Tally, Traffic, Window, since_ns};
use crate::{clock, http1::Wire};

/// Runs `connections` connections through `window`; calls `edge` when counting begins and ends.
///
/// # Errors
///
/// None of the peer's making: those are counted.
pub(crate) async fn closed(
    traffic: &Traffic,
    connections: usize,
    window: Window,
    mut edge: impl FnMut(),
) -> anyhow::Result<Tally> {
    let counters = Rc::new(Counters::new()?);
    let traffic = Rc::new(traffic.clone());
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (counters, traffic) = (Rc::clone(&counters), Rc::clone(&traffic));
        tasks.spawn_local(async move { repeat(&traffic, &counters).await });
    }
    sleep(window.warm_up).await;
    edge();
    counters.is_counting.set(true);
    let start = clock::now();
    sleep(window.measured).await;
    counters.is_counting.set(false);
    let elapsed = start.elapsed();
    edge();
    counters.is_over.set(true);
    while tasks.join_next().await.is_some() {}
    Ok(counters.tally(elapsed))
}

/// Sends requests one after another, on a new connection after each fault.
async fn repeat(traffic: &Traffic, counters: &Counters) {
    let mut faults = 0;
    while !counters.is_over.get() && faults < FAULT_LIMIT {
        if let Err(fault) = converse(traffic, counters).await {
            counters.failed(&fault);
            faults += 1;
        }
    }
}

async fn converse(traffic: &Traffic, counters: &Counters) -> anyhow::Result<()> {
    let mut wire = Wire::connect(traffic.address).await?;
    while !counters.is_over.get() {
        let sent = clock::stamp_ns();
        wire.write(&traffic.request).await?;
        traffic.expected.read(&mut wire, |_| {}).await?;
        counters.answered(since_ns(sent));
    }
    Ok(())
}
