//! Connections between two requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::socket::Socket;
use crate::lanes;

/// The connections of a pool that wait for their next request: those of each lane apart, since a
/// connection's socket wakes the lane that opened it; the last are of all other threads.
pub(super) struct Idle {
    stacks: Box<[Mutex<Stack>]>,
    /// Whether a task takes out the old ones.
    is_swept: AtomicBool,
}

/// The last one in is the first one out: so those that are not needed grow old.
type Stack = Vec<Parked>;

struct Parked {
    socket: Socket,
    since: Instant,
}

impl Parked {
    fn is_good(&mut self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < MAX_IDLE && self.socket.is_quiet()
    }
}

impl Idle {
    /// Room for the connections of so many lanes.
    pub(super) fn new(lanes: usize) -> Self {
        Self {
            stacks: (0..=lanes).map(|_| Mutex::default()).collect(),
            is_swept: AtomicBool::new(false),
        }
    }

    /// A connection that is still open, as far as is known.
    pub(super) fn take(&self) -> Option<Socket> {
        loop {
            let mut parked = self.own()?.pop()?;
            if parked.is_good(Instant::now()) {
                return Some(parked.socket);
            }
        }
    }

    /// Keeps a connection for the next request, if there is room for it.
    pub(super) fn put(self: &Arc<Self>, socket: Socket) {
        let since = Instant::now();
        let Some(mut stack) = self.own() else {
            return;
        };
        if stack.len() >= MAX_CONNECTIONS {
            return;
        }
        stack.push(Parked { socket, since });
        drop(stack);
        if self.is_swept.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(runtime) = Handle::try_current()
            && !self.is_swept.swap(true, Ordering::Relaxed)
        {
            // It ends with the pool, or once the pool is empty.
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Closes those that are too old or have been closed; answers whether any is left.
    fn trim(&self, now: Instant) -> bool {
        let mut left = 0;
        for stack in &self.stacks {
            let mut stack = lock(stack);
            stack.retain_mut(|parked| parked.is_good(now));
            left += stack.len();
        }
        left > 0
    }

    /// The connections of the current thread's lane.
    fn own(&self) -> Option<MutexGuard<'_, Stack>> {
        let lanes = self.stacks.len().saturating_sub(1);
        self.stacks.get(lanes::current(lanes)).map(lock)
    }
}

fn lock(stack: &Mutex<Stack>) -> MutexGuard<'_, Stack> {
    stack.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn sweep(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.trim(Instant::now()) {
            idle.is_swept.store(false, Ordering::Relaxed);
            // What came just before that saw no need for a task of its own.
            if !idle.trim(Instant::now()) || idle.is_swept.swap(true, Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Below the idle time after which providers close a connection.
const MAX_IDLE: Duration = Duration::from_secs(20);
/// Idle connections kept in one pool by one lane.
const MAX_CONNECTIONS: usize = 256;
/// How often those are looked for that are too old.
const SWEEP: Duration = Duration::from_secs(5);
