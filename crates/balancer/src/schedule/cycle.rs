//! Making a cycle: a schedule in which each target's turns are spread as evenly as can be.

/// The longest cycle: beyond it weights are rounded, to at least one turn.
const LONGEST: u64 = 1 << 18;

/// Makes a cycle in which `i` takes `weights[i]` turns over their greatest common divisor.
///
/// The `k`-th turn of a target with share `s` may begin at `k/s` and must have come by
/// `(k+1)/s`; of those that may, the one that must soonest is next, and of equals the
/// one that may the longest. Such a schedule exists for
/// any shares, and keeps every target within one turn of its due at any time.
pub(super) fn cycle(weights: &[u32]) -> Box<[u32]> {
    let weights = reduced(weights);
    let total: u64 = weights.iter().sum();
    let Ok(len) = usize::try_from(total) else {
        return Box::default();
    };
    if weights.iter().all(|&weight| weight == 1) {
        return (0..).take(len).collect();
    }
    let mut waiting = Queues::new(len + 1, weights.len());
    let mut ready = Queues::new(len + 1, weights.len());
    let mut marks = Marks::new(len + 1);
    let mut pace: Vec<Pace> = weights.iter().map(|&w| Pace::new(total, w)).collect();
    for (target, first) in (0_u32..).zip(&pace) {
        if first.weight > 0 {
            ready.append(first.due(), target);
            marks.set(first.due());
        }
    }
    let mut turns = Vec::with_capacity(len);
    for now in 0..len {
        while let Some(target) = waiting.take(now) {
            let due = pace.get(target as usize).map_or(len, Pace::due);
            ready.append(due, target);
            marks.set(due);
        }
        let Some(due) = marks.first() else { continue };
        let Some(target) = ready.take(due) else {
            continue;
        };
        if ready.is_empty(due) {
            marks.clear(due);
        }
        turns.push(target);
        if let Some(pace) = pace.get_mut(target as usize) {
            pace.step();
            // A turn that might have begun already waits for the next place.
            waiting.append(pace.begins().max(now + 1), target);
        }
    }
    turns.into()
}

/// When a target's next turn may begin, and by when it must have come: places of the cycle, reckoned
/// on from turn to turn without a division.
struct Pace {
    weight: u64,
    /// The ideal gap between two turns: whole places, and the rest in `weight`ths.
    gap: (u64, u64),
    /// Where the ideal time of the next turn lies, in the same parts.
    at: (u64, u64),
}

impl Pace {
    const fn new(total: u64, weight: u64) -> Self {
        let divisor = if weight == 0 { 1 } else { weight };
        Self {
            weight,
            gap: (total / divisor, total % divisor),
            at: (0, 0),
        }
    }

    const fn after(&self) -> (u64, u64) {
        let (whole, part) = (self.at.0 + self.gap.0, self.at.1 + self.gap.1);
        if part >= self.weight && self.weight > 0 {
            (whole + 1, part - self.weight)
        } else {
            (whole, part)
        }
    }

    const fn step(&mut self) {
        self.at = self.after();
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a place of the cycle, or the one behind it"
    )]
    const fn begins(&self) -> usize {
        self.at.0 as usize
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a place of the cycle, or the one behind it"
    )]
    const fn due(&self) -> usize {
        let (whole, part) = self.after();
        (whole + (part > 0) as u64) as usize
    }
}

/// For each place of a cycle a queue of targets, each of which is in one queue at most.
struct Queues {
    /// The last of each queue, whose `next` is the first.
    last: Vec<u32>,
    next: Vec<u32>,
}

impl Queues {
    fn new(places: usize, targets: usize) -> Self {
        Self {
            last: vec![NOBODY; places],
            next: vec![NOBODY; targets],
        }
    }

    fn is_empty(&self, place: usize) -> bool {
        self.last.get(place).is_none_or(|&last| last == NOBODY)
    }

    fn append(&mut self, place: usize, target: u32) {
        let Some(last) = self.last.get_mut(place) else {
            return;
        };
        let before = std::mem::replace(last, target);
        let first = match self.next.get_mut(before as usize) {
            Some(next) => std::mem::replace(next, target),
            None => target,
        };
        if let Some(next) = self.next.get_mut(target as usize) {
            *next = first;
        }
    }

    fn take(&mut self, place: usize) -> Option<u32> {
        let last = self.last.get_mut(place)?;
        let first = *self.next.get(*last as usize)?;
        if first == *last {
            *last = NOBODY;
        } else {
            let second = *self.next.get(first as usize)?;
            *self.next.get_mut(*last as usize)? = second;
        }
        Some(first)
    }
}

/// A set of places that gives its least in a few steps, however far away: a bit a place, and a bit
/// for each word that is not empty, and so on.
struct Marks(Vec<Vec<u64>>);

impl Marks {
    fn new(places: usize) -> Self {
        let mut levels = Vec::new();
        let mut len = places;
        loop {
            len = len.div_ceil(64);
            levels.push(vec![0; len]);
            if len <= 1 {
                return Self(levels);
            }
        }
    }

    fn set(&mut self, mut place: usize) {
        for level in &mut self.0 {
            if let Some(word) = level.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
            place /= 64;
        }
    }

    fn clear(&mut self, mut place: usize) {
        for level in &mut self.0 {
            let Some(word) = level.get_mut(place / 64) else {
                return;
            };
            *word &= !(1 << (place % 64));
            if *word != 0 {
                return;
            }
            place /= 64;
        }
    }

    fn first(&self) -> Option<usize> {
        let mut place = 0;
        for level in self.0.iter().rev() {
            let word = *level.get(place)?;
            if word == 0 {
                return None;
            }
            place = place * 64 + word.trailing_zeros() as usize;
        }
        Some(place)
    }
}

/// The end of a queue.
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
    use super::*;
    use proptest::prelude::*;

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
