//! What is known of a target, whatever its configuration: kept over updates, by its name.

use std::sync::Arc;
use std::task::Waker;

use ai_gateway_health::{Event, Judge, Moment, ProbeToken, Settings, State, Transition, Window};

use crate::gate::{Admits, Entry, Flags, Gate, Glance, MOST_IN_FLIGHT, Refused};
use crate::lane::LANES;
use crate::load::Load;
use crate::random::hash;
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering};

/// What is known of one target.
///
/// Requests enter by its gate. Threads that meet while they pick by turns enter each by one of its
/// lane, so as not to write to the same word; then a look at all that is in flight takes the lock.
/// Where the target stands is published to every gate, under that lock, so each has one order of
/// entries, leaves and drains; and of those who leave a draining target as the last of their gate,
/// the last to take the lock sees all of them empty.
pub(crate) struct TargetState {
    pub(crate) gate: Gate,
    pub(crate) load: Load,
    serial: u32,
    /// The most picks that anybody was told of, the lower half.
    told: AtomicU32,
    id: Arc<str>,
    slow: Mutex<Slow>,
    /// How many requests passed and failed lately.
    pub(crate) window: Window,
}

/// What is only looked at when something happens.
pub(crate) struct Slow {
    pub(crate) machine: Judge,
    rare: Option<Box<Rare>>,
}

/// What most targets never have.
#[derive(Default)]
pub(crate) struct Rare {
    /// Models that the target said it does not know, and until when to believe it.
    pub(crate) missing: Vec<(Box<str>, Moment)>,
    /// Who waits for the last request to end.
    pub(crate) wakers: Vec<Waker>,
    /// The gates of lanes that threads came by.
    gates: [Option<Arc<Gate>>; LANES],
    /// When it was last taken for want of anything better.
    pub(crate) last_resort_at: Moment,
}

impl Slow {
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Models that the target said it does not know, and until when to believe it.
    pub(crate) fn missing(&self) -> &[(Box<str>, Moment)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.missing)
    }

    /// Forgets the models that the target may know by now.
    pub(crate) fn forget_missing(&mut self, now: Moment) {
        if let Some(rare) = &mut self.rare {
            rare.missing.retain(|(_, until)| *until > now);
        }
    }

    pub(crate) fn last_resort_at(&self) -> Moment {
        self.rare
            .as_ref()
            .map_or(Moment::ZERO, |rare| rare.last_resort_at)
    }

    fn gates(&self) -> impl Iterator<Item = &Gate> {
        let gates = self.rare.iter().flat_map(|rare| &rare.gates);
        gates.filter_map(Option::as_deref)
    }

    /// Takes those who wait for a drain, if it is over.
    pub(crate) fn wakers_if_out(&mut self) -> Vec<Waker> {
        match (self.machine.state(), &mut self.rare) {
            (State::Draining, _) | (_, None) => Vec::new(),
            (State::Disabled | State::Healthy | State::Unhealthy, Some(rare)) => {
                std::mem::take(&mut rare.wakers)
            }
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
        let window = Window::new(settings.window_span());
        let machine = Judge::new(settings, seed ^ hash(id.as_bytes()), now);
        Self {
            gate: Gate::new(Flags::of(&machine, now).glance()),
            load: Load::new(),
            serial,
            told: AtomicU32::new(0),
            id,
            slow: Mutex::new(Slow {
                machine,
                rare: None,
            }),
            window,
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

    /// What a pick must know, as of now.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        let glance = self.gate.glance();
        if glance.is_spread() {
            self.glance_around(glance)
        } else {
            glance
        }
    }

    #[cold]
    #[inline(never)]
    fn glance_around(&self, glance: Glance) -> Glance {
        Self::whole(glance, &self.slow())
    }

    /// The same, except that where the target may have `cap` requests in flight and that is no bound,
    /// nobody counts them.
    #[inline]
    pub(crate) fn glance_for(&self, cap: u32) -> Glance {
        if cap < MOST_IN_FLIGHT {
            self.glance()
        } else {
            self.gate.glance()
        }
    }

    fn whole(glance: Glance, slow: &Slow) -> Glance {
        slow.gates()
            .map(|gate| gate.last_glance().in_flight())
            .fold(glance, Glance::and)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.glance().in_flight()
    }

    /// The same for whoever has the lock.
    pub(crate) fn in_flight_by(&self, slow: &Slow) -> u32 {
        Self::whole(self.gate.last_glance(), slow).in_flight()
    }

    /// Lets a request in, if the target takes traffic and has fewer than `cap` in flight.
    #[inline]
    pub(crate) fn enter(&self, cap: u32, admits: Admits) -> Result<Entry, Refused> {
        if cap < MOST_IN_FLIGHT && self.gate.glance().is_spread() {
            return self.enter_beside(cap, admits);
        }
        self.gate.enter(cap, admits)
    }

    /// The same where a target got its bound while requests had come by other gates.
    #[cold]
    #[inline(never)]
    fn enter_beside(&self, cap: u32, admits: Admits) -> Result<Entry, Refused> {
        let slow = self.slow();
        let here = self.gate.glance();
        let elsewhere = Self::whole(here, &slow).in_flight() - here.in_flight();
        self.gate.enter(cap.saturating_sub(elsewhere), admits)
    }

    /// The gate of a lane, for targets without a bound.
    pub(crate) fn gate_of(&self, lane: usize) -> Option<Arc<Gate>> {
        let mut slow = self.slow();
        let gate = slow.rare().gates.get_mut(lane)?;
        let gate = gate.get_or_insert_with(|| Arc::new(self.gate.beside()));
        self.gate.spread(true);
        Some(Arc::clone(gate))
    }

    /// Closes the gates that no lane uses any more.
    pub(crate) fn close_gates(&self, slow: &mut Slow) {
        if !self.gate.glance().is_spread() {
            return;
        }
        for slot in &mut slow.rare().gates {
            // Nobody can come by it: whoever wants to, asks for it under the lock.
            if let Some(gate) = slot.take_if(|gate| Arc::strong_count(gate) == 1) {
                self.gate.take_over(&gate);
            }
        }
        if slow.gates().next().is_none() {
            self.gate.spread(false);
        }
    }

    /// The number of requests that were let in; never less than it was.
    #[expect(clippy::cast_possible_truncation, reason = "takes the lower half")]
    pub(crate) fn picks(&self, slow: &Slow) -> u64 {
        let others = slow.gates().map(Gate::entries);
        let picks = self.gate.entries() + others.sum::<u64>();
        // Less than somebody was told for a moment, and never by much.
        let missing = self.told.load(Ordering::Relaxed).wrapping_sub(picks as u32);
        let picks = if missing.cast_signed() > 0 {
            picks + u64::from(missing)
        } else {
            picks
        };
        self.told.store(picks as u32, Ordering::Relaxed);
        picks
    }

    /// Notes a failure of the target, for the scores.
    pub(crate) fn failed(&self, now: Moment) {
        self.load.failed(now);
        self.gate.haunt(true);
    }

    /// Recent failures that count as if they were still in flight.
    #[cold]
    pub(crate) fn ghosts(&self, now: Moment) -> f32 {
        let ghosts = self.load.ghosts(now);
        if ghosts <= 0.0 {
            self.gate.haunt(false);
        }
        ghosts
    }

    /// Lets the one request in that may try a resting target.
    pub(crate) fn enter_as_probe(&self, cap: u32, now: Moment) -> Option<(Entry, ProbeToken)> {
        if !self.gate.glance().probe_is_due() {
            return None;
        }
        let mut slow = self.slow.lock();
        if self.in_flight_by(&slow) >= cap {
            return None;
        }
        let token = slow.machine.grant_probe(now)?;
        self.gate.enter_anyway();
        self.publish(&slow, now);
        Some((
            Entry {
                epoch: slow.machine.epoch(),
                at_rest: true,
            },
            token,
        ))
    }

    /// Ends a drain, if no request is left.
    ///
    /// Whoever begins a drain calls this once the word says so, and so does whoever leaves a
    /// draining target as the last: as flags and count are one word, one of the two comes second.
    pub(crate) fn drained(&self, now: Moment) -> Vec<Transition> {
        let mut slow = self.slow.lock();
        if self.in_flight_by(&slow) > 0 {
            return Vec::new();
        }
        let drained = ai_gateway_health::AdminChange::Drained;
        let said = slow.machine.on(Event::Admin(drained), &self.window, now);
        self.publish(&slow, now);
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

    /// Takes over settings.
    pub(crate) fn configure(&self, settings: Arc<Settings>, now: Moment) {
        let mut slow = self.slow.lock();
        slow.machine.configure(settings, &self.window, now);
        self.publish(&slow, now);
    }

    /// Tells the machine of `event`, and picks of what came of it.
    pub(crate) fn on(&self, event: Event, may_eject: bool, now: Moment) -> Told {
        let mut slow = self.slow.lock();
        let before = self.gate.glance();
        slow.machine.allow_ejection(may_eject);
        let said = slow.machine.on(event, &self.window, now);
        let after = self.publish(&slow, now);
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
    pub(crate) fn publish(&self, slow: &Slow, now: Moment) -> Glance {
        let flags = Flags::of(&slow.machine, now);
        for gate in slow.gates() {
            gate.publish(flags);
        }
        self.gate.publish(flags)
    }
}

/// What an event brought about.
pub(crate) struct Told {
    pub(crate) said: Vec<Transition>,
    /// Whether picks must see the target elsewhere than before.
    pub(crate) stands_elsewhere: bool,
    pub(crate) next_change: Option<Moment>,
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
        assert!(state.gate.enter(2, Admits::Serving).is_ok());
        assert!(state.gate.enter(2, Admits::Serving).is_ok());
        assert!(
            state.gate.enter(2, Admits::Serving).is_err(),
            "both are taken"
        );
        let picks = state.picks(&state.slow());
        assert_eq!((state.in_flight(), picks), (2, 2));
        assert!(!state.gate.leave());
        assert!(state.gate.enter(2, Admits::Serving).is_ok(), "one is free");
    }

    #[test]
    fn the_last_to_leave_a_draining_target_is_told() {
        let state = state();
        assert!(state.gate.enter(9, Admits::Serving).is_ok());
        assert!(state.gate.enter(9, Admits::Serving).is_ok());
        let drain = ai_gateway_health::AdminChange::Drain { until: None };
        let _told = state.on(Event::Admin(drain), true, Moment::ZERO);
        assert!(state.gate.enter(9, Admits::NotOut).is_err());
        assert!(!state.gate.leave(), "one is left");
        assert!(state.gate.leave(), "none is left");
    }
}
