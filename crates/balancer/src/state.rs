//! What is known of a target, whatever its configuration: kept over updates, by its name.

use std::sync::Arc;
use std::task::Waker;

use ai_gateway_health::{
    Event, Machine, Moment, ProbeToken, Reason, Role, Settings, Standing, State, Transition,
};

use crate::load::Load;
use crate::random::hash;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// What is known of one target.
pub(crate) struct TargetState {
    /// All that a pick must know, in one word, so that letting a request in, taking it out and
    /// beginning a drain have one order for everybody: the last 8 bits of the number of entries,
    /// 24 bits of the machine's epoch, 8 flags, and 24 bits of requests in flight.
    word: AtomicU64,
    serial: u32,
    pub(crate) load: Load,
    /// Entries, but for those that the word counts.
    entries: AtomicU64,
    /// How many of the entries were refused.
    refused: AtomicU64,
    /// The most picks that anybody was told of.
    told: AtomicU64,
    /// When it was last taken for want of anything better, in nanoseconds.
    last_resort_at: AtomicU64,
    name_hash: u64,
    id: Arc<str>,
    slow: Mutex<Slow>,
}

/// What is only looked at when something happens.
pub(crate) struct Slow {
    pub(crate) machine: Machine,
    /// Models that the target said it does not know, and until when to believe it.
    pub(crate) missing: Vec<(Box<str>, Moment)>,
    /// Who waits for the last request to end.
    pub(crate) wakers: Vec<Waker>,
}

impl Slow {
    /// Takes those who wait for a drain, if it is over.
    pub(crate) fn wakers_if_out(&mut self) -> Vec<Waker> {
        match self.machine.state() {
            State::Draining => Vec::new(),
            State::Disabled | State::Healthy | State::Unhealthy => std::mem::take(&mut self.wakers),
        }
    }
}

/// A request was let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The epoch it began in.
    pub(crate) epoch: u32,
    /// Whether the target was at rest.
    pub(crate) at_rest: bool,
}

impl Entry {
    /// The role of a request that did not come to try the target out.
    #[inline]
    pub(crate) const fn role(self) -> Role {
        if self.at_rest {
            Role::LastResort
        } else {
            Role::Ordinary
        }
    }
}

impl TargetState {
    pub(crate) fn new(
        id: Arc<str>,
        serial: u32,
        settings: Arc<Settings>,
        seed: u64,
        now: Moment,
    ) -> Self {
        let name_hash = hash(id.as_bytes());
        let machine = Machine::new(settings, seed ^ name_hash, now);
        Self {
            serial,
            word: AtomicU64::new(flags(&machine, now)),
            load: Load::new(),
            entries: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            told: AtomicU64::new(0),
            last_resort_at: AtomicU64::new(0),
            name_hash,
            id,
            slow: Mutex::new(Slow {
                machine,
                missing: Vec::new(),
                wakers: Vec::new(),
            }),
        }
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// A number that no other target of the balancer has or had.
    #[inline]
    pub(crate) const fn serial(&self) -> u32 {
        self.serial
    }

    pub(crate) const fn name_hash(&self) -> u64 {
        self.name_hash
    }

    /// What a pick must know, as of now.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        Glance(self.word.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        self.glance().in_flight()
    }

    /// The number of requests that were let in; never less than it was.
    pub(crate) fn picks(&self) -> u64 {
        let entries = self.entries.load(Ordering::Acquire) + self.glance().entries();
        let picks = entries.saturating_sub(self.refused.load(Ordering::Relaxed));
        // Whoever fills the word's bits carries them over a moment later.
        self.told.fetch_max(picks, Ordering::Relaxed).max(picks)
    }

    /// Counts a request in, whether or not it is let in.
    #[inline]
    fn count_in(&self) -> Glance {
        let before = Glance(self.word.fetch_add(ONE | ENTRY, Ordering::AcqRel));
        if before.entries() == ENTRIES {
            self.entries.fetch_add(ENTRIES + 1, Ordering::Release);
        }
        before
    }

    #[inline]
    pub(crate) fn probe_is_due(&self) -> bool {
        self.glance().has(PROBE_DUE)
    }

    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.glance().has(RESTS)
    }

    pub(crate) fn drains(&self) -> bool {
        self.glance().has(DRAINS)
    }

    /// Whether a success must be told to the machine, for a request that began in `epoch`.
    #[inline]
    pub(crate) fn wants_success(&self, epoch: u32) -> bool {
        let glance = self.glance();
        glance.has(WANTS_SUCCESS) && glance.epoch() == epoch
    }

    /// Notes a failure of the target, for the scores.
    pub(crate) fn failed(&self, now: Moment) {
        self.load.failed(now);
        self.word.fetch_or(HAUNTED, Ordering::Relaxed);
    }

    /// Recent failures that count as if they were still in flight.
    #[cold]
    pub(crate) fn ghosts(&self, now: Moment) -> f32 {
        let ghosts = self.load.ghosts(now);
        if ghosts <= 0.0 {
            self.word.fetch_and(!HAUNTED, Ordering::Relaxed);
        }
        ghosts
    }

    pub(crate) fn last_resort_at(&self) -> Moment {
        Moment::from_nanos(self.last_resort_at.load(Ordering::Relaxed))
    }

    pub(crate) fn note_last_resort(&self, now: Moment) {
        self.last_resort_at.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Lets a request in, if the target takes traffic and has fewer than `cap` in flight.
    ///
    /// A count that turns out too many is taken back; so that a bound is never exceeded, though
    /// two that come at once may both be turned away from the last place.
    #[inline]
    pub(crate) fn enter(&self, cap: u32, admits: Admits) -> Result<Entry, Refused> {
        let before = self.count_in();
        let is_let_in = match admits {
            Admits::Serving => before.has(SERVES),
            Admits::ServingOrResting => before.has(SERVES | RESTS),
            Admits::NotOut => !before.has(OUT),
        };
        if before.in_flight() >= cap || !is_let_in {
            return Err(self.refuse());
        }
        Ok(Entry {
            epoch: before.epoch(),
            at_rest: before.has(RESTS),
        })
    }

    #[cold]
    fn refuse(&self) -> Refused {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Refused(())
    }

    /// Lets the one request in that may try a resting target.
    pub(crate) fn enter_as_probe(&self, cap: u32, now: Moment) -> Option<(Entry, ProbeToken)> {
        if !self.probe_is_due() {
            return None;
        }
        let mut slow = self.slow.lock();
        if self.in_flight() >= cap {
            return None;
        }
        let token = slow.machine.grant_probe(now)?;
        let _before = self.count_in();
        self.publish(&slow.machine, now);
        Some((
            Entry {
                epoch: slow.machine.epoch(),
                at_rest: true,
            },
            token,
        ))
    }

    /// Takes a request out. True when it was the last one of a target that drains: the caller
    /// must then call [`drained`](Self::drained).
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        let before = Glance(self.word.fetch_sub(ONE, Ordering::AcqRel));
        before.in_flight() == 1 && before.has(DRAINS)
    }

    /// Ends a drain, if no request is left.
    ///
    /// Whoever begins a drain calls this once the word says so, and so does whoever leaves a
    /// draining target as the last: as flags and count are one word, one of the two comes second.
    pub(crate) fn drained(&self, now: Moment) -> Vec<Transition> {
        let mut slow = self.slow.lock();
        if Glance(self.word.load(Ordering::Acquire)).in_flight() > 0 {
            return Vec::new();
        }
        let drained = ai_gateway_health::AdminChange::Drained;
        let said = slow.machine.on(Event::Admin(drained), now);
        self.publish(&slow.machine, now);
        let wakers = slow.wakers_if_out();
        drop(slow);
        for waker in wakers {
            waker.wake();
        }
        said
    }

    /// Looks at, or changes, what is only looked at when something happens.
    pub(crate) fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock()
    }

    /// Tells the machine of `event`, and picks of what came of it.
    pub(crate) fn on(&self, event: Event, may_eject: bool, now: Moment) -> Told {
        let mut slow = self.slow.lock();
        let before = self.glance();
        slow.machine.allow_ejection(may_eject);
        let said = slow.machine.on(event, now);
        let after = self.publish(&slow.machine, now);
        let next_change = slow.machine.next_change(now);
        let wakers = if said.is_empty() {
            Vec::new()
        } else {
            slow.wakers_if_out()
        };
        drop(slow);
        for waker in wakers {
            waker.wake();
        }
        Told {
            said,
            stands_elsewhere: before.stands_elsewhere(after),
            next_change,
        }
    }

    /// Lets picks see where the machine stands.
    pub(crate) fn publish(&self, machine: &Machine, now: Moment) -> Glance {
        let flags = flags(machine, now);
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let next = flags | (seen & (COUNT | HAUNTED | ENTRIES << ENTRIES_AT));
            match self
                .word
                .compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Glance(next),
                Err(current) => seen = current,
            }
        }
    }
}

/// What a pick must know of a target.
#[derive(Clone, Copy)]
pub(crate) struct Glance(u64);

impl Glance {
    #[inline]
    const fn has(self, flags: u64) -> bool {
        self.0 & flags != 0
    }

    #[inline]
    pub(crate) const fn serves(self) -> bool {
        self.has(SERVES)
    }

    #[inline]
    pub(crate) const fn is_haunted(self) -> bool {
        self.has(HAUNTED)
    }

    #[inline]
    pub(crate) const fn in_flight(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    #[inline]
    const fn epoch(self) -> u32 {
        (self.0 >> EPOCH_AT) as u32 & EPOCHS
    }

    #[inline]
    const fn entries(self) -> u64 {
        self.0 >> ENTRIES_AT
    }

    const fn stands_elsewhere(self, other: Self) -> bool {
        (self.0 ^ other.0) & (SERVES | RESTS | OUT | PROBE_DUE) != 0
    }
}

/// A request was not let in; its count must be taken back by [`TargetState::leave`], as whoever
/// leaves last may have to end a drain.
#[must_use]
pub(crate) struct Refused(());

/// Who lets a request in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Admits {
    /// A target that takes traffic.
    Serving,
    /// That, or one at rest, when too few take traffic.
    ServingOrResting,
    /// Any but one that the operator took out.
    NotOut,
}

/// What an event brought about.
pub(crate) struct Told {
    pub(crate) said: Vec<Transition>,
    /// Whether picks must see the target elsewhere than before.
    pub(crate) stands_elsewhere: bool,
    pub(crate) next_change: Option<Moment>,
}

/// One request in flight, and where its count ends.
const ONE: u64 = 1;
const COUNT: u64 = (1 << 24) - 1;
const SERVES: u64 = 1 << 24;
const WANTS_SUCCESS: u64 = 1 << 25;
const PROBE_DUE: u64 = 1 << 26;
/// At rest for what was observed, and not for a spent account.
const RESTS: u64 = 1 << 27;
const DRAINS: u64 = 1 << 28;
const OUT: u64 = 1 << 29;
/// Failed lately.
const HAUNTED: u64 = 1 << 30;
const EPOCH_AT: u32 = 32;
const EPOCHS: u32 = (1 << 24) - 1;
/// One entry, and where they are counted; they leave the word at its end.
const ENTRY: u64 = 1 << ENTRIES_AT;
const ENTRIES_AT: u32 = 56;
const ENTRIES: u64 = 0xff;

/// Requests in flight that a target without a bound of its own may have, and the most that any
/// may: less than what the word can count, by more than threads may enter at once.
pub(crate) const MOST_IN_FLIGHT: u32 = (1 << 24) - (1 << 16);

fn flags(machine: &Machine, now: Moment) -> u64 {
    let mut word = u64::from(machine.epoch()) << EPOCH_AT;
    word |= match machine.standing(now) {
        Standing::Serving { .. } => SERVES,
        Standing::Cooling { .. } => 0,
        Standing::ProbeDue => PROBE_DUE,
        Standing::Resting { .. } | Standing::Probing => 0,
        Standing::Out => OUT,
    };
    word |= match (machine.state(), machine.reason()) {
        (State::Unhealthy, Some(Reason::QuotaExhausted)) => 0,
        (State::Unhealthy, _) => RESTS,
        (State::Draining, _) => DRAINS,
        (State::Healthy | State::Disabled, _) => 0,
    };
    if machine.wants_success() {
        word |= WANTS_SUCCESS;
    }
    word
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TargetState {
        let settings = Arc::new(Settings::passive());
        TargetState::new("a".into(), 1, settings, 0, Moment::ZERO)
    }

    #[test]
    fn the_last_place_is_given_once_and_a_refused_request_leaves_none_behind() {
        let state = state();
        assert!(state.enter(2, Admits::Serving).is_ok());
        assert!(state.enter(2, Admits::Serving).is_ok());
        assert!(state.enter(2, Admits::Serving).is_err(), "both are taken");
        assert!(!state.leave(), "the refused one");
        assert_eq!((state.in_flight(), state.picks()), (2, 2));
        assert!(!state.leave());
        assert!(state.enter(2, Admits::Serving).is_ok(), "one is free");
    }

    #[test]
    fn the_last_to_leave_a_draining_target_is_told() {
        let state = state();
        assert!(state.enter(9, Admits::Serving).is_ok());
        assert!(state.enter(9, Admits::Serving).is_ok());
        let drain = ai_gateway_health::AdminChange::Drain { until: None };
        let _told = state.on(Event::Admin(drain), true, Moment::ZERO);
        assert!(state.enter(9, Admits::NotOut).is_err());
        assert!(!state.leave(), "two are left");
        assert!(!state.leave(), "one is left");
        assert!(state.leave(), "none is left");
    }
}
