//! What a balancer tells those who listen.

use std::sync::Arc;

use ai_gateway_health::{Moment, Transition};

/// A change in the health or the standing of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The balancer's name.
    pub balancer: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// What changed.
    pub transition: Transition,
    /// When, by the balancer's clock.
    pub at: Moment,
}
