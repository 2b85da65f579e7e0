//! Randomness: a generator per thread, or a repeatable one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Where a balancer's random numbers come from.
#[derive(Debug)]
pub(crate) enum Random {
    /// One generator per thread: fast, and never the same twice.
    Thread,
    /// One sequence for the balancer: the same picks for the same calls.
    Seeded(AtomicU64),
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(AtomicU64::new(seed))
    }

    #[inline]
    pub(crate) fn word(&self) -> u64 {
        match self {
            Self::Thread => fastrand::u64(..),
            Self::Seeded(state) => mix(state
                .fetch_add(GOLDEN, Ordering::Relaxed)
                .wrapping_add(GOLDEN)),
        }
    }
}

/// Maps a random word evenly to `0..len`; 0 for a `len` of 0.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the result is below `len`")]
pub(crate) fn below(word: u64, len: usize) -> usize {
    ((u128::from(word) * len as u128) >> 64) as usize
}

/// Spreads a word's bits over all others (the finalizer of SplitMix64).
#[inline]
pub(crate) const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Hashes `bytes`, the same way on every machine and in every release.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut state = GOLDEN ^ bytes.len() as u64;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        state = mix(state ^ u64::from_le_bytes(*chunk)).wrapping_add(GOLDEN);
        rest = after;
    }
    let tail = rest
        .iter()
        .rev()
        .fold(0_u64, |tail, &byte| tail << 8 | u64::from(byte));
    mix(state ^ tail)
}

/// The key of a prompt's beginning: a hash of at most its first 1024 bytes, the same on every
/// machine.
///
/// For [`Attempts::key`](crate::Attempts::key) with `prefix-affinity`: prompts that begin alike
/// meet at one target, which may have what it computed of that beginning in its cache.
pub fn key_of_prefix(prompt: &[u8]) -> u64 {
    hash(prompt.get(..PREFIX_BYTES).unwrap_or(prompt))
}

/// About 256 tokens.
const PREFIX_BYTES: usize = 1024;

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_words() {
        let words = |seed| -> Vec<u64> {
            let random = Random::seeded(seed);
            (0..4).map(|_| random.word()).collect()
        };
        assert_eq!(words(1), words(1));
        assert_ne!(words(1), words(2));
    }

    #[test]
    fn words_spread_evenly_below_a_bound() {
        let random = Random::seeded(9);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            counts[below(random.word(), 5)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_600..10_400).contains(count)),
            "{counts:?}"
        );
        assert_eq!(below(u64::MAX, 0), 0);
    }

    #[test]
    fn hashes_differ_by_length_and_content() {
        assert_ne!(hash(b""), hash(b"\0"));
        assert_ne!(hash(b"12345678"), hash(b"123456780"));
        assert_eq!(hash(b"key"), hash(b"key"));
    }
}
