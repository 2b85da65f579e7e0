//! A target as one configuration has it.

use std::sync::{Arc, Weak};

use ai_gateway_health::Window;

use crate::clock::ClockSource;
use crate::core::Core;
use crate::random::Random;
use crate::state::TargetState;
use crate::sync::AtomicU32;
use crate::target::Spec;

/// A target as one configuration has it, with the state that outlives configurations.
pub(crate) struct Node<T> {
    pub(crate) state: Arc<TargetState>,
    pub(crate) spec: Spec,
    pub(crate) data: T,
    /// Where a success is counted without a lock; `None` where it need not be.
    pub(crate) window: Option<Arc<Window>>,
    pub(crate) shared: Arc<Shared>,
    /// Whether its requests are timed.
    pub(crate) measures: bool,
    /// Whether its tokens are counted.
    pub(crate) meters: bool,
    pub(crate) home: Weak<Core<T>>,
}

/// What leases need of their balancer while nothing special happens.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) clock: ClockSource,
    pub(crate) random: Random,
    /// The seconds per token of a target that has answered nothing yet: the last mean of any.
    pub(crate) usual_spt: AtomicU32,
}
