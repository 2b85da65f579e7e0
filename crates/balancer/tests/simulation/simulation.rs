//! A deterministic simulation of targets that stream answers, in virtual time.
//!
//! Drives the real balancer through a clock of its own, and whatever else implements [`Gateway`].
//! The crate's tests hold short runs to bounds; `cargo xtask bench quality` compares long runs with
//! other balancers. Both include these files, so that they measure the same thing.

mod dice;
mod gateway;
mod jobs;
mod ours;
mod report;
mod scenario;
mod scenarios;
mod server;
mod world;

pub(crate) use self::dice::Dice;
pub(crate) use self::gateway::{End, Gateway};
pub(crate) use self::ours::Ours;
pub(crate) use self::report::{Metric, Report};
pub(crate) use self::scenario::{Prompts, Scenario};
pub(crate) use self::scenarios::scenarios;
pub(crate) use self::server::Server;
pub(crate) use self::world::run;
