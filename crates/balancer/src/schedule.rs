//! Whose turn it is: a cycle in which every target appears exactly as often as it weighs, and
//! every prefix is within one turn of the ideal.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, OnceLock};

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

/// The longest cycle: beyond it weights are rounded, to at least one turn.
const LONGEST: u64 = 1 << 18;

/// Makes a cycle in which `i` takes `weights[i]` turns over their greatest common divisor.
///
/// The `k`-th turn of a target with share `s` may begin at `k/s` and must have come by
/// `(k+1)/s`; of those that may, the one that must soonest is next, and of equals the
/// one that may the longest. Such a schedule exists for
/// any shares, and keeps every target within one turn of its due at any time.
pub(crate) fn cycle(weights: &[u32]) -> Box<[u32]> {
    let weights = reduced(weights);
    let total: u64 = weights.iter().sum();
    let Ok(len) = usize::try_from(total) else {
        return Box::default();
    };
    if weights.iter().all(|&weight| weight == 1) {
        return (0..).take(len).collect();
    }
    // Turns that may not begin yet, by the time at which they may; each a linked list.
    let mut waiting: Vec<u32> = vec![NOBODY; len];
    let mut next_waiting: Vec<u32> = vec![NOBODY; weights.len()];
    let mut taken: Vec<u64> = vec![0; weights.len()];
    let mut ready = BinaryHeap::with_capacity(weights.len());
    for (target, &weight) in (0_u32..).zip(&weights) {
        if weight > 0 {
            ready.push(Reverse((total.div_ceil(weight), 0, target)));
        }
    }
    let mut turns = Vec::with_capacity(len);
    for now in 0..len {
        let mut woken = waiting.get(now).copied().unwrap_or(NOBODY);
        while let Some(&weight) = weights.get(woken as usize) {
            let count = taken.get(woken as usize).copied().unwrap_or(0);
            let due = ((count + 1) * total).div_ceil(weight);
            ready.push(Reverse((due, now, woken)));
            woken = next_waiting.get(woken as usize).copied().unwrap_or(NOBODY);
        }
        let Some(Reverse((_, _, target))) = ready.pop() else {
            continue;
        };
        turns.push(target);
        let slot = target as usize;
        let (Some(&weight), Some(count)) = (weights.get(slot), taken.get_mut(slot)) else {
            continue;
        };
        *count += 1;
        let begins = usize::try_from(*count * total / weight).unwrap_or(len);
        // A turn that might have begun already waits for the next place.
        if let (Some(head), Some(link)) = (
            waiting.get_mut(begins.max(now + 1)),
            next_waiting.get_mut(slot),
        ) {
            *link = std::mem::replace(head, target);
        }
    }
    turns.into()
}

/// The end of a linked list.
const NOBODY: u32 = u32::MAX;

/// The weights over their greatest common divisor, rounded where the cycle would be too long.
fn reduced(weights: &[u32]) -> Vec<u64> {
    let divisor = weights
        .iter()
        .fold(0, |divisor, &weight| gcd(divisor, weight))
        .max(1);
    let total: u64 = weights
        .iter()
        .map(|&weight| u64::from(weight / divisor))
        .sum();
    let round = |weight: u32| -> u64 {
        let weight = u64::from(weight / divisor);
        if total <= LONGEST || weight == 0 {
            weight
        } else {
            ((weight * LONGEST + total / 2) / total).max(1)
        }
    };
    weights.iter().map(|&weight| round(weight)).collect()
}

const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering as StdOrdering};

    use super::*;
    use proptest::prelude::*;

    fn rotation(recipe: impl Into<Recipe>, before: Option<&Rotation>) -> Rotation {
        Rotation::new(recipe.into(), before, &Cycles::default())
    }

    fn take(rotation: &Rotation) -> usize {
        let turn = rotation.look();
        rotation
            .take(turn)
            .map_or_else(|place| place, |()| turn.place)
    }

    #[track_caller]
    fn check(weights: &[u32], expected: &str) {
        let drawn: String = cycle(weights)
            .iter()
            .map(|&turn| char::from(b'a' + u8::try_from(turn).unwrap()))
            .collect();
        assert_eq!(drawn, expected, "for {weights:?}");
    }

    #[test]
    fn turns_are_spread_over_the_cycle() {
        check(&[1, 1, 1], "abc");
        check(&[50, 50], "ab");
        check(&[2, 1], "aba");
        check(&[3, 1], "aaba");
        check(&[70, 30], "aabaabaaba");
        check(&[7], "a");
        check(&[], "");
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

    #[test]
    fn a_cycle_that_would_be_endless_is_rounded() {
        let weights: Vec<u32> = (0..100_000).map(|n| n % 100 + 1).collect();
        let turns = cycle(&weights);
        assert!(turns.len() < 400_000, "{}", turns.len());
        let mut seen = vec![false; weights.len()];
        for &turn in &turns {
            seen[turn as usize] = true;
        }
        assert!(seen.iter().all(|seen| *seen), "everyone has a turn");
    }

    proptest! {
        #[test]
        fn every_prefix_is_within_one_turn_of_the_ideal(
            weights in prop::collection::vec(1_u32..=100, 1..40),
        ) {
            let turns = cycle(&weights);
            let total: u64 = weights.iter().copied().map(u64::from).sum();
            let mut counts = vec![0_u64; weights.len()];
            for (n, &turn) in (1_u64..).zip(&turns) {
                counts[turn as usize] += 1;
                for (&count, &weight) in counts.iter().zip(&weights) {
                    let (got, due) = (count * total, u64::from(weight) * n);
                    prop_assert!(got.abs_diff(due) < total, "{counts:?} after {n} of {weights:?}");
                }
            }
            for (&count, &weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(count * total, u64::from(weight) * turns.len() as u64);
            }
        }

        #[test]
        fn nobody_waits_longer_than_two_ideal_gaps(
            weights in prop::collection::vec(1_u32..=100, 1..20),
        ) {
            let turns = cycle(&weights);
            let total: usize = turns.len();
            for (target, &weight) in (0_u32..).zip(&weights) {
                let share = weights.iter().sum::<u32>() as usize;
                let places: Vec<usize> =
                    (0..2 * total).filter(|n| turns[n % total] == target).collect();
                for pair in places.windows(2) {
                    prop_assert!((pair[1] - pair[0]) * weight as usize <= 2 * share);
                }
            }
        }
    }
}
