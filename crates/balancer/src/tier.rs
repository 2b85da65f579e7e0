//! The targets of one priority that may take a request, compiled for picking.

use std::sync::Arc;

use crate::gate::{Admits, MOST_IN_FLIGHT};
use crate::policy::Table;
use crate::schedule::Rotation;
use crate::state::TargetState;
use crate::target::{MAX_WEIGHT, Spec};

/// The targets of one priority, for requests of one kind.
pub(crate) struct Tier {
    pub(crate) priority: u32,
    /// Those that take traffic.
    pub(crate) members: Box<[Member]>,
    /// Those that rest and may be tried by one request, now or when their probe comes back.
    pub(crate) probes: Box<[Member]>,
    /// Whether so few take traffic that those at rest are members too.
    pub(crate) panics: bool,
    /// Whose turn it is, for the algorithms that go by turns.
    pub(crate) rotation: Option<Arc<Rotation>>,
    /// A hash of each member's name, for the algorithms that go by keys.
    pub(crate) hashes: Box<[u64]>,
    /// Who comes first for a key, for many targets and the algorithms that go by keys.
    pub(crate) table: Option<Arc<Table>>,
    /// The greatest weight of a member.
    pub(crate) heaviest: f32,
    /// The part of the traffic that this tier can bear, in 1/65536, of all that reach it.
    pub(crate) bears: u32,
}

/// One target of a tier.
pub(crate) struct Member {
    pub(crate) state: Arc<TargetState>,
    /// Its place among the snapshot's targets.
    pub(crate) node: u32,
    /// Requests in flight that it may have, in 24 bits, and its weight as configured above.
    bounds: u32,
    /// Its weight, less while its share grows.
    pub(crate) weight: f32,
    pub(crate) inverse_weight: f32,
    /// What it charges for the model of these requests.
    pub(crate) price: f32,
    /// Which of its models it is to serve.
    pub(crate) serves: Serves,
}

/// Which model a target is to serve, without its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Serves {
    /// The one asked for, which it lists at this place.
    Listed(u16),
    /// The one asked for, whatever it is, if any: the target has no list, or a very long one.
    Asked,
    /// Its default, as no model was asked for.
    Default,
    /// Its default, as the one asked for cannot be had.
    Substitute,
}

impl Serves {
    /// The model asked for, found at `place` of the target's list.
    pub(crate) fn listed(place: usize) -> Self {
        u16::try_from(place).map_or(Self::Asked, Self::Listed)
    }
}

impl Member {
    #[expect(clippy::cast_precision_loss, reason = "weights are at most 100")]
    pub(crate) fn new(
        state: &Arc<TargetState>,
        spec: &Spec,
        (node, serves, price): (u32, Serves, f32),
        ramp: f32,
    ) -> Self {
        let weight = spec.weight as f32 * ramp;
        Self {
            state: Arc::clone(state),
            node,
            bounds: spec.weight << CAP_BITS | spec.most_in_flight(),
            weight,
            inverse_weight: weight.recip(),
            price,
            serves,
        }
    }

    /// Requests in flight that it may have.
    #[inline]
    pub(crate) const fn cap(&self) -> u32 {
        self.bounds & ((1 << CAP_BITS) - 1)
    }

    /// Its weight as configured.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "weights are at most 100")]
    pub(crate) const fn whole_weight(&self) -> f32 {
        (self.bounds >> CAP_BITS) as f32
    }

    /// The part of its share that it gets for now.
    pub(crate) fn ramp(&self) -> f32 {
        self.weight / self.whole_weight()
    }
}

/// Both a weight and a bound fit in a word: 100 and [`MOST_IN_FLIGHT`].
const CAP_BITS: u32 = 24;
const _: () = assert!(MOST_IN_FLIGHT < 1 << CAP_BITS && MAX_WEIGHT < 1 << (32 - CAP_BITS));

impl Tier {
    /// Who is let in: those at rest too, when too few take traffic.
    #[inline]
    pub(crate) const fn admits(&self) -> Admits {
        if self.panics {
            Admits::ServingOrResting
        } else {
            Admits::Serving
        }
    }
}
