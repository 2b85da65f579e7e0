//! `token-latency`: who is likely to finish the answer soonest.
//!
//! The score, lower is better:
//!
//! ```text
//! (in flight + recent failures + 1) · (seconds per token)^1.5
//! -----------------------------------------------------------
//!      weight · share while recovering · room · success
//! ```
//!
//! *Room* falls by 30 % with each rate limit, at most once a second, and comes back slowly;
//! *success* falls by 30 % with each failure and comes back by 30 % of what is missing. So a
//! target that fails fast looks busy and unlikely to serve, instead of fast. Law: all else being
//! equal, a target's share falls as its seconds per token rise.
//!
//! The pace counts for more than the requests, as those share a target: a second request slows the
//! first by a few per cent, while a target that is five times slower is so for each of its answers.

use super::Pool;
use crate::tier::Member;

#[inline(never)]
pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    let usual_spt = pool.usual_spt();
    pool.lowest(|member, demand| score(usual_spt, member, demand))
}

#[inline]
fn score(usual_spt: f32, member: &Member, demand: f32) -> f32 {
    let load = &member.state.load;
    let (spt, success) = load.pace();
    let spt = if spt > 0.0 { spt } else { usual_spt };
    let worth = load.room() * success.max(LEAST_SUCCESS);
    demand * (spt * spt.sqrt()) * member.inverse_weight / worth
}

/// A target that only failed lately still counts for this much, so that it is tried now and then.
const LEAST_SUCCESS: f32 = 0.02;
