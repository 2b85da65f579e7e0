//! What one pick is asked for, borrowed from whoever asks.

use crate::name::ModelName;

/// A request as the choice of its target sees it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask<'a> {
    /// The model asked for by name.
    pub(crate) model: Option<&'a ModelName>,
    /// What requests have in common that should meet at one target.
    pub(crate) key: Option<u64>,
    /// The serials of the targets tried already.
    pub(crate) tried: &'a [u32],
    /// What may be tried once more; none where nothing is.
    pub(crate) second: Option<&'a SecondTries>,
}

/// What a request may try once more.
#[derive(Default)]
pub(crate) struct SecondTries {
    /// Which of the targets tried, a bit each, the first in the lowest.
    pub(crate) marked: u64,
    /// The priorities that had their second try.
    pub(crate) spent: Vec<u32>,
}

impl Ask<'_> {
    /// Whether this request may not have the target: it was tried, and where this is the second
    /// try of its tier, may not be tried again.
    #[inline]
    pub(crate) fn shuts(&self, serial: u32, is_second: bool) -> bool {
        if is_second {
            self.tried.contains(&serial) && !self.allows_again(serial)
        } else {
            self.tried.contains(&serial)
        }
    }

    /// Whether targets of `priority` that were tried may be tried again, once none else is left.
    #[inline]
    pub(crate) fn has_second_try(&self, priority: u32) -> bool {
        self.second
            .is_some_and(|second| !second.spent.contains(&priority))
    }

    fn allows_again(&self, serial: u32) -> bool {
        let marked = self.second.map_or(0, |second| second.marked);
        let bits = (0..u64::BITS).map(|bit| marked >> bit & 1 == 1);
        let mut marked = self.tried.iter().zip(bits);
        marked.any(|(&tried, is_marked)| is_marked && tried == serial)
    }
}
