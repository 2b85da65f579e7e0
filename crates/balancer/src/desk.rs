//! Where threads pick: at one desk while they do not meet, else each at a desk of its own.
//!
//! A desk holds what a pick needs at hand, for one thread at a time; so that nothing in it needs to
//! be counted or locked piece by piece. Nobody waits for a desk: a thread that finds the front one
//! taken looks a few times more, which is nearly always enough, then goes to its own, and if that is
//! taken too, does without. A thread that met others again and again stays at its own for a while.

use std::sync::{Arc, OnceLock};

use crate::core::Snapshot;
use crate::lane::{Apart, LANES, lane};
use crate::node::Node;
use crate::sync::{AtomicU32, AtomicU64, Ordering, Swap, TryLock, TryLocked};

/// What a pick needs at hand.
pub(crate) struct Desk<T> {
    /// None until somebody picks here, and when another snapshot was made.
    snapshot: Option<Arc<Snapshot<T>>>,
    /// Which one it is.
    version: u64,
    seats: Seats<T>,
}

/// The seats of the threads of a lane, by the places of the snapshot's targets.
pub(crate) struct Seats<T>(Vec<Option<Arc<Node<T>>>>);

/// At which desk a pick is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// The one for threads that do not meet.
    Front,
    /// The one of a lane.
    Lane(usize),
    /// None: others may be there at the same time.
    Spare,
}

/// The desks of a balancer.
pub(crate) struct Desks<T> {
    front: Apart<TryLock<Desk<T>>>,
    /// None before threads met.
    lanes: OnceLock<Box<Lanes<T>>>,
    /// The number of the snapshot that picks are to use; from 1.
    version: AtomicU64,
}

type Lanes<T> = [Apart<Lane<T>>; LANES];

/// A desk that somebody has for himself.
pub(crate) type Taken<'a, T> = (TryLocked<'a, Desk<T>>, Way);

/// The desk of the threads of a lane.
pub(crate) struct Lane<T> {
    desk: TryLock<Desk<T>>,
    /// How often they met others lately.
    meetings: AtomicU32,
    /// How many more picks to make here before the front desk is tried again.
    stay: AtomicU32,
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        Self {
            snapshot: None,
            version: 0,
            seats: Seats(Vec::new()),
        }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            desk: TryLock::new(Desk::default()),
            meetings: AtomicU32::new(0),
            stay: AtomicU32::new(0),
        }
    }
}

impl<T> Desk<T> {
    /// The snapshot to pick from, once more from `newest` if it is not the one numbered `version`.
    #[inline]
    pub(crate) fn open(
        &mut self,
        version: u64,
        newest: &Swap<Snapshot<T>>,
    ) -> (&Snapshot<T>, &mut Seats<T>) {
        if self.version != version {
            self.snapshot = None;
            self.seats.0.clear();
            self.version = version;
        }
        let snapshot = self.snapshot.get_or_insert_with(|| newest.load_full());
        (snapshot, &mut self.seats)
    }
}

impl<T> Lane<T> {
    /// Whether its threads are to keep away from the front desk for this pick.
    #[inline]
    pub(crate) fn stays(&self) -> bool {
        let stay = self.stay.load(Ordering::Relaxed);
        if stay > 0 {
            self.stay.store(stay - 1, Ordering::Relaxed);
        }
        stay > 0
    }

    /// Its desk, if nobody is there.
    #[inline]
    pub(crate) fn desk(&self) -> Option<TryLocked<'_, Desk<T>>> {
        self.desk.try_lock()
    }

    /// Notes a pick that met nobody.
    #[inline]
    pub(crate) fn calm(&self) {
        let meetings = self.meetings.load(Ordering::Relaxed);
        if meetings > 0 {
            self.meetings.store(meetings - 1, Ordering::Relaxed);
        }
    }
}

impl<T> Seats<T> {
    /// The seat of the threads of `lane` at the target at `place` of `nodes`.
    #[inline]
    pub(crate) fn at(
        &mut self,
        lane: usize,
        place: u32,
        nodes: &[Arc<Node<T>>],
    ) -> Option<&Arc<Node<T>>> {
        if self.0.len() < nodes.len() {
            self.0.resize(nodes.len(), None);
        }
        match self.0.get_mut(place as usize)? {
            Some(seat) => Some(seat),
            empty => {
                let node = nodes.get(place as usize)?;
                let gate = node.state.gate_of(lane)?;
                Some(empty.insert(Arc::new(node.of_lane(gate))))
            }
        }
    }
}

impl<T> Desks<T> {
    pub(crate) fn new() -> Self {
        Self {
            front: Apart(TryLock::new(Desk::default())),
            lanes: OnceLock::new(),
            version: AtomicU64::new(1),
        }
    }

    /// The front desk, if nobody is there.
    #[inline]
    pub(crate) fn front(&self) -> Option<TryLocked<'_, Desk<T>>> {
        self.front.0.try_lock()
    }

    /// The lane of the thread that asks, and its number; none before threads met.
    #[inline]
    pub(crate) fn own(&self) -> Option<(&Lane<T>, usize)> {
        let lanes = self.lanes.get()?;
        let lane = lane();
        Some((&lanes.get(lane)?.0, lane))
    }

    /// Where to go when the front desk is taken.
    #[cold]
    pub(crate) fn meet(&self) -> Option<Taken<'_, T>> {
        let lanes = self.lanes.get_or_init(Box::default);
        let lane = lane();
        let own = &lanes.get(lane)?.0;
        let meetings = own.meetings.load(Ordering::Relaxed) + MEETING;
        own.meetings.store(meetings, Ordering::Relaxed);
        if meetings >= OFTEN {
            own.meetings.store(OFTEN - MEETING, Ordering::Relaxed);
            own.stay.store(STAY, Ordering::Relaxed);
        } else {
            for _ in 0..LOOKS {
                std::hint::spin_loop();
                if let Some(desk) = self.front() {
                    return Some((desk, Way::Front));
                }
            }
        }
        own.desk().map(|desk| (desk, Way::Lane(lane)))
    }

    /// The number of the snapshot that picks are to use.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Says that there is another snapshot, and takes the old one away from the desks.
    ///
    /// A desk where somebody picks all the while keeps the old one until the next pick there.
    pub(crate) fn renew(&self) {
        self.version.fetch_add(1, Ordering::Release);
        let lanes = self.lanes.get().into_iter().flat_map(|lanes| lanes.iter());
        for desk in lanes.map(|lane| &lane.0.desk).chain([&self.front.0]) {
            for _ in 0..LOOKS {
                if let Some(mut desk) = desk.try_lock() {
                    let old = (desk.snapshot.take(), std::mem::take(&mut desk.seats.0));
                    drop(desk);
                    drop(old);
                    break;
                }
                std::hint::spin_loop();
            }
        }
    }
}

/// How often to look whether a desk that is taken is free again.
const LOOKS: u32 = 32;
/// What a meeting counts, of which each pick without one takes off 1.
const MEETING: u32 = 8;
/// From how much of that on a thread stays away from the front desk.
const OFTEN: u32 = 64;
/// For how many picks.
const STAY: u32 = 4096;
