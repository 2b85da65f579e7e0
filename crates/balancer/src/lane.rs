//! A number for each thread, so that threads can keep out of each other's cache lines.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many lanes there are: a power of two. Threads beyond share them.
pub(crate) const LANES: usize = 8;

/// The lane of the thread that asks, below [`LANES`].
#[inline]
pub(crate) fn lane() -> usize {
    // A thread that ends may still pick, without a place to remember its lane.
    LANE.try_with(|lane| lane.get().unwrap_or_else(|| join(lane)))
        .unwrap_or(0)
        % LANES
}

#[cold]
fn join(lane: &Cell<Option<usize>>) -> usize {
    let mine = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
    lane.set(Some(mine));
    mine
}

thread_local! {
    static LANE: Cell<Option<usize>> = const { Cell::new(None) };
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A value with cache lines of its own; two, as processors fetch them by pairs.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Apart<V>(pub(crate) V);
