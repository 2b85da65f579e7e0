//! The targets of one priority that may take a request, compiled for picking.

use std::sync::Arc;

use crate::policy::Table;
use crate::schedule::Rotation;
use crate::state::{Admits, TargetState};

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
    /// Requests in flight that it may have.
    pub(crate) cap: u32,
    /// Its weight, less while its share grows.
    pub(crate) weight: f32,
    pub(crate) inverse_weight: f32,
    /// Its weight as configured.
    pub(crate) whole_weight: f32,
    /// What it charges for the model of these requests.
    pub(crate) price: f32,
    /// Tokens for a minute.
    pub(crate) budget: f32,
    /// Which of its models it is to serve.
    pub(crate) serves: Serves,
}

/// Which model a target is to serve, without its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Serves {
    /// The one asked for, which it lists at this place.
    Listed(u32),
    /// The one asked for, whatever it is: the target has no list.
    Asked,
    /// Its default, as no model was asked for.
    Default,
    /// Its default, as the one asked for cannot be had.
    Substitute,
    /// None was asked for and it has no default.
    Unnamed,
}

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
