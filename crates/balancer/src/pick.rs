//! In which order targets are asked: model, tier, probe, algorithm; then default models; then, for
//! want of anything better, those that cool or rest.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_health::{Moment, Role, Standing};

use crate::ask::Ask;
use crate::core::{Core, Snapshot};
use crate::error::{NoTarget, NoTargetReason};
use crate::lease::{Lease, Served};
use crate::name::ModelName;
use crate::node::Node;
use crate::plan::{ModelFallback, OnExhausted};
use crate::policy::Pool;
use crate::routes::{Route, WHOLE};
use crate::state::{Admits, Entry, TargetState};
use crate::sync::Ordering;
use crate::tier::{Member, Serves, Tier};

/// A target that let the request in.
struct Chosen {
    node: u32,
    serves: Serves,
    entry: Entry,
    role: Role,
}

impl<T> Core<T> {
    /// Chooses a target and lets the request in.
    #[inline]
    pub(crate) fn pick(&self, ask: &Ask<'_>) -> Result<Lease<T>, NoTarget> {
        if self.wake.load(Ordering::Relaxed) != u64::MAX {
            self.refresh_if_due();
        }
        let snapshot = self.snapshot.load();
        let route = snapshot.routes.of(ask.model);
        // Nearly every request is taken by a target of the first tier, with nobody to try out.
        if route.is_plain
            && let Some(tier) = route.tiers.first()
        {
            let pool = self.pool(tier, ask, false);
            if let Some(place) = snapshot.rules.algorithm.choose(&pool)
                && let Some(member) = pool.member(place)
            {
                // Made at once: handing it on by way of `Chosen` costs a fifth of a pick.
                return match member.state.enter(member.cap, tier.admits()) {
                    Ok(entry) => {
                        let takes = (member.node, member.serves);
                        Self::lease(&snapshot, takes, (entry.epoch, entry.role()), ask)
                    }
                    Err(_refused) => {
                        self.leave(&member.state);
                        self.pick_despite(&snapshot, route, &pool, place)
                    }
                };
            }
        }
        self.pick_further(&snapshot, route, ask)
    }

    #[inline(never)]
    fn pick_further(
        &self,
        snapshot: &Snapshot<T>,
        route: &Route,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        match self.pick_from(snapshot, route, ask, route.is_plain) {
            Some(chosen) => Self::lease_of(snapshot, &chosen, ask),
            None => self.pick_otherwise(snapshot, ask),
        }
    }

    /// Goes on when a target turned out to be closed when it was entered.
    #[cold]
    fn pick_despite(
        &self,
        snapshot: &Snapshot<T>,
        route: &Route,
        pool: &Pool<'_>,
        place: usize,
    ) -> Result<Lease<T>, NoTarget> {
        match self.choose_others(snapshot, pool, place) {
            Some(chosen) => Self::lease_of(snapshot, &chosen, pool.ask),
            None => self.pick_further(snapshot, route, pool.ask),
        }
    }

    fn lease_of(
        snapshot: &Snapshot<T>,
        chosen: &Chosen,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        let takes = (chosen.node, chosen.serves);
        Self::lease(snapshot, takes, (chosen.entry.epoch, chosen.role), ask)
    }

    #[inline]
    fn lease(
        snapshot: &Snapshot<T>,
        (node, serves): (u32, Serves),
        (epoch, role): (u32, Role),
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        let Some(node) = snapshot.nodes.get(node as usize) else {
            // Never so: routes and nodes are of one snapshot.
            return Err(NoTarget {
                reason: NoTargetReason::Disabled,
                retry_after: None,
            });
        };
        let served = match (serves, ask.model) {
            (Serves::Listed(place), _) => Served::Listed(place),
            (Serves::Asked, Some(model)) => Served::Asked(model.text()),
            (Serves::Asked | Serves::Unnamed, _) => Served::Unnamed,
            (Serves::Default, _) => Served::Default,
            (Serves::Substitute, _) => Served::Substitute,
        };
        Ok(Lease::new(Arc::clone(node), epoch, role, served))
    }

    /// Asks the tiers of `route` in their order, but not the first one again that `has_asked`.
    fn pick_from(
        &self,
        snapshot: &Snapshot<T>,
        route: &Route,
        ask: &Ask<'_>,
        mut has_asked: bool,
    ) -> Option<Chosen> {
        let first = self.first_tier(snapshot, route);
        let (skipped, tiers) = route.tiers.split_at(first);
        for tier in tiers.iter().chain(skipped) {
            if !std::mem::take(&mut has_asked)
                && let Some(chosen) = self.pick_in(snapshot, tier, ask, false)
            {
                return Some(chosen);
            }
            if ask.has_second_try(tier.priority)
                && let Some(chosen) = self.pick_in(snapshot, tier, ask, true)
            {
                return Some(chosen);
            }
        }
        None
    }

    /// Where to begin: at the first tier, but where weakened tiers share their traffic.
    fn first_tier(&self, snapshot: &Snapshot<T>, route: &Route) -> usize {
        if snapshot.rules.spill.is_none() {
            return 0;
        }
        let bears = |tier: &Tier| {
            tier.bears >= WHOLE || (self.shared.random.word() >> 48) < u64::from(tier.bears)
        };
        route.tiers.iter().position(bears).unwrap_or(0)
    }

    fn pick_in(
        &self,
        snapshot: &Snapshot<T>,
        tier: &Tier,
        ask: &Ask<'_>,
        again: bool,
    ) -> Option<Chosen> {
        // A first attempt tries out whoever may come back; a request that failed once already
        // does so only when nobody else is left.
        let may_probe = !tier.probes.is_empty();
        if may_probe
            && (ask.tried.is_empty() || tier.members.is_empty())
            && let Some(probe) = self.probe(tier, ask, again)
        {
            return Some(probe);
        }
        if !tier.members.is_empty()
            && let Some(chosen) = self.choose(snapshot, tier, ask, again)
        {
            return Some(chosen);
        }
        if may_probe {
            self.probe(tier, ask, again)
        } else {
            None
        }
    }

    fn choose(
        &self,
        snapshot: &Snapshot<T>,
        tier: &Tier,
        ask: &Ask<'_>,
        again: bool,
    ) -> Option<Chosen> {
        let pool = self.pool(tier, ask, again);
        let place = snapshot.rules.algorithm.choose(&pool)?;
        let member = pool.member(place)?;
        if let Some(chosen) = self.enter(tier, member) {
            return Some(chosen);
        }
        self.choose_others(snapshot, &pool, place)
    }

    #[inline]
    pub(crate) fn pool<'a>(&'a self, tier: &'a Tier, ask: &'a Ask<'a>, again: bool) -> Pool<'a> {
        Pool {
            tier,
            ask,
            shared: &self.shared,
            is_plain: ask.tried.is_empty(),
            again,
            closed: &[],
        }
    }

    /// Chooses among the others when a target turned out to be closed when it was entered.
    #[cold]
    fn choose_others(
        &self,
        snapshot: &Snapshot<T>,
        pool: &Pool<'_>,
        mut place: usize,
    ) -> Option<Chosen> {
        let mut closed: Vec<u32> = Vec::new();
        loop {
            closed.push(u32::try_from(place).ok()?);
            let pool = Pool {
                is_plain: false,
                closed: &closed,
                ..*pool
            };
            place = snapshot.rules.algorithm.choose(&pool)?;
            if let Some(chosen) = self.enter(pool.tier, pool.member(place)?) {
                return Some(chosen);
            }
        }
    }

    /// Lets the request in, if the target still is open.
    fn enter(&self, tier: &Tier, member: &Member) -> Option<Chosen> {
        match member.state.enter(member.cap, tier.admits()) {
            Ok(entry) => Some(Chosen {
                node: member.node,
                serves: member.serves,
                role: entry.role(),
                entry,
            }),
            Err(_refused) => {
                self.leave(&member.state);
                None
            }
        }
    }

    /// Tries out a target of the tier that rests and may come back.
    #[cold]
    fn probe(&self, tier: &Tier, ask: &Ask<'_>, again: bool) -> Option<Chosen> {
        let now = self.now();
        tier.probes.iter().find_map(|member| {
            if ask.shuts(member.state.serial(), again) {
                return None;
            }
            let (entry, token) = member.state.enter_as_probe(member.cap, now)?;
            Some(Chosen {
                node: member.node,
                serves: member.serves,
                entry,
                role: Role::Probe(token),
            })
        })
    }

    /// Takes a request out, and ends the drain that waited for it.
    #[inline]
    pub(crate) fn leave(&self, state: &TargetState) {
        if state.leave() {
            self.end_drain(state, self.now());
        }
    }

    /// What is left when no target that lists the model takes the request.
    #[cold]
    fn pick_otherwise(&self, snapshot: &Snapshot<T>, ask: &Ask<'_>) -> Result<Lease<T>, NoTarget> {
        let substitutes = snapshot.substitutes(ask);
        if substitutes
            && let Some(chosen) = self.pick_from(snapshot, &snapshot.routes.defaults, ask, false)
        {
            return Self::lease_of(snapshot, &chosen, ask);
        }
        let now = self.now();
        let mut survey = Survey::default();
        for (place, node) in (0_u32..).zip(&snapshot.nodes) {
            if let Some(serves) = serves(node, ask.model.map(ModelName::as_str), substitutes) {
                survey.look(node, Resort::new(place, serves), ask, now);
            }
        }
        if snapshot.rules.on_exhausted == OnExhausted::FailOpen {
            survey.resorts.sort_by_key(|resort| resort.rank);
            for resort in &survey.resorts {
                if let Some(chosen) = self.resort_to(snapshot, resort, now) {
                    return Self::lease_of(snapshot, &chosen, ask);
                }
            }
        }
        Err(survey.verdict(ask.model.is_some()))
    }

    /// Lets the request in for want of anything better.
    fn resort_to(&self, snapshot: &Snapshot<T>, resort: &Resort, now: Moment) -> Option<Chosen> {
        let node = snapshot.nodes.get(resort.node as usize)?;
        let cap = node.spec.most_in_flight();
        match node.state.enter(cap, Admits::NotOut) {
            Ok(entry) => {
                node.state.note_last_resort(now);
                let Resort { node, serves, .. } = *resort;
                Some(Chosen {
                    node,
                    serves,
                    entry,
                    role: Role::LastResort,
                })
            }
            Err(_refused) => {
                self.leave(&node.state);
                None
            }
        }
    }
}

impl<T> Snapshot<T> {
    /// Whether default models take the place of the one asked for.
    pub(crate) fn substitutes(&self, ask: &Ask<'_>) -> bool {
        ask.model.is_some() && self.rules.model_fallback == ModelFallback::DefaultModel
    }
}

/// What a target could serve of what is asked for, whatever its health.
pub(crate) fn serves<T>(node: &Node<T>, model: Option<&str>, substitutes: bool) -> Option<Serves> {
    let spec = &node.spec;
    let knows = |model: &str| {
        let slow = node.state.slow();
        !slow.missing.iter().any(|(missing, _)| **missing == *model)
    };
    let by_default = spec.default_model.as_deref().is_some_and(knows);
    let Some(model) = model else {
        return match spec.default_model {
            None => Some(Serves::Unnamed),
            Some(_) => by_default.then_some(Serves::Default),
        };
    };
    if spec.lists(model) && knows(model) {
        let place = spec.models.iter().position(|listed| **listed == *model);
        return match place.map(u32::try_from) {
            Some(Ok(place)) => Some(Serves::Listed(place)),
            Some(Err(_)) | None => Some(Serves::Asked),
        };
    }
    (substitutes && by_default).then_some(Serves::Substitute)
}

/// Why each candidate does not take the request, and who might for want of anything better.
#[derive(Default)]
struct Survey {
    candidates: usize,
    out: usize,
    tried: usize,
    resting: usize,
    cooling: usize,
    full: usize,
    earliest: Option<Moment>,
    surveyed_at: Moment,
    resorts: Vec<Resort>,
}

/// A target to resort to.
#[derive(Clone, Copy)]
struct Resort {
    node: u32,
    serves: Serves,
    /// Cooling before at rest, the model asked for before another, the longest ago first.
    rank: (bool, bool, Moment),
}

impl Resort {
    fn new(node: u32, serves: Serves) -> Self {
        Self {
            node,
            serves,
            rank: (false, false, Moment::ZERO),
        }
    }
}

impl Survey {
    fn look<T>(&mut self, node: &Node<T>, resort: Resort, ask: &Ask<'_>, now: Moment) {
        let state = &*node.state;
        self.candidates += 1;
        self.surveyed_at = now;
        let (standing, last_failure) = {
            let slow = state.slow();
            (slow.machine.standing(now), slow.machine.last_failure())
        };
        let is_tried = ask.shuts(state.serial(), false);
        let is_full = node
            .spec
            .max_in_flight
            .is_some_and(|most| state.in_flight() >= most);
        let (at_rest, date) = match standing {
            Standing::Out => {
                self.out += 1;
                return;
            }
            Standing::Serving { .. } => {
                self.tried += usize::from(is_tried);
                self.full += usize::from(!is_tried);
                return;
            }
            Standing::Cooling { until } => {
                self.cooling += 1;
                self.by(until);
                (false, until)
            }
            Standing::Resting { .. } | Standing::ProbeDue | Standing::Probing => {
                self.resting += 1;
                if let Standing::Resting { until } = standing {
                    self.by(until);
                }
                let failed = last_failure.map_or(Moment::ZERO, |(at, _)| at);
                (true, failed.max(state.last_resort_at()))
            }
        };
        if is_tried {
            self.tried += 1;
        } else if !is_full && (!at_rest || state.is_at_rest()) {
            let substitutes = resort.serves == Serves::Substitute;
            self.resorts.push(Resort {
                rank: (at_rest, substitutes, date),
                ..resort
            });
        }
    }

    fn by(&mut self, date: Moment) {
        let earliest = self.earliest.map(Reverse).max(Some(Reverse(date)));
        self.earliest = earliest.map(|Reverse(date)| date);
    }

    fn verdict(&self, names_a_model: bool) -> NoTarget {
        let reason = if self.candidates == 0 && names_a_model {
            NoTargetReason::Model
        } else if self.candidates == self.out {
            NoTargetReason::Disabled
        } else {
            NoTargetReason::Exhausted {
                candidates: self.candidates,
                tried: self.tried,
                resting: self.resting,
                cooling: self.cooling,
                full: self.full,
            }
        };
        let retry_after = self.earliest.map(|date| date.since(self.surveyed_at));
        NoTarget {
            reason,
            retry_after: retry_after.map(|wait| wait.max(LEAST_WAIT)),
        }
    }
}

/// Nobody is told to come back at once.
pub(crate) const LEAST_WAIT: Duration = Duration::from_millis(1);
