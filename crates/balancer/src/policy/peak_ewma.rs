//! `peak-ewma`: who is likely to send a first byte soonest.
//!
//! The time to the first byte, by a mean that jumps to a slow answer at once and forgets it over
//! ten seconds, times the requests in flight and one, over the weight. For short answers: a stream
//! of tokens says more by its length than by its beginning. A target without a sample counts as
//! the mean of the others. Law: all else being equal, the target with the higher mean is not
//! picked.

use super::{Pool, SCAN};
use crate::tier::Member;

pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    let now = pool.now();
    let known = |member: &Member| member.state.load.ttft(now);
    let (mut sum, mut count) = (0.0, 0.0);
    for seconds in pool.tier.members.iter().take(SCAN).filter_map(known) {
        sum += seconds;
        count += 1.0;
    }
    let usual = if count > 0.0 { sum / count } else { 1.0 };
    pool.lowest(|member, demand| known(member).unwrap_or(usual) * demand * member.inverse_weight)
}
