//! In which order targets are asked: model, tier, probe, algorithm; then default models; then, for
//! want of anything better, those that cool or rest.

mod resort;

use std::sync::Arc;

use ai_gateway_health::Role;

pub(crate) use self::resort::LEAST_WAIT;

use crate::ask::Ask;
use crate::core::{Core, Snapshot};
use crate::desk::{Desk, Lane, Way};
use crate::error::{NoTarget, NoTargetReason};
use crate::gate::{Entry, MOST_IN_FLIGHT};
use crate::lease::{Lease, Served};
use crate::node::Node;
use crate::plan::ModelFallback;
use crate::policy::Pool;
use crate::routes::{Route, WHOLE};

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
        if let Some((lane, number)) = self.desks.own() {
            return self.pick_among_others(lane, number, ask);
        }
        match self.desks.front() {
            Some(mut desk) => self.pick_at_front(&mut desk, ask),
            None => self.pick_after_meeting(ask),
        }
    }

    #[inline(always)]
    fn pick_at_front(&self, desk: &mut Desk<T>, ask: &Ask<'_>) -> Result<Lease<T>, NoTarget> {
        let (snapshot, _) = desk.open(self.desks.version(), &self.snapshot);
        self.pick_from(snapshot, Way::Front, ask)
    }

    /// The same where threads have met.
    #[inline(never)]
    fn pick_among_others(
        &self,
        lane: &Lane<T>,
        number: usize,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        if lane.stays() {
            return match lane.desk() {
                Some(mut desk) => self.pick_in_lane(&mut desk, number, ask),
                None => self.pick_without_desk(ask),
            };
        }
        match self.desks.front() {
            Some(mut desk) => {
                lane.calm();
                self.pick_at_front(&mut desk, ask)
            }
            None => self.pick_after_meeting(ask),
        }
    }

    #[cold]
    fn pick_after_meeting(&self, ask: &Ask<'_>) -> Result<Lease<T>, NoTarget> {
        match self.desks.meet() {
            Some((mut desk, way)) => {
                let (snapshot, _) = desk.open(self.desks.version(), &self.snapshot);
                self.pick_anywhere(snapshot, way, ask)
            }
            None => self.pick_without_desk(ask),
        }
    }

    #[cold]
    fn pick_without_desk(&self, ask: &Ask<'_>) -> Result<Lease<T>, NoTarget> {
        self.pick_anywhere(&self.snapshot.load(), Way::Spare, ask)
    }

    /// Takes the next turn of a lane, and enters by the lane's own gate; as anywhere else where
    /// targets do not take turns, or not with this request.
    #[inline(always)]
    fn pick_in_lane(
        &self,
        desk: &mut Desk<T>,
        lane: usize,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        let (snapshot, seats) = desk.open(self.desks.version(), &self.snapshot);
        let route = snapshot.routes.of(ask.model);
        let way = Way::Lane(lane);
        if route.is_plain
            && ask.tried.is_empty()
            && let Some(tier) = route.tiers.first()
            && let Some(rotation) = &tier.rotation
            && let Some(place) = rotation.at(rotation.take(way))
            && let Some(member) = tier.members.get(place)
        {
            // Whose requests must be counted together has one gate.
            if member.cap() == MOST_IN_FLIGHT
                && let Some(node) = seats.at(lane, member.node, &snapshot.nodes)
                && let Ok(entry) = node.gate().enter(MOST_IN_FLIGHT, tier.admits())
            {
                let served = Served::of(member.serves, ask);
                let node = Arc::clone(node);
                return Ok(Lease::new(node, entry.epoch, entry.role(), served));
            }
            return self.pick_by_turn(snapshot, (route, tier), (way, ask), place);
        }
        self.pick_anywhere(snapshot, way, ask)
    }

    /// Goes on at the place in the tier whose turn it is.
    #[inline(never)]
    fn pick_by_turn(
        &self,
        snapshot: &Snapshot<T>,
        (route, tier): (&Route, &Tier),
        (way, ask): (Way, &Ask<'_>),
        place: usize,
    ) -> Result<Lease<T>, NoTarget> {
        let pool = self.pool(tier, ask, way, false);
        match pool
            .member(place)
            .and_then(|member| Self::enter(tier, member))
        {
            Some(chosen) => Self::lease_of(snapshot, &chosen, ask),
            None => self.pick_despite(snapshot, (route, 0), &pool, place),
        }
    }

    #[inline(never)]
    fn pick_anywhere(
        &self,
        snapshot: &Snapshot<T>,
        way: Way,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        self.pick_from(snapshot, way, ask)
    }

    #[inline(always)]
    fn pick_from(
        &self,
        snapshot: &Snapshot<T>,
        way: Way,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        let route = snapshot.routes.of(ask.model);
        let mut asked = 0;
        // Nearly every request is taken by one of the first tiers, with nobody to try out.
        if route.is_plain && ask.second.is_none() {
            for tier in &route.tiers {
                if !tier.probes.is_empty() {
                    break;
                }
                let pool = self.pool(tier, ask, way, false);
                let Some(place) = snapshot.rules.algorithm.choose(&pool) else {
                    asked += 1;
                    continue;
                };
                let Some(member) = pool.member(place) else {
                    break;
                };
                // Made at once: handing it on by way of `Chosen` costs a fifth of a pick.
                let Ok(entry) = member.state.enter(member.cap(), tier.admits()) else {
                    return self.pick_despite(snapshot, (route, asked), &pool, place);
                };
                let takes = (member.node, member.serves);
                return Self::lease(snapshot, takes, (entry.epoch, entry.role()), ask);
            }
        }
        self.pick_further(snapshot, (route, asked), way, ask)
    }

    #[inline(never)]
    fn pick_further(
        &self,
        snapshot: &Snapshot<T>,
        (route, asked): (&Route, usize),
        way: Way,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        match self.pick_by_tiers(snapshot, route, (way, ask), asked) {
            Some(chosen) => Self::lease_of(snapshot, &chosen, ask),
            None => self.pick_otherwise(snapshot, way, ask),
        }
    }

    /// Goes on when a target turned out to be closed when it was entered.
    #[cold]
    fn pick_despite(
        &self,
        snapshot: &Snapshot<T>,
        (route, asked): (&Route, usize),
        pool: &Pool<'_>,
        place: usize,
    ) -> Result<Lease<T>, NoTarget> {
        match Self::choose_others(snapshot, pool, place) {
            Some(chosen) => Self::lease_of(snapshot, &chosen, pool.ask),
            None => self.pick_further(snapshot, (route, asked + 1), pool.way, pool.ask),
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
        let served = Served::of(serves, ask);
        Ok(Lease::new(Arc::clone(node), epoch, role, served))
    }

    /// Asks the tiers of `route` in their order, but for the first `asked`, which were.
    fn pick_by_tiers(
        &self,
        snapshot: &Snapshot<T>,
        route: &Route,
        (way, ask): (Way, &Ask<'_>),
        asked: usize,
    ) -> Option<Chosen> {
        let first = self.first_tier(snapshot, route);
        let (skipped, tiers) = route.tiers.split_at(first);
        for (place, tier) in tiers.iter().chain(skipped).enumerate() {
            if place >= asked
                && let Some(chosen) = self.pick_in(snapshot, tier, (way, ask), false)
            {
                return Some(chosen);
            }
            if ask.has_second_try(tier.priority)
                && let Some(chosen) = self.pick_in(snapshot, tier, (way, ask), true)
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
        (way, ask): (Way, &Ask<'_>),
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
            && let Some(chosen) = Self::choose(snapshot, &self.pool(tier, ask, way, again))
        {
            return Some(chosen);
        }
        if may_probe {
            self.probe(tier, ask, again)
        } else {
            None
        }
    }

    fn choose(snapshot: &Snapshot<T>, pool: &Pool<'_>) -> Option<Chosen> {
        let place = snapshot.rules.algorithm.choose(pool)?;
        let member = pool.member(place)?;
        if let Some(chosen) = Self::enter(pool.tier, member) {
            return Some(chosen);
        }
        Self::choose_others(snapshot, pool, place)
    }

    #[inline]
    pub(crate) fn pool<'a>(
        &'a self,
        tier: &'a Tier,
        ask: &'a Ask<'a>,
        way: Way,
        again: bool,
    ) -> Pool<'a> {
        Pool {
            tier,
            ask,
            shared: &self.shared,
            way,
            is_plain: ask.tried.is_empty(),
            again,
            closed: &[],
        }
    }

    /// Chooses among the others when a target turned out to be closed when it was entered.
    #[cold]
    fn choose_others(snapshot: &Snapshot<T>, pool: &Pool<'_>, mut place: usize) -> Option<Chosen> {
        let mut closed: Vec<u32> = Vec::new();
        loop {
            closed.push(u32::try_from(place).ok()?);
            let pool = Pool {
                is_plain: false,
                closed: &closed,
                ..*pool
            };
            place = snapshot.rules.algorithm.choose(&pool)?;
            if let Some(chosen) = Self::enter(pool.tier, pool.member(place)?) {
                return Some(chosen);
            }
        }
    }

    /// Lets the request in, if the target still is open.
    fn enter(tier: &Tier, member: &Member) -> Option<Chosen> {
        let entry = member.state.enter(member.cap(), tier.admits());
        entry.ok().map(|entry| Chosen {
            node: member.node,
            serves: member.serves,
            role: entry.role(),
            entry,
        })
    }

    /// Tries out a target of the tier that rests and may come back.
    #[cold]
    fn probe(&self, tier: &Tier, ask: &Ask<'_>, again: bool) -> Option<Chosen> {
        let now = self.now();
        tier.probes.iter().find_map(|member| {
            if ask.shuts(member.state.serial(), again) {
                return None;
            }
            let (entry, token) = member.state.enter_as_probe(member.cap(), now)?;
            Some(Chosen {
                node: member.node,
                serves: member.serves,
                entry,
                role: Role::Probe(token),
            })
        })
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
    let spec = node.spec();
    let knows = |model: &str| {
        let slow = node.state.slow();
        !slow
            .missing()
            .iter()
            .any(|(missing, _)| **missing == *model)
    };
    let by_default = spec.default_model().is_some_and(knows);
    let Some(model) = model else {
        return match spec.default_model() {
            None => Some(Serves::Asked),
            Some(_) => by_default.then_some(Serves::Default),
        };
    };
    if spec.lists(model) && knows(model) {
        let place = spec.models().iter().position(|listed| **listed == *model);
        return Some(place.map_or(Serves::Asked, Serves::listed));
    }
    (substitutes && by_default).then_some(Serves::Substitute)
}
