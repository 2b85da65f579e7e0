//! `least-connections`: the fewest requests in flight for the weight.
//!
//! Law: among up to 16 targets, none is picked while another open one has a strictly smaller
//! `(in flight + recent failures + 1) / weight`; ties fall evenly. Of more targets, four are drawn
//! and the same holds among them.

use super::Pool;

#[inline(never)]
pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    pool.lowest(|member, demand| demand * member.inverse_weight)
}
