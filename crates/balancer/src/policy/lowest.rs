//! `lowest-cost` and `lowest-usage`: the least of a figure; among those within 5 % of it, the one
//! with the fewest requests in flight for its weight.
//!
//! Law: no target is picked while another open one is cheaper (has more room) by more than 5 %.

use super::Pool;
use crate::tier::Member;

pub(super) fn cost(pool: &Pool<'_>) -> Option<usize> {
    choose(pool, 0.0, |member| member.price)
}

pub(super) fn usage(pool: &Pool<'_>) -> Option<usize> {
    let now = pool.now();
    // Of targets that have used next to nothing, none has noticeably more room.
    choose(pool, 0.01, |member| member.state.load.usage(now))
}

fn choose(pool: &Pool<'_>, slack: f32, figure: impl Fn(&Member) -> f32) -> Option<usize> {
    let mut least = f32::INFINITY;
    for (place, member) in pool.tier.members.iter().enumerate() {
        if pool.is_open_member(place, member) {
            least = least.min(figure(member));
        }
    }
    let limit = least * TIE + slack;
    let mut best: Option<(f32, usize)> = None;
    let start = pool.random_place();
    let (before, after) = pool.tier.members.split_at(start.min(pool.len()));
    for (place, member) in (start..).zip(after).chain((0..).zip(before)) {
        if pool.is_open_member(place, member) && figure(member) <= limit {
            let load = pool.load_of(member);
            if best.is_none_or(|(fewest, _)| load < fewest) {
                best = Some((load, place));
            }
        }
    }
    best.map(|(_, place)| place)
}

/// Up to this multiple of the least, figures count as equal.
const TIE: f32 = 1.05;
