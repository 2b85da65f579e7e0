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

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use crate::{Algorithm, Balancer, Lease, OnExhausted, Plan, State, Target};

    fn by_turns(weights: &[u32]) -> Balancer<()> {
        let targets = weights.iter().enumerate();
        let targets = targets.map(|(n, &weight)| Target::new(format!("t{n}"), ()).weight(weight));
        let builder = Balancer::builder("desks").algorithm(Algorithm::Weighted);
        builder.targets(targets).build().unwrap()
    }

    /// Picks while somebody else sits at the front desk: after a few meetings, in the lane.
    fn picks_in_a_lane(balancer: &Balancer<()>, picks: usize) -> Vec<Lease<()>> {
        let _somebody = balancer.core.desks.front().unwrap();
        (0..picks).map(|_| balancer.pick().unwrap()).collect()
    }

    fn in_flight(balancer: &Balancer<()>) -> Vec<u32> {
        let views = balancer.snapshot();
        views.iter().map(|view| view.in_flight).collect()
    }

    fn is_spread(balancer: &Balancer<()>, id: &str) -> bool {
        let node = balancer.core.node(id).unwrap();
        node.state.gate.glance().is_spread()
    }

    #[test]
    fn a_thread_that_meets_others_again_and_again_enters_by_gates_of_its_own() {
        let balancer = by_turns(&[1, 1]);
        let front = balancer.pick().unwrap();
        assert!(!is_spread(&balancer, "t0"));
        let leases = picks_in_a_lane(&balancer, 40);
        assert!(is_spread(&balancer, "t0") && is_spread(&balancer, "t1"));
        assert_eq!(in_flight(&balancer).iter().sum::<u32>(), 41);
        let picks: u64 = balancer.snapshot().iter().map(|view| view.picks).sum();
        assert_eq!(picks, 41);
        drop((front, leases));
        assert_eq!(in_flight(&balancer), [0, 0]);
        // Its desk is given up with each snapshot, and its gates with the next.
        balancer.disable("t1");
        balancer.enable("t1");
        assert!(!is_spread(&balancer, "t0"));
        (0..4).for_each(|_| drop(balancer.pick()));
        let picks: u64 = balancer.snapshot().iter().map(|view| view.picks).sum();
        assert_eq!(picks, 45, "none is forgotten with the gates");
    }

    #[test]
    fn a_drain_waits_for_the_requests_of_every_gate() {
        let balancer = by_turns(&[1]);
        let front = balancer.pick().unwrap();
        let mut leases = picks_in_a_lane(&balancer, 40);
        balancer.drain("t0", None);
        assert!(balancer.pick().is_err(), "by no gate");
        let last = leases.pop();
        drop((front, leases));
        assert_eq!(balancer.snapshot()[0].state(), State::Draining);
        drop(last);
        assert_eq!(balancer.snapshot()[0].state(), State::Disabled);
    }

    #[test]
    fn a_bound_that_comes_later_counts_the_requests_of_every_gate() {
        let balancer = by_turns(&[1]);
        let mut leases = picks_in_a_lane(&balancer, 40);
        let bound = |algorithm| {
            let plan = Plan::new().algorithm(algorithm);
            let plan = plan.on_exhausted(OnExhausted::FailClosed);
            plan.target(Target::new("t0", ()).max_in_flight(40))
        };
        for algorithm in [Algorithm::LeastConnections, Algorithm::Weighted] {
            balancer.update(bound(algorithm)).unwrap();
            assert!(balancer.pick().is_err(), "it is full");
            leases.pop();
            leases.push(balancer.pick().unwrap());
            assert!(balancer.pick().is_err(), "it is full again");
        }
    }

    #[test]
    fn those_who_walk_on_their_own_stay_within_two_turns_of_the_ideal() {
        let weights = [70, 30, 1, 7];
        let balancer = by_turns(&weights);
        let mut picks = 0_u32;
        for round in 0..200 {
            drop(picks_in_a_lane(&balancer, 13 + round % 7));
            (0..5).for_each(|_| drop(balancer.pick()));
            picks += 18 + u32::try_from(round % 7).unwrap();
            for (view, weight) in balancer.snapshot().iter().zip(weights) {
                let due = f64::from(weight) * f64::from(picks) / 108.0;
                #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
                let off = (view.picks as f64 - due).abs();
                assert!(off < 3.0, "{} is off by {off} after {picks}", view.id);
            }
        }
    }
}
