//! The one request that tries a resting target.

use super::Judge;
use super::past::Observed;
use crate::state::Transitions;
use crate::{Moment, Outcome, Reason};

/// The right to try a resting target with one request.
///
/// Comes back with the request's [`Verdict`]; a request that ends without one gives it back by
/// [`Judge::release_probe`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ProbeToken {
    epoch: u32,
    id: u32,
}

/// In what role a request was sent.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Role {
    /// To a target that takes traffic.
    #[default]
    Ordinary,
    /// To try a resting target.
    Probe(ProbeToken),
    /// To a resting target, because no other one was left.
    LastResort,
}

/// How a request ended, and in what epoch and role it began.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) epoch: u32,
    pub(super) role: Role,
    pub(super) answered: bool,
}

impl Verdict {
    /// Says that a request that began in `epoch`, in `role`, ended with `outcome`.
    pub const fn new(outcome: Outcome, epoch: u32, role: Role) -> Self {
        Self {
            outcome,
            epoch,
            role,
            answered: false,
        }
    }

    /// Says that the request held `token`.
    #[must_use]
    pub const fn probe(mut self, token: ProbeToken) -> Self {
        self.role = Role::Probe(token);
        self
    }

    /// Says that some of the answer came before the end: a caller who leaves a probe after that
    /// leaves behind the proof that the target lives.
    #[must_use]
    pub const fn answered(mut self, answered: bool) -> Self {
        self.answered = answered;
        self
    }
}

impl Judge {
    /// A verdict on a request that begins and ends now, in the present epoch.
    pub const fn verdict(&self, outcome: Outcome) -> Verdict {
        Verdict::new(outcome, self.epoch, Role::Ordinary)
    }

    /// Grants the right to try the target, when its rest is over and nobody else holds it.
    pub fn grant_probe(&mut self, now: Moment) -> Option<ProbeToken> {
        if self.standing(now) != crate::Standing::ProbeDue {
            return None;
        }
        let past = &mut *self.past;
        let Observed::Unhealthy { token, .. } = &mut past.observed else {
            return None;
        };
        past.tokens = past.tokens.wrapping_add(1);
        let granted = ProbeToken {
            epoch: self.epoch,
            id: past.tokens,
        };
        *token = Some(granted);
        Some(granted)
    }

    /// Takes back a right that was not used to its end. True when it was the one granted last.
    pub fn release_probe(&mut self, token: ProbeToken) -> bool {
        match &mut self.past.observed {
            Observed::Unhealthy { token: held, .. } if *held == Some(token) => {
                *held = None;
                true
            }
            Observed::Unhealthy { .. } | Observed::Healthy { .. } => false,
        }
    }

    /// Judges the outcome of a request to a resting target: a probe, or a last resort.
    pub(super) fn on_outcome_at_rest(
        &mut self,
        verdict: Verdict,
        now: Moment,
        said: &mut Transitions,
    ) {
        let Observed::Unhealthy { reason, token, .. } = self.past.observed else {
            return;
        };
        let is_probe = match verdict.role {
            // Of a token that was given back and granted anew, only the newest counts.
            Role::Probe(held) if token == Some(held) => true,
            Role::LastResort => false,
            Role::Probe(_) | Role::Ordinary => return,
        };
        if is_probe && let Observed::Unhealthy { token, .. } = &mut self.past.observed {
            *token = None;
        }
        match verdict.outcome {
            Outcome::Success => self.pass(now, said),
            Outcome::Cancelled if verdict.answered => self.pass(now, said),
            Outcome::QuotaExhausted => {
                self.rest(
                    Reason::QuotaExhausted,
                    now + self.settings.quota_rest,
                    now,
                    said,
                );
            }
            Outcome::Credentials if is_probe => self.trip(Reason::Credentials, now, said),
            // A last resort that fails proves nothing new; it must not lengthen the rest.
            _ if is_probe && verdict.outcome.counted().is_some() => {
                let reason = match reason {
                    Reason::Credentials | Reason::QuotaExhausted => reason,
                    _ => Reason::ProbeFailed,
                };
                self.trip(reason, now, said);
            }
            _ => {}
        }
    }

    /// Counts a request that a resting target answered well, and lets it recover at the last.
    fn pass(&mut self, now: Moment, said: &mut Transitions) {
        let Observed::Unhealthy { passes, .. } = &mut self.past.observed else {
            return;
        };
        *passes += 1;
        if *passes >= self.settings.probe_passes {
            self.recover(now, said);
        }
    }
}
