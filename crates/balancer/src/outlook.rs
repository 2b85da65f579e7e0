//! What a request's next pick would do, seen beforehand.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_health::{Moment, Standing};

use crate::ask::Ask;
use crate::core::{Core, Snapshot};
use crate::desk::Way;
use crate::lease::Lease;
use crate::name::ModelName;
use crate::node::Node;
use crate::pick::{LEAST_WAIT, serves};
use crate::sync::Ordering;
use crate::tier::{Member, Serves, Tier};

/// What a request's next pick would do; see [`Attempts::outlook`](crate::Attempts::outlook).
///
/// Compared with the last pick of the request: a target is *worse* when its priority is a later
/// one, when it would serve another model than the one asked for and the last one did not, or when
/// it is a last resort. Before the first pick no priority is too late.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outlook {
    /// It would choose a target that was not tried, and is not worse than the last one.
    Untried,
    /// It would try a target again that may be, as its priority has no other left: a moment's
    /// back-off makes it likelier to pass.
    Again,
    /// It would choose a worse target, or find none.
    Worse {
        /// How long until the first target that is not worse, and that this request may have,
        /// has cooled off; at least 1 ms. `None` when none cools.
        back_in: Option<Duration>,
    },
}

/// How good a pick is, the lesser the better: the model asked for before another, then priority.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rank {
    is_substituted: bool,
    priority: u32,
}

impl Rank {
    #[inline]
    pub(crate) fn of<T>(lease: &Lease<T>) -> Self {
        Self {
            is_substituted: lease.is_substituted(),
            priority: lease.priority(),
        }
    }

    /// Any target that serves what is asked for.
    const ANY: Self = Self {
        is_substituted: false,
        priority: u32::MAX,
    };
}

impl<T> Core<T> {
    /// What a pick would do, after one of rank `last`.
    #[cold]
    pub(crate) fn outlook(&self, ask: &Ask<'_>, last: Option<Rank>) -> Outlook {
        if self.wake.load(Ordering::Relaxed) != u64::MAX {
            self.refresh_if_due();
        }
        let snapshot = self.snapshot.load();
        let last = last.unwrap_or(Rank::ANY);
        let own = snapshot.routes.of(ask.model).tiers.iter();
        let defaults = snapshot.routes.defaults.tiers.iter();
        let ranked = own
            .map(|tier| (false, tier))
            .chain(defaults.map(|tier| (true, tier)));
        let not_worse = ranked.filter(|(is_substituted, tier)| {
            let rank = Rank {
                is_substituted: *is_substituted,
                priority: tier.priority,
            };
            rank <= last
        });
        for (_, tier) in not_worse {
            if self.has_open(tier, ask, false) {
                return Outlook::Untried;
            }
            if ask.has_second_try(tier.priority) && self.has_open(tier, ask, true) {
                return Outlook::Again;
            }
        }
        Outlook::Worse {
            back_in: back_in(&snapshot, ask, last, self.now()),
        }
    }

    fn has_open(&self, tier: &Tier, ask: &Ask<'_>, is_second: bool) -> bool {
        let is_probe = |member: &Member| {
            let state = &member.state;
            state.gate.glance().probe_is_due()
                && state.in_flight() < member.cap()
                && !ask.shuts(state.serial(), is_second)
        };
        self.pool(tier, ask, Way::Spare, is_second)
            .first_open()
            .is_some()
            || tier.probes.iter().any(is_probe)
    }
}

/// How long until a target of rank `last`, or a better one, cools off that `ask` may have then.
fn back_in<T>(snapshot: &Snapshot<T>, ask: &Ask<'_>, last: Rank, now: Moment) -> Option<Duration> {
    let may_have = |node: &&Arc<Node<T>>| {
        let priority = node.spec().priority;
        let is_substituted = match serves(
            node,
            ask.model.map(ModelName::as_str),
            snapshot.substitutes(ask),
        ) {
            None => return false,
            Some(serves) => serves == Serves::Substitute,
        };
        let rank = Rank {
            is_substituted,
            priority,
        };
        rank <= last && !ask.shuts(node.state.serial(), ask.has_second_try(priority))
    };
    let cooling = snapshot.nodes.iter().filter(may_have).filter_map(|node| {
        match node.state.slow().machine.standing(now) {
            Standing::Cooling { until } => Some(until),
            Standing::Serving { .. }
            | Standing::ProbeDue
            | Standing::Probing
            | Standing::Resting { .. }
            | Standing::Out => None,
        }
    });
    cooling.min().map(|until| until.since(now).max(LEAST_WAIT))
}
