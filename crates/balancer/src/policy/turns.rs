//! `round-robin` and `weighted`: each target in its turn.
//!
//! Both walk a cycle made beforehand ([`crate::schedule`]); for `round-robin` all weights are one.
//! Laws: over a cycle each target is picked exactly as often as it weighs; at any time each is
//! within one pick of its due; of `n` equal targets any `n` picks in a row are different.

use super::Pool;

#[inline]
pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    let Some(rotation) = &pool.tier.rotation else {
        return pool.first_open();
    };
    let place = rotation.take();
    match rotation.at(place) {
        Some(target) if pool.is_open(target) => Some(target),
        Some(_) | None => next_open(pool, place),
    }
}

/// Passes the turn on to whoever comes next in the cycle and is open.
#[cold]
fn next_open(pool: &Pool<'_>, place: usize) -> Option<usize> {
    let rotation = pool.tier.rotation.as_ref()?;
    let ahead = rotation.len().min(LOOK_AHEAD);
    (1..=ahead)
        .filter_map(|step| rotation.at(place + step))
        .find(|&target| pool.is_open(target))
        .or_else(|| pool.first_open())
}

/// How far in the cycle to look before looking at each target instead.
const LOOK_AHEAD: usize = 64;
