//! Active checks: the balancer says when, somebody else makes them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_health::{ActiveCheck, Event, Moment};

use crate::balancer::Balancer;
use crate::core::Core;
use crate::node::Node;

/// A check that is due. Derefs to what the caller attached to the target.
///
/// Dropping it without a report costs the target one period and nothing else.
pub struct CheckDue<T> {
    node: Arc<Node<T>>,
    timeout: Duration,
}

impl<T> CheckDue<T> {
    /// The target's name.
    pub fn target_id(&self) -> &str {
        self.node.state.id()
    }

    /// How long the check may take; longer counts as failed.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Says how the check ended.
    pub fn report(self, check: ActiveCheck) {
        self.settle(check);
    }

    pub(crate) fn settle(&self, check: ActiveCheck) {
        if let Some(core) = self.node.home.core.upgrade() {
            core.report(&self.node, check);
        }
    }
}

impl<T> Deref for CheckDue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.node.data()
    }
}

impl<T> fmt::Debug for CheckDue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckDue")
            .field("target", &self.target_id())
            .finish_non_exhaustive()
    }
}

impl<T> Balancer<T> {
    /// The active checks that are due now. Each is handed out once.
    pub fn due_checks(&self) -> Vec<CheckDue<T>> {
        let now = self.now();
        let snapshot = self.core.snapshot.load();
        let due = |node: &Arc<Node<T>>| {
            let timeout = node.state.slow().machine.begin_check(now)?;
            Some(CheckDue {
                node: Arc::clone(node),
                timeout,
            })
        };
        snapshot.nodes.iter().filter_map(due).collect()
    }

    /// When the next active check is due; `None` when no target wants any.
    pub fn next_check(&self) -> Option<Moment> {
        let snapshot = self.core.snapshot.load();
        snapshot
            .nodes
            .iter()
            .filter_map(|node| node.state.slow().machine.next_check())
            .min()
    }

    /// Says how an active check of a target ended, however it came about. False when there is no
    /// target of that name.
    pub fn report(&self, id: &str, check: ActiveCheck) -> bool {
        match self.core.node(id) {
            Some(node) => {
                self.core.report(&node, check);
                true
            }
            None => false,
        }
    }
}

impl<T> Core<T> {
    fn report(&self, node: &Node<T>, check: ActiveCheck) {
        self.on(&node.state, Event::Check(check), self.now());
    }
}
