//! A target as one configuration has it.

use std::sync::{Arc, Weak};

use ai_gateway_health::Moment;

use crate::clock::ClockSource;
use crate::core::Core;
use crate::gate::Gate;
use crate::plan::Rules;
use crate::random::Random;
use crate::state::TargetState;
use crate::sync::AtomicU32;
use crate::target::Spec;

/// A target as one configuration has it, with the state that outlives configurations.
pub(crate) struct Node<T> {
    pub(crate) state: Arc<TargetState>,
    pub(crate) home: Arc<Home<T>>,
    pub(crate) serial: u32,
    /// Whether successes are counted in the window.
    pub(crate) counts: bool,
    body: Body<T>,
}

/// What is behind a node.
enum Body<T> {
    /// The target's own, entered by the gate of its state.
    Own(Spec, T),
    /// That of another node, entered by the gate of a lane: so that threads of different lanes write
    /// neither to the same gate nor to the same count of leases.
    Of(Arc<Node<T>>, Arc<Gate>),
}

/// What the targets of one configuration share.
pub(crate) struct Home<T> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) core: Weak<Core<T>>,
    /// Whether requests are timed.
    pub(crate) measures: bool,
    /// Whether tokens are counted.
    pub(crate) meters: bool,
}

impl<T> Home<T> {
    pub(crate) fn new(shared: &Arc<Shared>, rules: &Rules, core: &Weak<Core<T>>) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            core: Weak::clone(core),
            measures: rules.algorithm.measures(),
            meters: rules.algorithm.meters(),
        })
    }
}

impl<T> Node<T> {
    pub(crate) fn new(state: Arc<TargetState>, home: Arc<Home<T>>, spec: Spec, data: T) -> Self {
        let counts = state.slow().machine.watches_rate();
        Self {
            serial: state.serial(),
            counts,
            state,
            home,
            body: Body::Own(spec, data),
        }
    }

    /// The same target for the threads of a lane.
    pub(crate) fn of_lane(self: &Arc<Self>, gate: Arc<Gate>) -> Self {
        Self {
            state: Arc::clone(&self.state),
            home: Arc::clone(&self.home),
            serial: self.serial,
            counts: self.counts,
            body: Body::Of(Arc::clone(self), gate),
        }
    }

    #[inline]
    pub(crate) fn gate(&self) -> &Gate {
        match &self.body {
            Body::Own(..) => &self.state.gate,
            Body::Of(_, gate) => gate,
        }
    }

    #[inline]
    pub(crate) fn spec(&self) -> &Spec {
        match &self.body {
            Body::Own(spec, _) => spec,
            Body::Of(node, _) => node.spec(),
        }
    }

    #[inline]
    pub(crate) fn data(&self) -> &T {
        match &self.body {
            Body::Own(_, data) => data,
            Body::Of(node, _) => node.data(),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Moment {
        self.home.shared.clock.now()
    }
}

/// What leases need of their balancer while nothing special happens.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) clock: ClockSource,
    pub(crate) random: Random,
    /// The seconds per token of a target that has answered nothing yet: the last mean of any.
    pub(crate) usual_spt: AtomicU32,
}
