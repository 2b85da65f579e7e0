//! Streams: a number of them at once, each followed by the next, and every event timed by the mark
//! that the stand-in put in it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use hdrhistogram::Histogram;
use tokio::{task::JoinSet, time::sleep};

use super::{Counters, FAULT_LIMIT, Tally, Traffic, Window, histogram, since_ns};
use crate::{clock, http1::Wire};

/// How long events were on their way, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Transits {
    /// From a request's sending to its first content event.
    pub(crate) first: Histogram<u64>,
    /// From the stand-in's writing of an event to its arrival, the first ones left out.
    pub(crate) event: Histogram<u64>,
}

/// Keeps `streams` streams going through `window`, started evenly over `spread`; calls `edge` when
/// counting begins and ends.
///
/// # Errors
///
/// None of the peer's making: those are counted.
pub(crate) async fn streams(
    traffic: &Traffic,
    (streams, spread): (u32, Duration),
    window: Window,
    mut edge: impl FnMut(),
) -> anyhow::Result<(Tally, Transits)> {
    let counters = Rc::new(Counters::new()?);
    let transits = Transits {
        first: histogram()?,
        event: histogram()?,
    };
    let transits = Rc::new(RefCell::new(transits));
    let traffic = Rc::new(traffic.clone());
    let mut tasks = JoinSet::new();
    for index in 0..streams {
        let (counters, traffic, transits) = (
            Rc::clone(&counters),
            Rc::clone(&traffic),
            Rc::clone(&transits),
        );
        tasks.spawn_local(async move {
            sleep(spread * index / streams.max(1)).await;
            repeat(&traffic, &counters, &transits).await;
        });
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
    let seen = transits.borrow();
    let transits = Transits {
        first: seen.first.clone(),
        event: seen.event.clone(),
    };
    Ok((counters.tally(elapsed), transits))
}

async fn repeat(traffic: &Traffic, counters: &Counters, transits: &RefCell<Transits>) {
    let mut faults = 0;
    while !counters.is_over.get() && faults < FAULT_LIMIT {
        if let Err(fault) = converse(traffic, counters, transits).await {
            counters.failed(&fault);
            faults += 1;
        }
    }
}

async fn converse(
    traffic: &Traffic,
    counters: &Counters,
    transits: &RefCell<Transits>,
) -> anyhow::Result<()> {
    let mut wire = Wire::connect(traffic.address).await?;
    while !counters.is_over.get() {
        let sent = clock::stamp_ns();
        wire.write(&traffic.request).await?;
        let mut is_first = true;
        traffic
            .expected
            .read(&mut wire, |stamp| {
                if counters.is_counting.get() {
                    counters.events.set(counters.events.get() + 1);
                    let mut transits = transits.borrow_mut();
                    if is_first {
                        transits.first.saturating_record(since_ns(sent));
                    } else {
                        transits.event.saturating_record(since_ns(stamp));
                    }
                }
                is_first = false;
            })
            .await?;
        counters.answered(since_ns(sent));
    }
    Ok(())
}
