//! Whose turn it is: a cycle in which every target appears exactly as often as it weighs, and
//! every prefix is within one turn of the ideal.

mod cycle;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use self::cycle::cycle;
use crate::desk::Way;
use crate::lane::{Apart, LANES};
use crate::random::below;
use crate::sync::{AtomicU64, Ordering};

/// A cycle of turns and the places where it stands.
///
/// Threads that do not meet get every turn in its order. Those that do go through the cycle each on
/// its own ([`Way`]), from another place on. What one of them took is a piece of the cycle, wound
/// around it as often as may be, and any piece is within two turns of the ideal for each target: so
/// all picks together are within one turn, and two more for each lane, of which there are eight, and
/// for those that found no desk free.
pub(crate) struct Rotation {
    /// What the cycle was made from: who takes part, and with what weight.
    recipe: Recipe,
    turns: Turns,
    /// Where in the cycle the front desk stands, in 2^64ths of it, so that a turn costs no division
    /// and the cycle's end is the word's own.
    cursor: Apart<AtomicU64>,
    /// One turn in those units, rounded up: a turn is lost to the rounding after 2^46 of them.
    step: u64,
    /// Where the lanes stand, and last those without a desk; none before threads met here.
    others: OnceLock<Box<[Apart<AtomicU64>]>>,
}

impl Rotation {
    /// Makes the cycle for targets, given by their serials, and their weights.
    ///
    /// Continues at the place in the cycle where `before` stood; and is `before`'s cycle when
    /// nothing changed, so that other changes leave its exactness alone.
    pub(crate) fn new(recipe: Recipe, before: Option<&Self>, cycles: &Cycles) -> Self {
        let turns = cycles.of(&recipe);
        let step = (u64::MAX / turns.len().max(1) as u64).wrapping_add(1);
        let done = before.map_or(0, |before| before.cursor.0.load(Ordering::Relaxed));
        let start = (below(done, turns.len()) as u64).wrapping_mul(step);
        Self {
            recipe,
            turns,
            cursor: Apart(AtomicU64::new(start)),
            step,
            others: OnceLock::new(),
        }
    }

    pub(crate) fn is_made_from(&self, recipe: &[(u32, u32)]) -> bool {
        *self.recipe == *recipe
    }

    /// Takes the turn of whoever comes that way, and says at which place of the cycle it is.
    #[inline]
    pub(crate) fn take(&self, way: Way) -> usize {
        match way {
            Way::Front => self.pass(&self.cursor.0),
            Way::Lane(lane) => self.other(lane).map_or(0, |cursor| self.pass(cursor)),
            Way::Spare => self.other(LANES).map_or(0, |cursor| {
                below(
                    cursor.fetch_add(self.step, Ordering::Relaxed),
                    self.turns.len(),
                )
            }),
        }
    }

    /// The same with a cursor that nobody else moves meanwhile.
    #[inline]
    fn pass(&self, cursor: &AtomicU64) -> usize {
        let seen = cursor.load(Ordering::Relaxed);
        cursor.store(seen.wrapping_add(self.step), Ordering::Relaxed);
        below(seen, self.turns.len())
    }

    #[inline]
    fn other(&self, lane: usize) -> Option<&AtomicU64> {
        let others = self.others.get_or_init(|| self.others());
        others.get(lane).map(|cursor| &cursor.0)
    }

    /// Where the lanes begin: as far from each other and from the front desk as can be.
    #[cold]
    fn others(&self) -> Box<[Apart<AtomicU64>]> {
        let done = self.cursor.0.load(Ordering::Relaxed);
        (0..=LANES as u64)
            .map(|lane| {
                let there = done.wrapping_add((lane + 1).wrapping_mul(u64::MAX / SPREAD));
                let place = below(there, self.turns.len()) as u64;
                Apart(AtomicU64::new(place.wrapping_mul(self.step)))
            })
            .collect()
    }

    /// Whose turn it is at `place`, which wraps around.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<usize> {
        let len = self.turns.len();
        let place = if place < len {
            place
        } else {
            place % len.max(1)
        };
        self.turns.get(place).map(|&turn| turn as usize)
    }

    /// The number of turns in the cycle.
    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }
}

/// In how many parts the lanes divide the cycle.
const SPREAD: u64 = LANES as u64 + 2;

/// Who takes part in a cycle, by serial, and with what weight.
pub(crate) type Recipe = Arc<[(u32, u32)]>;

/// Whose turn it is, at each place of a cycle.
type Turns = Arc<[u32]>;

/// Cycles made at one time: most kinds of requests have the same targets, and one cycle does for
/// them.
#[derive(Default)]
pub(crate) struct Cycles {
    made: RefCell<HashMap<Recipe, Turns>>,
}

impl Cycles {
    fn of(&self, recipe: &Recipe) -> Turns {
        let mut made = self.made.borrow_mut();
        let turns = made.entry(Arc::clone(recipe)).or_insert_with(|| {
            let weights: Vec<u32> = recipe.iter().map(|&(_, weight)| weight).collect();
            cycle(&weights).into()
        });
        Arc::clone(turns)
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering as StdOrdering};

    use super::*;

    fn rotation(recipe: impl Into<Recipe>, before: Option<&Rotation>) -> Rotation {
        Rotation::new(recipe.into(), before, &Cycles::default())
    }

    fn take(rotation: &Rotation) -> usize {
        rotation.take(Way::Front)
    }

    #[test]
    fn a_rotation_made_anew_goes_on_where_it_stood() {
        let old = rotation([(1, 1), (2, 1), (3, 1), (4, 1)], None);
        let _turns: Vec<usize> = (0..2).map(|_| take(&old)).collect();
        let new = rotation([(1, 1), (2, 1)], Some(&old));
        assert_eq!(take(&new), 1);
    }

    #[test]
    fn two_to_the_32_turns_are_nothing_special() {
        let rotation = rotation([(1, 1), (2, 1), (3, 1)], None);
        let done = rotation.step.wrapping_mul(u64::from(u32::MAX));
        rotation.cursor.0.store(done, Ordering::Relaxed);
        let places: Vec<usize> = (0..4).map(|_| take(&rotation)).collect();
        assert_eq!(places, [0, 1, 2, 0]);
    }

    #[test]
    fn each_way_goes_through_the_whole_cycle_in_its_order() {
        let rotation = rotation([(1, 1), (2, 1), (3, 1)], None);
        for way in [Way::Front, Way::Lane(0), Way::Lane(7), Way::Spare] {
            let first = rotation.take(way);
            let places: Vec<usize> = (0..3).map(|_| rotation.take(way)).collect();
            let expected: Vec<usize> = (1..4).map(|n| (first + n) % 3).collect();
            assert_eq!(places, expected, "{way:?}");
        }
    }

    #[test]
    fn threads_that_meet_stay_within_a_few_turns_of_the_ideal() {
        let weights = [70, 30, 1, 7];
        let recipe: Recipe = (0..).zip(weights).collect();
        let rotation = rotation(recipe, None);
        let counts: [AtomicU32; 4] = Default::default();
        let pick = |way| {
            let target = rotation.at(rotation.take(way)).unwrap();
            counts[target].fetch_add(1, StdOrdering::Relaxed);
        };
        std::thread::scope(|scope| {
            for way in [Way::Front, Way::Lane(0), Way::Spare, Way::Spare] {
                scope.spawn(move || (0..PICKS).for_each(|_| pick(way)));
            }
        });
        for (count, weight) in counts.iter().zip(weights) {
            let due = f64::from(weight) * f64::from(THREADS * PICKS) / 108.0;
            let off = (f64::from(count.load(StdOrdering::Relaxed)) - due).abs();
            assert!(off < f64::from(1 + 2 * THREADS), "off by {off}");
        }
    }

    const THREADS: u32 = 4;
    const PICKS: u32 = 200_000;
}
