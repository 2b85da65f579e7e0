//! Connections that are only held open, for what each costs in memory.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::ensure;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::Traffic;
use crate::http1::Wire;

/// What the connections are held in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holds {
    /// Idle, each after one answer.
    Idle,
    /// In the midst of a stream that has begun.
    Streaming,
}

/// Opens `count` connections, a few at a time, waits `settle`, calls `look` while all are held, and
/// closes them.
///
/// # Errors
///
/// When one of them failed.
pub(crate) async fn held<T>(
    traffic: &Traffic,
    count: usize,
    holds: Holds,
    settle: Duration,
    look: impl FnOnce() -> T,
) -> anyhow::Result<T> {
    let begun = Rc::new((Cell::new(0_usize), Notify::new()));
    let traffic = Rc::new(traffic.clone());
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let (traffic, begun) = (Rc::clone(&traffic), Rc::clone(&begun));
        let count_one = move || {
            begun.0.set(begun.0.get() + 1);
            begun.1.notify_one();
        };
        tasks.spawn_local(async move { hold(&traffic, holds, count_one).await });
        if index % AT_ONCE == AT_ONCE - 1 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    while begun.0.get() < count {
        tokio::select! {
            () = begun.1.notified() => {}
            Some(ended) = tasks.join_next() => ended??,
        }
    }
    // Those that end too early show here.
    if let Ok(Some(ended)) = timeout(settle, tasks.join_next()).await {
        ended??;
    }
    ensure!(
        tasks.len() == count,
        "{} of {count} connections held",
        tasks.len()
    );
    let seen = look();
    tasks.shutdown().await;
    Ok(seen)
}

/// Brings one connection into its state, says so, and keeps it there until it is aborted.
async fn hold(traffic: &Traffic, holds: Holds, begun: impl FnOnce()) -> anyhow::Result<()> {
    let mut wire = Wire::connect(traffic.address).await?;
    wire.write(&traffic.request).await?;
    let mut begun = Some(begun);
    match holds {
        Holds::Idle => {
            traffic.expected.read(&mut wire, |_| {}).await?;
            if let Some(begun) = begun.take() {
                begun();
            }
            std::future::pending().await
        }
        Holds::Streaming => {
            traffic
                .expected
                .read(&mut wire, |_| {
                    if let Some(begun) = begun.take() {
                        begun();
                    }
                })
                .await?;
            Ok(())
        }
    }
}

/// Few enough for any listener's backlog.
const AT_ONCE: usize = 32;
