//! What is left when no target that lists the model takes the request: default models, then, for
//! want of anything better, targets that cool or rest.

use std::cmp::Reverse;
use std::time::Duration;

use ai_gateway_health::{Moment, Role, Standing};

use super::{Chosen, serves};
use crate::ask::Ask;
use crate::core::{Core, Snapshot};
use crate::desk::Way;
use crate::error::{NoTarget, NoTargetReason};
use crate::gate::Admits;
use crate::lease::Lease;
use crate::name::ModelName;
use crate::node::Node;
use crate::plan::OnExhausted;
use crate::tier::Serves;

impl<T> Core<T> {
    /// What is left when no target that lists the model takes the request.
    #[cold]
    pub(super) fn pick_otherwise(
        &self,
        snapshot: &Snapshot<T>,
        way: Way,
        ask: &Ask<'_>,
    ) -> Result<Lease<T>, NoTarget> {
        let substitutes = snapshot.substitutes(ask);
        if substitutes
            && let Some(chosen) =
                self.pick_by_tiers(snapshot, &snapshot.routes.defaults, (way, ask), 0)
        {
            return Self::lease_of(snapshot, &chosen, ask);
        }
        let now = self.now();
        let mut survey = Survey::default();
        for (place, node) in (0_u32..).zip(&snapshot.nodes) {
            if let Some(serves) = serves(node, ask.model.map(ModelName::as_str), substitutes) {
                survey.look(node, Resort::new(place, serves), ask, now);
            }
        }
        if snapshot.rules.on_exhausted == OnExhausted::FailOpen {
            survey.resorts.sort_by_key(|resort| resort.rank);
            for resort in &survey.resorts {
                if let Some(chosen) = Self::resort_to(snapshot, resort, now) {
                    return Self::lease_of(snapshot, &chosen, ask);
                }
            }
        }
        match self.newer_than(snapshot) {
            Some(newer) => self.pick_from(&newer, Way::Spare, ask),
            None => Err(survey.verdict(ask.model.is_some())),
        }
    }

    /// Lets the request in for want of anything better.
    fn resort_to(snapshot: &Snapshot<T>, resort: &Resort, now: Moment) -> Option<Chosen> {
        let node = snapshot.nodes.get(resort.node as usize)?;
        let cap = node.spec().most_in_flight();
        let entry = node.state.enter(cap, Admits::NotOut).ok()?;
        node.state.slow().rare().last_resort_at = now;
        let Resort { node, serves, .. } = *resort;
        Some(Chosen {
            node,
            serves,
            entry,
            role: Role::LastResort,
        })
    }
}

/// Why each candidate does not take the request, and who might for want of anything better.
#[derive(Default)]
struct Survey {
    candidates: usize,
    out: usize,
    tried: usize,
    resting: usize,
    cooling: usize,
    full: usize,
    earliest: Option<Moment>,
    surveyed_at: Moment,
    resorts: Vec<Resort>,
}

/// A target to resort to.
#[derive(Clone, Copy)]
struct Resort {
    node: u32,
    serves: Serves,
    /// Cooling before at rest, the model asked for before another, the longest ago first.
    rank: (bool, bool, Moment),
}

impl Resort {
    fn new(node: u32, serves: Serves) -> Self {
        Self {
            node,
            serves,
            rank: (false, false, Moment::ZERO),
        }
    }
}

impl Survey {
    fn look<T>(&mut self, node: &Node<T>, resort: Resort, ask: &Ask<'_>, now: Moment) {
        let state = &*node.state;
        self.candidates += 1;
        self.surveyed_at = now;
        let (standing, last_failure, last_resort_at) = {
            let slow = state.slow();
            let machine = &slow.machine;
            (
                machine.standing(now),
                machine.last_failure(),
                slow.last_resort_at(),
            )
        };
        let is_tried = ask.shuts(state.serial(), false);
        let is_full = state.in_flight() >= node.spec().most_in_flight();
        let (at_rest, date) = match standing {
            Standing::Out => {
                self.out += 1;
                return;
            }
            Standing::Serving { .. } => {
                self.tried += usize::from(is_tried);
                self.full += usize::from(!is_tried);
                return;
            }
            Standing::Cooling { until } => {
                self.cooling += 1;
                self.by(until);
                (false, until)
            }
            Standing::Resting { .. } | Standing::ProbeDue | Standing::Probing => {
                self.resting += 1;
                if let Standing::Resting { until } = standing {
                    self.by(until);
                }
                let failed = last_failure.map_or(Moment::ZERO, |(at, _)| at);
                (true, failed.max(last_resort_at))
            }
        };
        if is_tried {
            self.tried += 1;
        } else if !is_full && (!at_rest || state.gate.glance().is_at_rest()) {
            let substitutes = resort.serves == Serves::Substitute;
            self.resorts.push(Resort {
                rank: (at_rest, substitutes, date),
                ..resort
            });
        }
    }

    fn by(&mut self, date: Moment) {
        let earliest = self.earliest.map(Reverse).max(Some(Reverse(date)));
        self.earliest = earliest.map(|Reverse(date)| date);
    }

    fn verdict(&self, names_a_model: bool) -> NoTarget {
        let reason = if self.candidates == 0 && names_a_model {
            NoTargetReason::Model
        } else if self.candidates == self.out {
            NoTargetReason::Disabled
        } else {
            NoTargetReason::Exhausted {
                candidates: self.candidates,
                tried: self.tried,
                resting: self.resting,
                cooling: self.cooling,
                full: self.full,
            }
        };
        let retry_after = self.earliest.map(|date| date.since(self.surveyed_at));
        NoTarget {
            reason,
            retry_after: retry_after.map(|wait| wait.max(LEAST_WAIT)),
        }
    }
}

/// Nobody is told to come back at once.
pub(crate) const LEAST_WAIT: Duration = Duration::from_millis(1);
