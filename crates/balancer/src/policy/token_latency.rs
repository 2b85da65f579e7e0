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
use crate::load::token_cost;

#[inline(never)]
pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    let usual = token_cost(pool.usual_spt());
    // All but the requests and the weight is reckoned when a request ends.
    pool.lowest(|member, demand| demand * member.state.load.cost(usual) * member.inverse_weight)
}
