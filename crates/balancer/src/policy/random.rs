//! `random`: drawn by weight, whatever goes on.
//!
//! Law: each open target's share is its weight over the weights of all open ones.

use super::Pool;
use crate::random::below;

pub(super) fn choose(pool: &Pool<'_>) -> Option<usize> {
    // Draw by weight: take a place at random, keep it by its weight, else draw again. A few draws
    // nearly always do, at a cost that does not grow with the number of targets.
    for _ in 0..DRAWS {
        let word = pool.random().word();
        let place = below(word, pool.len());
        if let Some(member) = pool.member(place) {
            let kept = unit(word) * pool.tier.heaviest < member.weight;
            if kept && pool.is_open_member(place, member) {
                return Some(place);
            }
        }
    }
    by_sum(pool)
}

/// Draws among the open targets by adding up their weights.
fn by_sum(pool: &Pool<'_>) -> Option<usize> {
    let open = || {
        let places = pool.tier.members.iter().enumerate();
        places.filter(|&(place, member)| pool.is_open_member(place, member))
    };
    let total: f32 = open().map(|(_, member)| member.weight).sum();
    let mut left = unit(pool.random().word()) * total;
    let mut last = None;
    for (place, member) in open() {
        last = Some(place);
        left -= member.weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// The word's low bits as a number from 0 to 1; the high ones chose the place.
#[expect(clippy::cast_precision_loss, reason = "24 bits fit a float exactly")]
fn unit(word: u64) -> f32 {
    (word & 0xff_ffff) as f32 / 16_777_216.0
}

const DRAWS: usize = 32;
