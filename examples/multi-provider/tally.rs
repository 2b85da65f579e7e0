//! Who served how many requests.

use std::collections::BTreeMap;
use std::ops::AddAssign;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) asked: usize,
    pub(crate) failed: usize,
    /// Requests that needed more than one attempt.
    pub(crate) taken_over: usize,
    served: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn count(&mut self, provider: &str, attempts: u64) {
        self.asked += 1;
        self.taken_over += usize::from(attempts > 1);
        *self.served.entry(provider.to_owned()).or_default() += 1;
    }

    pub(crate) fn count_failed(&mut self) {
        self.asked += 1;
        self.failed += 1;
    }

    pub(crate) fn served_by(&self, provider: &str) -> usize {
        self.served.get(provider).copied().unwrap_or(0)
    }

    pub(crate) fn answered(&self) -> usize {
        self.asked - self.failed
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.failed += other.failed;
        self.taken_over += other.taken_over;
        for (provider, count) in other.served {
            *self.served.entry(provider).or_default() += count;
        }
    }
}
