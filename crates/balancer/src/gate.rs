//! The word that lets requests into a target.

use ai_gateway_health::{Judge, Moment, Reason, Role, Standing, State};

use crate::sync::{AtomicU64, Ordering};

/// Where requests enter a target and leave it again.
///
/// One word holds all that a pick must know, so that letting a request in, taking it out and
/// beginning a drain have one order for everybody: the last 8 bits of the number of entries,
/// 24 bits of the machine's epoch, 8 flags, and 24 bits of requests in flight.
pub(crate) struct Gate {
    word: AtomicU64,
    /// Entries, but for those that the word counts.
    entries: AtomicU64,
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

impl Gate {
    pub(crate) fn new(glance: Glance) -> Self {
        Self {
            word: AtomicU64::new(glance.0),
            entries: AtomicU64::new(0),
        }
    }

    /// What a pick must know, as of now.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        Glance(self.word.load(Ordering::Relaxed))
    }

    /// The same, seen after whatever was done before the word became so.
    pub(crate) fn last_glance(&self) -> Glance {
        Glance(self.word.load(Ordering::Acquire))
    }

    /// The number of requests that were let in; for a moment less where the word's bits have just
    /// come round.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Acquire) + self.glance().entries()
    }

    /// Another gate to the same target, for the requests of one lane: where the target stands now, and
    /// nobody inside.
    pub(crate) fn beside(&self) -> Self {
        Self::new(Glance(
            self.glance().0 & !(COUNT | HAUNTED | SPREAD | ENTRIES << ENTRIES_AT),
        ))
    }

    /// Takes over the entries that another gate counted.
    pub(crate) fn take_over(&self, other: &Self) {
        self.entries.fetch_add(other.entries(), Ordering::Release);
    }

    /// Says that the target has other gates, too, or, where `is_spread` is false, that it has not.
    pub(crate) fn spread(&self, is_spread: bool) {
        if is_spread {
            self.word.fetch_or(SPREAD, Ordering::AcqRel);
        } else {
            self.word.fetch_and(!SPREAD, Ordering::AcqRel);
        }
    }

    /// Lets a request in, if the target takes traffic and has fewer than `cap` in flight.
    #[inline]
    pub(crate) fn enter(&self, cap: u32, admits: Admits) -> Result<Entry, Refused> {
        let mut seen = self.glance();
        loop {
            let is_let_in = match admits {
                Admits::Serving => seen.has(SERVES),
                Admits::ServingOrResting => seen.has(SERVES | RESTS),
                Admits::NotOut => !seen.has(OUT),
            };
            if seen.in_flight() >= cap || !is_let_in {
                return Err(Refused);
            }
            match self.count_in(seen) {
                Ok(()) => {
                    return Ok(Entry {
                        epoch: seen.epoch(),
                        at_rest: seen.has(RESTS),
                    });
                }
                Err(current) => seen = current,
            }
        }
    }

    /// Counts a request in, whatever the flags say.
    pub(crate) fn enter_anyway(&self) {
        let mut seen = self.glance();
        while let Err(current) = self.count_in(seen) {
            seen = current;
        }
    }

    #[inline]
    fn count_in(&self, seen: Glance) -> Result<(), Glance> {
        let next = seen.0.wrapping_add(ONE | ENTRY);
        self.word
            .compare_exchange(seen.0, next, Ordering::AcqRel, Ordering::Relaxed)
            .map_err(Glance)?;
        if seen.entries() == ENTRIES {
            self.entries.fetch_add(ENTRIES + 1, Ordering::Release);
        }
        Ok(())
    }

    /// Takes a request out. True when it was the last one here of a target that drains: the caller
    /// must then see whether the drain is over.
    #[inline]
    #[must_use]
    pub(crate) fn leave(&self) -> bool {
        let before = Glance(self.word.fetch_sub(ONE, Ordering::AcqRel));
        before.in_flight() == 1 && before.has(DRAINS)
    }

    /// Whether a success must be told to the machine, for a request that began in `epoch`.
    #[inline]
    pub(crate) fn wants_success(&self, epoch: u32) -> bool {
        let glance = self.glance();
        glance.has(WANTS_SUCCESS) && glance.epoch() == epoch
    }

    /// Says that the target failed lately, or, where `is_haunted` is false, that it did not.
    pub(crate) fn haunt(&self, is_haunted: bool) {
        if is_haunted {
            self.word.fetch_or(HAUNTED, Ordering::Relaxed);
        } else {
            self.word.fetch_and(!HAUNTED, Ordering::Relaxed);
        }
    }

    /// Lets picks see where the target stands.
    pub(crate) fn publish(&self, flags: Flags) -> Glance {
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let next = flags.0 | (seen & (COUNT | HAUNTED | SPREAD | ENTRIES << ENTRIES_AT));
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

    #[inline]
    pub(crate) const fn is_spread(self) -> bool {
        self.has(SPREAD)
    }

    /// The same with so many more requests in flight, as far as the word counts.
    pub(crate) fn and(self, requests: u32) -> Self {
        let most = COUNT - (self.0 & COUNT);
        Self(self.0 + u64::from(requests).min(most))
    }

    pub(crate) const fn probe_is_due(self) -> bool {
        self.has(PROBE_DUE)
    }

    pub(crate) const fn is_at_rest(self) -> bool {
        self.has(RESTS)
    }

    pub(crate) const fn drains(self) -> bool {
        self.has(DRAINS)
    }

    pub(crate) const fn stands_elsewhere(self, other: Self) -> bool {
        (self.0 ^ other.0) & (SERVES | RESTS | OUT | PROBE_DUE) != 0
    }
}

/// A request was not let in.
pub(crate) struct Refused;

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
/// Has gates of lanes, too.
const SPREAD: u64 = 1 << 31;
const EPOCH_AT: u32 = 32;
const EPOCHS: u32 = (1 << 24) - 1;
/// One entry, and where they are counted; they leave the word at its end.
const ENTRY: u64 = 1 << ENTRIES_AT;
const ENTRIES_AT: u32 = 56;
const ENTRIES: u64 = 0xff;

/// Requests in flight that a target without a bound of its own may have, and the most that any
/// may: less than what the word can count, by more than threads may enter at once.
pub(crate) const MOST_IN_FLIGHT: u32 = (1 << 24) - (1 << 16);

/// Where a target stands, for its word.
#[derive(Clone, Copy)]
pub(crate) struct Flags(u64);

impl Flags {
    pub(crate) fn of(machine: &Judge, now: Moment) -> Self {
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
        Self(word)
    }

    /// The word of a gate that nobody has entered.
    pub(crate) const fn glance(self) -> Glance {
        Glance(self.0)
    }
}
