//! `consistent-hash`: the same target for the same key.
//!
//! Up to 64 targets by weighted rendezvous: each target draws a number from the key and its own
//! name, the weight makes it likelier to be the greatest, and the greatest wins. Of more, a
//! precomputed table (as Maglev fills it) says who comes first. A target that already has 1.25
//! times its share of the requests in flight passes the key on.
//!
//! Laws: taking one target away moves its keys only (rendezvous; nearly so with a table); no
//! target has more than its bound, rounded up.

use std::cell::Cell;

use super::Pool;
use crate::random::{below, mix};
use crate::tier::Member;

/// Up to how many targets rendezvous is used, and no table is made.
pub(crate) const RENDEZVOUS: usize = 64;

pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    follow(pool, &Bound::default())
}

/// Chooses without a bound: whoever comes first for the key, however busy.
pub(super) fn choose_unbounded(pool: &Pool<'_>) -> Option<usize> {
    follow(pool, &Bound::none())
}

fn follow(pool: &Pool<'_>, bound: &Bound) -> Option<usize> {
    let Some(key) = pool.key() else {
        return pool.lowest(|member, demand| demand * member.inverse_weight);
    };
    match &pool.tier.table {
        Some(table) => by_table(pool, table, key, bound),
        None => by_rendezvous(pool, key, bound),
    }
}

/// How many requests a target may have in flight; reckoned when it is first asked for.
#[derive(Default)]
struct Bound {
    /// Requests in flight over the sum of weights, times the slack.
    per_weight: Cell<Option<f32>>,
}

impl Bound {
    const fn none() -> Self {
        Self {
            per_weight: Cell::new(Some(f32::INFINITY)),
        }
    }

    #[inline]
    fn has_room(&self, pool: &Pool<'_>, member: &Member) -> bool {
        // The bound is never less than one request.
        member.state.in_flight() == 0 || self.allows_more(pool, member)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a load needs no more than 24 bits"
    )]
    fn allows_more(&self, pool: &Pool<'_>, member: &Member) -> bool {
        let per_weight = self.per_weight.get().unwrap_or_else(|| Self::reckon(pool));
        self.per_weight.set(Some(per_weight));
        (member.state.in_flight() + 1) as f32 <= (per_weight * member.weight).ceil()
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a bound needs no more than 24 bits"
    )]
    fn reckon(pool: &Pool<'_>) -> f32 {
        let (mut requests, mut weights) = (1_u64, 0.0);
        // The bound is over all targets of the tier: one that is full still has its share.
        for member in &pool.tier.members {
            requests += u64::from(member.state.in_flight());
            weights += member.weight;
        }
        SLACK * requests as f32 / f32::max(weights, f32::MIN_POSITIVE)
    }
}

fn by_rendezvous(pool: &Pool<'_>, key: u64, bound: &Bound) -> Option<usize> {
    let mut best: Option<(f32, usize)> = None;
    let mut best_full: Option<(f32, usize)> = None;
    for (place, member) in pool.tier.members.iter().enumerate() {
        if !pool.is_open_member(place, member) {
            continue;
        }
        let hash = pool.tier.hashes.get(place).copied().unwrap_or(0);
        let score = rank(key, hash, member);
        let slot = if bound.has_room(pool, member) {
            &mut best
        } else {
            &mut best_full
        };
        if slot.is_none_or(|(highest, _)| score > highest) {
            *slot = Some((score, place));
        }
    }
    best.or(best_full).map(|(_, place)| place)
}

/// The number that `member` draws for `key`: the chance to be the greatest is by weight.
///
/// The whole weight, not the share while recovering: a key must not wander as the share grows.
fn rank(key: u64, hash: u64, member: &Member) -> f32 {
    let word = mix(key ^ hash);
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float exactly")]
    let unit = ((word >> 40) as f32 + 0.5) / 16_777_216.0;
    -member.whole_weight() / ln(unit)
}

/// The natural logarithm of a number between 0 and 1, to within 1 in a million, also of what is
/// left to 1: the same on every machine, which the standard library's is not, and faster.
fn ln(unit: f32) -> f32 {
    let bits = unit.to_bits();
    // Takes the number apart so that the mantissa lies around 1, from √½ to √2.
    let exponent = bits.wrapping_sub(0.5_f32.sqrt().to_bits()).cast_signed() >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((exponent << 23).cast_unsigned()));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 2.0 * s * (1.0 + square * (1.0 / 3.0 + square * (0.2 + square / 7.0)));
    #[expect(clippy::cast_precision_loss, reason = "an exponent has 8 bits")]
    let whole = exponent as f32;
    whole * std::f32::consts::LN_2 + series
}

fn by_table(pool: &Pool<'_>, table: &Table, key: u64, bound: &Bound) -> Option<usize> {
    let mut word = mix(key);
    for _ in 0..STEPS {
        if let Some(place) = table.at(word)
            && let Some(member) = pool.member(place)
            && pool.is_open_member(place, member)
            && bound.has_room(pool, member)
        {
            return Some(place);
        }
        word = mix(word ^ key.rotate_left(17));
    }
    by_rendezvous(pool, key, bound)
}

/// Who comes first for a key, for many targets: each has as many places as it weighs.
pub(crate) struct Table {
    places: Box<[u32]>,
}

impl Table {
    /// Fills a table: each target in its turn, by weight, takes the first place of its own order
    /// that is still free.
    pub(crate) fn new(members: &[Member], hashes: &[u64]) -> Self {
        let size = if members.len() <= MANY {
            SMALL_SIZE
        } else {
            LARGE_SIZE
        };
        let mut places = vec![NOBODY; size];
        let order = |&hash: &u64| (below(hash, size), 1 + below(mix(hash ^ 1), size - 1));
        let mut order: Vec<(usize, usize)> = hashes.iter().map(order).collect();
        let heaviest = members.iter().map(Member::whole_weight).fold(1.0, f32::max);
        let mut credit = vec![0.0_f32; members.len()];
        let mut left = size;
        while left > 0 {
            for (place, member) in (0_u32..).zip(members) {
                let index = place as usize;
                let (Some(owed), Some(order)) = (credit.get_mut(index), order.get_mut(index))
                else {
                    continue;
                };
                *owed += member.whole_weight() / heaviest;
                if *owed >= 1.0 && left > 0 {
                    *owed -= 1.0;
                    left -= 1;
                    fill_next(&mut places, order, place);
                }
            }
        }
        Self {
            places: places.into(),
        }
    }

    #[inline]
    fn at(&self, word: u64) -> Option<usize> {
        self.places
            .get(below(word, self.places.len()))
            .map(|&place| place as usize)
    }
}

/// Gives `target` the first free place of its own order, which is given by the next place and the
/// step from each to the one after. The size is prime, so that the order comes by every place.
fn fill_next(places: &mut [u32], (next, step): &mut (usize, usize), target: u32) {
    for _ in 0..places.len() {
        let here = *next;
        *next = (*next + *step) % places.len();
        if let Some(slot) = places.get_mut(here)
            && *slot == NOBODY
        {
            *slot = target;
            return;
        }
    }
}

const SLACK: f32 = 1.25;
const STEPS: usize = 8;
/// The sizes of tables, both prime. Not by the number of targets: another size moves every key.
const SMALL_SIZE: usize = 65_537;
const LARGE_SIZE: usize = 655_373;
/// Up to how many targets the small one is used.
const MANY: usize = 1000;
const NOBODY: u32 = u32::MAX;

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::ln;

    #[test]
    fn the_logarithm_is_right_also_next_to_one() {
        for n in (1..16_777_216_u32)
            .step_by(997)
            .chain(16_777_000..16_777_216)
        {
            #[expect(clippy::cast_precision_loss, reason = "24 bits fit a float exactly")]
            let unit = n as f32 / 16_777_216.0;
            let exact = f64::from(unit).ln();
            let off = (f64::from(ln(unit)) - exact).abs() / exact.abs();
            assert!(off < 2e-6, "ln {unit} is off by {off}");
        }
    }
}
