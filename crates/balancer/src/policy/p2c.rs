//! `p2c`: of two drawn at random, the one with fewer requests in flight for its weight.
//!
//! Law: of two or more targets whose loads differ, the one with the greatest is never picked.

use super::{Pool, wrapped};
use crate::random::below;

#[inline(never)]
pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    let len = pool.len();
    if len < 2 {
        return pool.first_open();
    }
    for _ in 0..DRAWS {
        let word = pool.random().word();
        let first = below(word, len);
        // A second place that cannot be the first.
        let step = 1 + below(word << 32, len - 1);
        let second = wrapped(first + step, len);
        let (Some(one), Some(two)) = (pool.member(first), pool.member(second)) else {
            continue;
        };
        // One alone is taken only when no other is left to compare it with.
        if let (Some(one), Some(two)) = (pool.open_load(first, one), pool.open_load(second, two)) {
            return Some(if two < one { second } else { first });
        }
    }
    pool.lowest(|member, demand| demand * member.inverse_weight)
}

const DRAWS: usize = 8;
