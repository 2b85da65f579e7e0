//! Why a balancer cannot be built, and why a request gets no target.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_health::SettingsError;

/// Why a balancer cannot be built, or updated, as asked. An update that fails changes nothing.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no target.
    NoTargets,
    /// There are more targets than 4 million.
    TooManyTargets,
    /// Two targets have one name.
    DuplicateId {
        /// The name.
        target: Arc<str>,
    },
    /// A weight is not from 1 to 100.
    Weight {
        /// The target's name.
        target: Arc<str>,
        /// Its weight.
        weight: u32,
    },
    /// A target may have no request in flight at all.
    MaxInFlight {
        /// The target's name.
        target: Arc<str>,
    },
    /// A target's default model is not among those that it lists.
    DefaultModel {
        /// The target's name.
        target: Arc<str>,
        /// Its default model.
        model: Box<str>,
    },
    /// A price is negative or no number.
    Price {
        /// The target's name.
        target: Arc<str>,
    },
    /// A budget of tokens is not above zero, or no number.
    TokensPerMinute {
        /// The target's name.
        target: Arc<str>,
    },
    /// A health setting is out of its range.
    Health {
        /// The target whose own setting it is; `None` for the balancer's.
        target: Option<Arc<str>>,
        /// The setting and its range.
        fault: SettingsError,
    },
    /// A share of the balancer itself is out of its range.
    Share {
        /// The setting's name.
        setting: &'static str,
        /// What it must be.
        range: &'static str,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTargets => f.write_str("at least one target is required"),
            Self::TooManyTargets => f.write_str("too many targets"),
            Self::DuplicateId { target } => write!(f, "two targets are named {target}"),
            Self::Weight { target, weight } => {
                write!(
                    f,
                    "the weight of {target} must be from 1 to 100, and is {weight}"
                )
            }
            Self::MaxInFlight { target } => {
                write!(f, "max_in_flight of {target} must be at least 1")
            }
            Self::DefaultModel { target, model } => {
                write!(
                    f,
                    "the default model {model} of {target} must be in its models list"
                )
            }
            Self::Price { target } => write!(f, "the price of {target} must be 0 or more"),
            Self::TokensPerMinute { target } => {
                write!(f, "tokens_per_minute of {target} must be above 0")
            }
            Self::Health {
                target: Some(target),
                fault,
            } => {
                write!(
                    f,
                    "the health settings of {target} are out of range: {fault}"
                )
            }
            Self::Health {
                target: None,
                fault,
            } => {
                write!(f, "the health settings are out of range: {fault}")
            }
            Self::Share { setting, range } => write!(f, "{setting} must be {range}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// A request that gets no target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoTarget {
    /// Why.
    pub reason: NoTargetReason,
    /// When it is worth asking again: the time until the first of the candidates may be tried.
    /// `None` when time alone will not help.
    pub retry_after: Option<Duration>,
}

/// Why a request gets no target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoTargetReason {
    /// No target serves the model, and no default may take its place.
    Model,
    /// All candidates are disabled, draining, or gone.
    Disabled,
    /// There are candidates, and none of them can take the request now.
    Exhausted {
        /// Targets that could have served it.
        candidates: usize,
        /// Of those, how many this request tried before.
        tried: usize,
        /// How many rest.
        resting: usize,
        /// How many cool.
        cooling: usize,
        /// How many are full.
        full: usize,
    },
}

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            NoTargetReason::Model => f.write_str("no target serves the model"),
            NoTargetReason::Disabled => f.write_str("every target is disabled or drains"),
            NoTargetReason::Exhausted {
                candidates,
                tried,
                resting,
                cooling,
                full,
            } => write!(
                f,
                "none of {candidates} targets takes the request: \
                 {tried} tried, {resting} at rest, {cooling} cooling, {full} full"
            ),
        }
    }
}

impl std::error::Error for NoTarget {}
