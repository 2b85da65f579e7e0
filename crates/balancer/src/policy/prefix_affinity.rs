//! `prefix-affinity`: the same target for the same beginning of a prompt, so that what the target
//! cached of it is used again.
//!
//! Follows the key as `consistent-hash` does, without its bound: a prompt that is in the cache takes
//! so much less work that its target can be a good deal busier than the others. Only when load is
//! so uneven that a hit is not worth the queue, the least loaded takes it: more than 32 requests
//! and more than a tenth between the busiest and the idlest.

use super::{Pool, consistent_hash};

pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    if is_uneven(pool) {
        return pool.lowest(|member, demand| demand * member.inverse_weight);
    }
    consistent_hash::choose_unbounded(pool)
}

fn is_uneven(pool: &Pool<'_>) -> bool {
    let mut least = u32::MAX;
    let mut most = 0;
    for (place, member) in pool.tier.members.iter().enumerate() {
        if pool.is_open_member(place, member) {
            let in_flight = member.state.in_flight();
            least = least.min(in_flight);
            most = most.max(in_flight);
        }
    }
    let gap = most.saturating_sub(least);
    gap > LEAST_GAP && u64::from(most) * 10 > u64::from(least) * 11
}

/// Below this difference of requests in flight, load counts as even.
const LEAST_GAP: u32 = 32;
