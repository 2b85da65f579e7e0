//! What a balancer is to do: its targets and the rules among them.

use std::collections::HashSet;
use std::sync::Arc;

use ai_gateway_health::Settings;

use crate::algorithm::Algorithm;
use crate::error::BuildError;
use crate::target::Target;

/// What a balancer is to do: its targets and the rules among them.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | [`algorithm`](Self::algorithm) | `round-robin` | who is chosen within a tier |
/// | [`health`](Self::health) | passive | when a target rests |
/// | [`model_fallback`](Self::model_fallback) | default model | when nobody serves the model asked for |
/// | [`on_exhausted`](Self::on_exhausted) | fail open | when nobody may take the request |
/// | [`spill`](Self::spill) | never | whether a weakened tier shares its traffic with the next |
/// | [`panic_threshold`](Self::panic_threshold) | 0, off | below which share at rest targets take traffic again |
/// | [`max_ejected`](Self::max_ejected) | 1, all | which share of the targets may rest |
#[derive(Clone, Debug)]
pub struct Plan<T> {
    pub(crate) rules: Rules,
    pub(crate) health: Settings,
    pub(crate) targets: Vec<Target<T>>,
}

/// The rules among the targets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    pub(crate) algorithm: Algorithm,
    pub(crate) model_fallback: ModelFallback,
    pub(crate) on_exhausted: OnExhausted,
    pub(crate) spill: Option<f32>,
    pub(crate) panic_threshold: f32,
    pub(crate) max_ejected: f32,
}

/// What becomes of a request for a model that no target can serve now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ModelFallback {
    /// A target takes it that has a default model, and serves that.
    #[default]
    DefaultModel,
    /// It gets no target.
    Reject,
}

/// What becomes of a request that every target is too ill, too busy or too limited to take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum OnExhausted {
    /// A cooling target takes it, or the one at rest whose last failure is longest ago; marked as
    /// a last resort. Full, draining, disabled and spent targets never do.
    #[default]
    FailOpen,
    /// It gets no target.
    FailClosed,
}

impl<T> Plan<T> {
    /// Makes a plan with the defaults and no targets.
    pub fn new() -> Self {
        Self {
            rules: Rules {
                algorithm: Algorithm::default(),
                model_fallback: ModelFallback::default(),
                on_exhausted: OnExhausted::default(),
                spill: None,
                panic_threshold: 0.0,
                max_ejected: 1.0,
            },
            health: Settings::default(),
            targets: Vec::new(),
        }
    }

    /// How a target is chosen within a tier; `round-robin`.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.rules.algorithm = algorithm;
        self
    }

    /// When targets without settings of their own rest; [`Settings::passive`].
    #[must_use]
    pub fn health(mut self, settings: Settings) -> Self {
        self.health = settings;
        self
    }

    /// What becomes of a request for a model that no target can serve now.
    #[must_use]
    pub fn model_fallback(mut self, fallback: ModelFallback) -> Self {
        self.rules.model_fallback = fallback;
        self
    }

    /// What becomes of a request that no target may take.
    #[must_use]
    pub fn on_exhausted(mut self, rule: OnExhausted) -> Self {
        self.rules.on_exhausted = rule;
        self
    }

    /// Lets a tier of which less than `1 / factor` takes traffic share it with the next tier; 1
    /// to 100. Envoy's rule: a tier bears the share of it that takes traffic, times `factor`.
    /// Without it a tier bears everything as long as one of its targets can.
    #[must_use]
    pub fn spill(mut self, factor: f32) -> Self {
        self.rules.spill = Some(factor);
        self
    }

    /// Below which share (0 to 1) of a tier taking traffic its targets at rest take some too,
    /// marked as last resorts; 0, never.
    #[must_use]
    pub fn panic_threshold(mut self, share: f32) -> Self {
        self.rules.panic_threshold = share;
        self
    }

    /// Which share (0 to 1) of the targets may rest for their failures; 1. The first may always.
    #[must_use]
    pub fn max_ejected(mut self, share: f32) -> Self {
        self.rules.max_ejected = share;
        self
    }

    /// Adds a target, behind those already there.
    #[must_use]
    pub fn target(mut self, target: Target<T>) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds targets, behind those already there.
    #[must_use]
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target<T>>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// Checks everything against its range.
    ///
    /// # Errors
    ///
    /// The first fault found: the rules before the targets, the targets in their order.
    pub fn check(&self) -> Result<(), BuildError> {
        let share = |setting, value: f32, range: std::ops::RangeInclusive<f32>, says| {
            if range.contains(&value) {
                Ok(())
            } else {
                Err(BuildError::Share {
                    setting,
                    range: says,
                })
            }
        };
        share(
            "spill",
            self.rules.spill.unwrap_or(1.0),
            1.0..=100.0,
            "from 1 to 100",
        )?;
        share(
            "panic_threshold",
            self.rules.panic_threshold,
            0.0..=1.0,
            "from 0 to 1",
        )?;
        share(
            "max_ejected",
            self.rules.max_ejected,
            0.0..=1.0,
            "from 0 to 1",
        )?;
        self.health.check().map_err(|fault| BuildError::Health {
            target: None,
            fault,
        })?;
        if self.targets.is_empty() {
            return Err(BuildError::NoTargets);
        }
        if self.targets.len() > MOST_TARGETS {
            return Err(BuildError::TooManyTargets);
        }
        let mut ids = HashSet::with_capacity(self.targets.len());
        for target in &self.targets {
            target.spec.check(&target.id)?;
            if !ids.insert(&*target.id) {
                return Err(BuildError::DuplicateId {
                    target: Arc::clone(&target.id),
                });
            }
        }
        Ok(())
    }
}

impl<T> Default for Plan<T> {
    fn default() -> Self {
        Self::new()
    }
}

const MOST_TARGETS: usize = 1 << 22;
