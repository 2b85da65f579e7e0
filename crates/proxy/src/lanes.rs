//! Threads that serve connections, each with a runtime of its own: what belongs to a connection
//! stays on one core, and no task is stolen or woken from another.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Threads for connections. A clone is the same threads; they end when the last one is dropped,
/// with the connections that they still serve.
#[derive(Clone, Debug)]
pub struct Lanes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lanes: Vec<Lane>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Lane {
    runtime: Handle,
    load: Arc<Load>,
}

/// How many connections a lane serves.
#[derive(Debug, Default)]
struct Load(AtomicUsize);

impl Lanes {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    ///
    /// The system has no thread or no descriptor left.
    pub fn start(count: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let mut lanes = Vec::new();
        for number in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            lanes.push(Lane {
                runtime: runtime.handle().clone(),
                load: Arc::default(),
            });
            let end = end.clone();
            thread::Builder::new()
                .name(format!("lane-{number}"))
                .spawn(move || {
                    NUMBER.set(number);
                    runtime.block_on(end.cancelled());
                })?;
        }
        Ok(Self(Arc::new(Shared {
            lanes,
            _end: end.drop_guard(),
        })))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lanes.len()
    }

    /// What each of them runs on.
    pub fn runtimes(&self) -> impl Iterator<Item = &Handle> {
        self.0.lanes.iter().map(|lane| &lane.runtime)
    }

    /// Runs a connection's future on the lane that serves the fewest.
    pub(crate) fn spawn<F>(&self, tracker: &TaskTracker, connection: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let idlest = self.0.lanes.iter().min_by_key(|lane| lane.load.get());
        let Some(lane) = idlest else {
            // There is at least one.
            return tracker.spawn(connection);
        };
        let place = Place::take(&lane.load);
        tracker.spawn_on(
            async move {
                connection.await;
                drop(place);
            },
            &lane.runtime,
        )
    }
}

impl Load {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection's part of the load of its lane.
struct Place(Arc<Load>);

impl Place {
    fn take(load: &Arc<Load>) -> Self {
        load.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The number of the lane that runs on this thread, from 0; one more than any where none does.
pub(crate) fn current(count: usize) -> usize {
    NUMBER.get().min(count)
}

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_spread_over_the_lanes_and_stay_there() {
        let lanes = Lanes::start(3).unwrap();
        let tracker = TaskTracker::new();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let hold = CancellationToken::new();
        for _ in 0..6 {
            let (tell, hold) = (tell.clone(), hold.clone());
            lanes.spawn(&tracker, async move {
                let before = current(3);
                tokio::task::yield_now().await;
                tell.send((before, current(3))).unwrap();
                hold.cancelled().await;
            });
        }
        let mut served = [0; 3];
        for _ in 0..6 {
            let (before, after) = told.recv().await.unwrap();
            assert_eq!(before, after);
            served[before] += 1;
        }
        assert_eq!(served, [2, 2, 2]);
        hold.cancel();
        tracker.close();
        tracker.wait().await;
        assert!(lanes.0.lanes.iter().all(|lane| lane.load.get() == 0));
        assert_eq!(current(3), 3, "no lane runs here");
    }

    #[tokio::test]
    async fn without_lanes_nothing_is_served_any_more() {
        let lanes = Lanes::start(1).unwrap();
        let tracker = TaskTracker::new();
        lanes.spawn(&tracker, std::future::pending());
        tracker.close();
        drop(lanes);
        tracker.wait().await;
    }
}
