//! What an update did.

use std::sync::Arc;

/// What an update did to the targets, by name, each list in the order of the plan.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diff {
    /// Targets that were not there before.
    pub added: Vec<Arc<str>>,
    /// Targets that are gone: they finish what they have.
    pub removed: Vec<Arc<str>>,
    /// Targets of which the plan says something else. They keep their state.
    pub changed: Vec<Arc<str>>,
    /// Targets of which the plan says the same, but perhaps for what the caller attached.
    pub kept: Vec<Arc<str>>,
}

impl Diff {
    /// Whether the plan had the same targets as before, with the same settings.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}
