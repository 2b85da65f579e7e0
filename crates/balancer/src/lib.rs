//! Chooses a target and hands out a lease on it.

mod algorithm;
mod ask;
mod attempts;
mod balancer;
mod builder;
mod checks;
mod clock;
mod core;
#[cfg(feature = "tokio")]
mod driver;
mod error;
mod event;
#[cfg(feature = "http")]
mod http_class;
mod lease;
#[cfg(feature = "http")]
mod leased_body;
mod load;
#[cfg(all(test, loom))]
mod loom_models;
mod name;
mod node;
mod pick;
mod plan;
mod policy;
mod random;
mod routes;
mod schedule;
#[cfg(feature = "serde")]
mod serde_names;
#[cfg(feature = "tower")]
mod service;
mod state;
mod sync;
mod target;
mod tier;
mod update;
mod view;

pub use ai_gateway_health as health;
pub use ai_gateway_health::{
    ActiveCheck, Admin, Detail, FailureKind, Moment, Outcome, Reason, Settings, State, Transition,
};

pub use crate::algorithm::{Algorithm, UnknownAlgorithm};
pub use crate::attempts::Attempts;
pub use crate::balancer::{Balancer, Drained};
pub use crate::builder::Builder;
pub use crate::checks::CheckDue;
pub use crate::clock::{Clock, ManualClock, MonotonicClock};
#[cfg(feature = "tokio")]
pub use crate::driver::drive_checks;
pub use crate::error::{BuildError, NoTarget, NoTargetReason};
pub use crate::event::Event;
#[cfg(feature = "http")]
pub use crate::http_class::{CredentialsOf, outcome_of};
pub use crate::lease::Lease;
#[cfg(feature = "http")]
pub use crate::leased_body::LeasedBody;
pub use crate::plan::{ModelFallback, OnExhausted, Plan};
pub use crate::policy::{Policy, Pool};
pub use crate::random::key_of_prefix;
#[cfg(feature = "tower")]
pub use crate::service::{Balance, BalanceError, Balanced};
pub use crate::target::Target;
pub use crate::update::Diff;
pub use crate::view::TargetView;
