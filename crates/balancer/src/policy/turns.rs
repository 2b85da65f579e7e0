//! `round-robin` and `weighted`: each target in its turn.
//!
//! Both walk a cycle made beforehand ([`crate::schedule`]); for `round-robin` all weights are one.
//! Laws: over a cycle each target is picked exactly as often as it weighs; at any time each is
//! within one pick of its due; of `n` equal targets any `n` picks in a row are different. So it is
//! for one thread, and for several that do not pick in the same few nanoseconds; those that do walk
//! the cycle each on its own, and then each target is within one pick, and two for each of up to
//! eight lanes of threads and for one more, of its due.

use super::Pool;
use crate::schedule::Rotation;

#[inline]
pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    let Some(rotation) = &pool.tier.rotation else {
        return pool.first_open();
    };
    let place = rotation.take(pool.way);
    match rotation.at(place) {
        Some(target) if pool.is_open(target) => Some(target),
        Some(_) | None => next_open(pool, rotation, place),
    }
}

/// Passes the turn on to whoever comes next in the cycle and is open.
#[cold]
fn next_open(pool: &Pool<'_>, rotation: &Rotation, place: usize) -> Option<usize> {
    let ahead = rotation.len().min(LOOK_AHEAD);
    (1..=ahead)
        .filter_map(|step| rotation.at(place + step))
        .find(|&target| pool.is_open(target))
        .or_else(|| pool.first_open())
}

/// How far in the cycle to look before looking at each target instead.
const LOOK_AHEAD: usize = 64;
