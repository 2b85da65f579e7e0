//! Whose turn it is: a cycle in which every target appears exactly as often as it weighs, and
//! every prefix is within one turn of the ideal.

mod cycle;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use self::cycle::cycle;
use crate::lane::{Apart, LANES, lane};
use crate::random::below;
use crate::sync::{AtomicU64, Ordering};

/// A cycle of turns and the place where it stands.
///
/// One thread at a time gets every turn in its order. Where threads get into each other's way, each
/// takes a block of turns that follow one another, and has a cache line to itself until they are
/// used up. A block, as any piece of the cycle, is within two turns of the ideal for each target:
/// so all picks together are within one turn, and two more for each block, of which there are at
/// most eight.
pub(crate) struct Rotation {
    /// What the cycle was made from: who takes part, and with what weight.
    recipe: Recipe,
    turns: Turns,
    /// Where in the cycle it stands, in 2^64ths of it, so that a turn costs no division and the
    /// cycle's end is the word's own.
    cursor: AtomicU64,
    /// One turn in those units, rounded up: a turn is lost to the rounding after 2^46 of them.
    step: u64,
    /// The blocks of threads that met here; none before the first did.
    blocks: OnceLock<Box<[Apart<Block>; LANES]>>,
}

impl Rotation {
    /// Makes the cycle for targets, given by their serials, and their weights.
    ///
    /// Continues at the place in the cycle where `before` stood; and is `before`'s cycle when
    /// nothing changed, so that other changes leave its exactness alone.
    pub(crate) fn new(recipe: Recipe, before: Option<&Self>, cycles: &Cycles) -> Self {
        let turns = cycles.of(&recipe);
        let step = (u64::MAX / turns.len().max(1) as u64).wrapping_add(1);
        let done = before.map_or(0, |before| before.cursor.load(Ordering::Relaxed));
        let start = (below(done, turns.len()) as u64).wrapping_mul(step);
        Self {
            recipe,
            turns,
            cursor: AtomicU64::new(start),
            step,
            blocks: OnceLock::new(),
        }
    }

    pub(crate) fn is_made_from(&self, recipe: &[(u32, u32)]) -> bool {
        *self.recipe == *recipe
    }

    /// Takes a turn of those set aside for the thread, if any are, and says at which place of the
    /// cycle.
    #[inline]
    pub(crate) fn take_own(&self) -> Option<usize> {
        let block = &self.blocks.get()?.get(lane())?.0;
        match block.take()? {
            Own::Turn(place) => Some(self.wrapped(place)),
            Own::Renewal(left) => Some(self.take_block(left)),
        }
    }

    /// Whose turn it is, for [`take`](Self::take).
    #[inline]
    pub(crate) fn look(&self) -> Turn {
        let seen = self.cursor.load(Ordering::Relaxed);
        let place = below(seen, self.turns.len());
        Turn { seen, place }
    }

    /// Takes the turn that was looked at; or, if somebody was faster, another one, and says at
    /// which place of the cycle.
    #[inline]
    pub(crate) fn take(&self, turn: Turn) -> Result<(), usize> {
        let next = turn.seen.wrapping_add(self.step);
        let won =
            self.cursor
                .compare_exchange(turn.seen, next, Ordering::Relaxed, Ordering::Relaxed);
        won.map(|_| ()).map_err(|_| self.take_block(RENEWALS))
    }

    /// Takes a turn, and sets those behind it aside for the thread, as others get in its way.
    #[cold]
    fn take_block(&self, renewals: u64) -> usize {
        let blocks = self.blocks.get_or_init(Box::default);
        // Another thread of the lane may use its block: that one is not taken away.
        let block = blocks.get(lane()).filter(|block| block.0.is_used_up());
        let turns = block.map_or(1, |_| BLOCK);
        let step = self.step.wrapping_mul(turns);
        let done = self.cursor.fetch_add(step, Ordering::Relaxed);
        let place = below(done, self.turns.len());
        if let Some(block) = block {
            block.0.fill(place + 1, renewals);
        }
        place
    }

    #[inline]
    fn wrapped(&self, place: usize) -> usize {
        let len = self.turns.len();
        if place < len {
            place
        } else {
            place % len.max(1)
        }
    }

    /// Whose turn it is at `place`, which wraps around.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<usize> {
        self.turns
            .get(self.wrapped(place))
            .map(|&turn| turn as usize)
    }

    /// The number of turns in the cycle.
    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }
}

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

/// A turn that was looked at.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    seen: u64,
    pub(crate) place: usize,
}

/// Turns that follow one another, set aside for one thread: the place of the next in the upper
/// half; below it how many more such blocks to take at once, and how many turns are left.
#[derive(Default)]
struct Block(AtomicU64);

/// What a thread has for itself.
enum Own {
    /// The turn at a place of the cycle, which wraps around.
    Turn(usize),
    /// Another block, and so many after it.
    Renewal(u64),
}

impl Block {
    #[inline]
    fn take(&self) -> Option<Own> {
        let seen = self.0.load(Ordering::Relaxed);
        if seen & LEFT == 0 {
            let renewals = seen >> RENEWALS_AT & LEFT;
            return (renewals > 0).then(|| Own::Renewal(renewals - 1));
        }
        let next = seen + (1 << PLACE_AT) - 1;
        let won = self
            .0
            .compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed);
        // Threads of one lane may meet here as well, and then do without.
        won.is_ok()
            .then_some(Own::Turn((seen >> PLACE_AT) as usize))
    }

    fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) & LEFT == 0
    }

    fn fill(&self, place: usize, renewals: u64) {
        let word = (place as u64) << PLACE_AT | renewals << RENEWALS_AT | (BLOCK - 1);
        self.0.store(word, Ordering::Relaxed);
    }
}

const PLACE_AT: u32 = 32;
const RENEWALS_AT: u32 = 16;
const LEFT: u64 = (1 << RENEWALS_AT) - 1;
/// How many turns are set aside at once.
const BLOCK: u64 = 64;
/// How many blocks follow before a thread looks whether it is alone again.
const RENEWALS: u64 = 64;

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering as StdOrdering};

    use super::*;

    fn rotation(recipe: impl Into<Recipe>, before: Option<&Rotation>) -> Rotation {
        Rotation::new(recipe.into(), before, &Cycles::default())
    }

    fn take(rotation: &Rotation) -> usize {
        let turn = rotation.look();
        rotation
            .take(turn)
            .map_or_else(|place| place, |()| turn.place)
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
        rotation.cursor.store(done, Ordering::Relaxed);
        let places: Vec<usize> = (0..4).map(|_| take(&rotation)).collect();
        assert_eq!(places, [0, 1, 2, 0]);
    }

    #[test]
    fn a_thread_that_was_got_in_the_way_of_has_its_next_turns_for_itself() {
        let rotation = rotation([(1, 1), (2, 1), (3, 1)], None);
        assert!(rotation.take_own().is_none(), "nobody was in the way");
        let turn = rotation.look();
        assert_eq!(take(&rotation), 0);
        assert_eq!(rotation.take(turn), Err(1), "somebody was faster");
        let own: Vec<usize> = (0..4).filter_map(|_| rotation.take_own()).collect();
        assert_eq!(own, [2, 0, 1, 2]);
        assert_eq!(take(&rotation), (1 + 64) % 3, "others go on behind them");
        let end = (0..200_000)
            .find(|_| rotation.take_own().is_none())
            .unwrap();
        assert!(end < 64 * 65, "a thread alone takes turns as before");
    }

    #[test]
    fn threads_that_meet_stay_within_a_few_turns_of_the_ideal() {
        let weights = [70, 30, 1, 7];
        let recipe: Recipe = (0..).zip(weights).collect();
        let rotation = rotation(recipe, None);
        let counts: [AtomicU32; 4] = Default::default();
        let pick = |_| {
            let place = rotation.take_own().unwrap_or_else(|| take(&rotation));
            let target = rotation.at(place).unwrap();
            counts[target].fetch_add(1, StdOrdering::Relaxed);
        };
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..PICKS).for_each(pick));
            }
        });
        for (count, weight) in counts.iter().zip(weights) {
            let due = f64::from(weight) * f64::from(THREADS * PICKS) / 108.0;
            let off = (f64::from(count.load(StdOrdering::Relaxed)) - due).abs();
            assert!(off < f64::from(1 + 2 * THREADS), "off by {off}");
        }
    }

    const THREADS: u32 = 3;
    const PICKS: u32 = 200_000;
}
