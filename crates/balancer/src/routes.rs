//! Which targets may take a request, by the model it asks for: compiled whenever that changes, so
//! that a pick only looks at targets that are likely to take it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use ai_gateway_health::Standing;

use crate::algorithm::Algorithm;
use crate::name::ModelName;
use crate::plan::Rules;
use crate::policy::{RENDEZVOUS, Table};
use crate::random::hash;
use crate::schedule::{Cycles, Recipe, Rotation};
use crate::state::TargetState;
use crate::target::Spec;
use crate::tier::{Member, Serves, Tier};

/// Which targets may take a request.
pub(crate) struct Routes {
    /// For requests that name no model.
    any: Arc<Route>,
    /// For requests that name a model which no target lists.
    unlisted: Arc<Route>,
    /// For requests whose model cannot be had: by default models.
    pub(crate) defaults: Route,
    listed: Listed,
}

/// The tiers of one kind of request, the one to be tried first in front.
#[derive(Default)]
pub(crate) struct Route {
    pub(crate) tiers: Box<[Tier]>,
    /// Whether every request begins at the first tier, and tries nobody out there.
    pub(crate) is_plain: bool,
}

/// A target, as the compilation looks at it.
pub(crate) struct Row<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) state: &'a Arc<TargetState>,
    pub(crate) standing: Standing,
    /// Models that the target does not know, whatever its list says.
    pub(crate) missing: Vec<Box<str>>,
}

impl Routes {
    /// The route of a request that asks for `model`.
    #[inline]
    pub(crate) fn of(&self, model: Option<&ModelName>) -> &Route {
        match model {
            None => &self.any,
            Some(model) => self
                .listed
                .get(model.hash(), model.as_bytes())
                .unwrap_or(&self.unlisted),
        }
    }

    /// Compiles the routes for `rows`; takes over from `before` what did not change.
    pub(crate) fn compile(rows: &[Row<'_>], rules: &Rules, before: Option<&Self>) -> Self {
        let cycles = Cycles::default();
        let compile = |candidates: &[Candidate], before: Option<&Route>| {
            Route::compile(rows, rules, candidates, before, &cycles)
        };
        let places = || (0_u32..).zip(rows);
        let serving_default = |serves: Serves| {
            places()
                .filter(|(_, row)| row.spec.default_model().is_some_and(|m| row.knows(m)))
                .map(|(node, row)| Candidate::new(node, serves, row.price()))
                .collect::<Vec<_>>()
        };
        let any: Vec<Candidate> = places()
            .filter(|(_, row)| row.spec.default_model().is_none_or(|m| row.knows(m)))
            .map(|(node, row)| {
                let serves = match row.spec.default_model() {
                    Some(_) => Serves::Default,
                    None => Serves::Asked,
                };
                Candidate::new(node, serves, row.price())
            })
            .collect();
        let unlisted: Vec<Candidate> = places()
            .filter(|(_, row)| row.spec.models().is_empty())
            .map(|(node, row)| Candidate::new(node, Serves::Asked, row.spec.price))
            .collect();
        let listed = by_model(rows, &unlisted)
            .into_iter()
            .map(|(model, candidates)| {
                let name = model.as_bytes();
                let before = before.and_then(|before| before.listed.get(hash(name), name));
                (model, compile(&candidates, before))
            })
            .collect::<Vec<_>>();
        let route_of_any = Arc::new(compile(&any, before.map(|b| &*b.any)));
        Self {
            // Where no target lists models, or has a default, both are the same.
            unlisted: if unlisted == any {
                Arc::clone(&route_of_any)
            } else {
                Arc::new(compile(&unlisted, before.map(|b| &*b.unlisted)))
            },
            any: route_of_any,
            defaults: compile(
                &serving_default(Serves::Substitute),
                before.map(|b| &b.defaults),
            ),
            listed: Listed::new(listed),
        }
    }
}

/// The routes by the name of their model: found with a hash that the request brings along.
struct Listed {
    /// Each in the first free slot from its hash on; at least half of them are empty.
    slots: Box<[Option<Entry>]>,
}

struct Entry {
    hash: u64,
    name: Box<str>,
    route: Route,
}

impl Listed {
    fn new(routes: Vec<(&str, Route)>) -> Self {
        let len = (routes.len() * 2).next_power_of_two();
        let mut slots: Box<[_]> = std::iter::repeat_with(|| None).take(len).collect();
        for (name, route) in routes {
            let hash = hash(name.as_bytes());
            let mut places = places(hash, len);
            let free = places.find(|&place| matches!(slots.get(place), Some(None)));
            if let Some(slot) = free.and_then(|place| slots.get_mut(place)) {
                let name = name.into();
                *slot = Some(Entry { hash, name, route });
            }
        }
        Self { slots }
    }

    #[inline]
    fn get(&self, hash: u64, name: &[u8]) -> Option<&Route> {
        for place in places(hash, self.slots.len()) {
            let entry = self.slots.get(place)?.as_ref()?;
            if entry.hash == hash && entry.name.as_bytes() == name {
                return Some(&entry.route);
            }
        }
        None
    }
}

/// The slots in which to look for `hash`, in their order; `len` is a power of two.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "only the low bits count")]
fn places(hash: u64, len: usize) -> impl Iterator<Item = usize> {
    (0..len).map(move |step| (hash as usize).wrapping_add(step) & (len - 1))
}

impl Row<'_> {
    /// What it charges where no model is asked for.
    fn price(&self) -> f32 {
        let default = self.spec.default_model();
        default.map_or(self.spec.price, |model| self.spec.price_of(model))
    }

    fn knows(&self, model: &str) -> bool {
        !self.missing.iter().any(|missing| **missing == *model)
    }
}

/// A target that could serve a kind of request.
#[derive(Clone, Copy, PartialEq)]
struct Candidate {
    node: u32,
    serves: Serves,
    /// What the target charges for what it would serve.
    price: f32,
}

impl Candidate {
    const fn new(node: u32, serves: Serves, price: f32) -> Self {
        Self {
            node,
            serves,
            price,
        }
    }
}

/// The candidates of each model that is listed, has a price of its own, or is missing somewhere, in
/// the order of the rows.
fn by_model<'a>(
    rows: &'a [Row<'_>],
    wildcards: &[Candidate],
) -> HashMap<&'a str, Vec<Candidate>, BuildHasherDefault<NameHasher>> {
    let mut models: HashMap<&str, Vec<Candidate>, BuildHasherDefault<NameHasher>> =
        HashMap::default();
    for (node, row) in (0_u32..).zip(rows) {
        for (place, model) in row.spec.models().iter().enumerate() {
            let candidates = models.entry(model).or_default();
            let is_repeated = candidates.last().is_some_and(|last| last.node == node);
            if row.knows(model) && !is_repeated {
                let price = row.spec.price_of(model);
                candidates.push(Candidate::new(node, Serves::listed(place), price));
            }
        }
        for model in row.spec.priced_models() {
            models.entry(model).or_default();
        }
        for model in &row.missing {
            models.entry(model).or_default();
        }
    }
    for (model, candidates) in &mut models {
        candidates.extend(wildcards.iter().filter_map(|wildcard| {
            let row = rows.get(wildcard.node as usize)?;
            let price = row.spec.price_of(model);
            row.knows(model).then_some(Candidate { price, ..*wildcard })
        }));
        candidates.sort_by_key(|candidate| candidate.node);
    }
    models
}

impl Route {
    fn compile(
        rows: &[Row<'_>],
        rules: &Rules,
        candidates: &[Candidate],
        before: Option<&Self>,
        cycles: &Cycles,
    ) -> Self {
        let mut ordered: Vec<(&Row<'_>, Candidate)> = candidates
            .iter()
            .filter_map(|&candidate| Some((rows.get(candidate.node as usize)?, candidate)))
            .collect();
        ordered.sort_by_key(|(row, candidate)| (row.spec.priority, candidate.node));
        let mut tiers: Vec<Tier> = ordered
            .chunk_by(|(one, _), (two, _)| one.spec.priority == two.spec.priority)
            .filter_map(|rows| {
                let priority = rows.first()?.0.spec.priority;
                let before =
                    before.and_then(|before| before.tiers.iter().find(|t| t.priority == priority));
                Some(Tier::compile(rows, priority, rules, before, cycles))
            })
            .collect();
        share_out(&mut tiers);
        tiers.retain(|tier| !tier.members.is_empty() || !tier.probes.is_empty());
        let is_plain = rules.spill.is_none()
            && tiers
                .first()
                .is_some_and(|tier| tier.probes.is_empty() && !tier.members.is_empty());
        Self {
            tiers: tiers.into(),
            is_plain,
        }
    }
}

/// Turns what each tier can bear into how much of the traffic that reaches it, it takes.
fn share_out(tiers: &mut [Tier]) {
    let all: u64 = tiers.iter().map(|tier| u64::from(tier.bears)).sum();
    let mut left = u64::from(WHOLE);
    for tier in tiers {
        // Where all tiers together bear too little, each takes its part of what they do.
        let own = u64::from(tier.bears) * u64::from(WHOLE) / all.clamp(1, u64::from(WHOLE));
        let own = own.min(left);
        tier.bears = u32::try_from((own * u64::from(WHOLE)).div_ceil(left.max(1))).unwrap_or(WHOLE);
        left -= own;
    }
}

/// All of the traffic.
pub(crate) const WHOLE: u32 = 1 << 16;

impl Tier {
    fn compile(
        rows: &[(&Row<'_>, Candidate)],
        priority: u32,
        rules: &Rules,
        before: Option<&Self>,
        cycles: &Cycles,
    ) -> Self {
        let is_serving = |row: &Row<'_>| matches!(row.standing, Standing::Serving { .. });
        let serving = rows.iter().filter(|(row, _)| is_serving(row)).count();
        let panics = share(serving, rows.len()) < rules.panic_threshold;
        let mut members = Vec::with_capacity(rows.len());
        let mut probes = Vec::new();
        for &(row, candidate) in rows {
            let takes = (candidate.node, candidate.serves, candidate.price);
            let member = |ramp: f32| Member::new(row.state, row.spec, takes, ramp);
            match row.standing {
                Standing::Serving { ramp } => members.push(member(ramp)),
                Standing::ProbeDue | Standing::Probing => probes.push(member(1.0)),
                Standing::Cooling { .. } | Standing::Resting { .. } | Standing::Out => {}
            }
            if panics && row.state.gate.glance().is_at_rest() {
                members.push(member(1.0));
            }
        }
        let bears = rules
            .spill
            .map_or(WHOLE, |factor| portion(factor, serving, rows.len()));
        let rotation = rotation(&members, &rules.algorithm, before, cycles);
        let by_key = matches!(
            rules.algorithm,
            Algorithm::ConsistentHash | Algorithm::PrefixAffinity
        );
        let named = members.iter().filter(|_| by_key);
        let hashes: Box<[u64]> = named.map(|m| hash(m.state.id().as_bytes())).collect();
        let table = (hashes.len() > RENDEZVOUS).then(|| Arc::new(Table::new(&members, &hashes)));
        Self {
            priority,
            heaviest: members
                .iter()
                .map(|member| member.weight)
                .fold(0.0, f32::max),
            members: members.into(),
            probes: probes.into(),
            panics,
            rotation,
            hashes,
            table,
            bears,
        }
    }
}

/// The cycle of turns, for the algorithms that go by one; the old one if nothing changed.
fn rotation(
    members: &[Member],
    algorithm: &Algorithm,
    before: Option<&Tier>,
    cycles: &Cycles,
) -> Option<Arc<Rotation>> {
    let parts: Vec<(f32, f32)> = match algorithm {
        Algorithm::RoundRobin => members.iter().map(|m| (1.0, m.ramp())).collect(),
        Algorithm::Weighted => members
            .iter()
            .map(|m| (m.whole_weight(), m.ramp() * m.state.load.room()))
            .collect(),
        _ => return None,
    };
    let serials = members.iter().map(|member| member.state.serial());
    let recipe: Recipe = serials.zip(turns(&parts)).collect();
    let before = before.and_then(|before| before.rotation.as_ref());
    match before {
        Some(before) if before.is_made_from(&recipe) => Some(Arc::clone(before)),
        _ => {
            let before = before.map(AsRef::as_ref);
            Some(Arc::new(Rotation::new(recipe, before, cycles)))
        }
    }
}

/// Whole turns for weights of which only a part counts for now: the weights themselves when all
/// count wholly, else in steps of a 64th of one, or coarser where the cycle would grow too long.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights are from 1 to 100 and steps at most 64"
)]
fn turns(parts: &[(f32, f32)]) -> Vec<u32> {
    let sum: f32 = parts.iter().map(|&(weight, _)| weight).sum();
    let mut steps = 64.0;
    while steps > 1.0 && sum * steps > LONGEST_FINE_CYCLE {
        steps /= 2.0;
    }
    let is_whole = parts.iter().all(|&(_, part)| part >= 1.0);
    let steps = if is_whole { 1.0 } else { steps };
    parts
        .iter()
        .map(|&(weight, part)| ((weight * part * steps).round() as u32).max(1))
        .collect()
}

/// The longest cycle that is made in fine steps: it is made anew twice a second for as long as a
/// share grows.
const LONGEST_FINE_CYCLE: f32 = 65_536.0;

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 24 bits"
)]
fn share(part: usize, whole: usize) -> f32 {
    part as f32 / whole.max(1) as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "from 0 to 65536"
)]
fn portion(factor: f32, serving: usize, all: usize) -> u32 {
    ((factor * share(serving, all)).min(1.0) * WHOLE as f32) as u32
}

/// Hashes the names of models. They come from the configuration, so nobody can make them collide;
/// names in requests are only looked up.
#[derive(Default)]
struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= hash(bytes);
    }

    fn write_u8(&mut self, _end_of_name: u8) {}
}
