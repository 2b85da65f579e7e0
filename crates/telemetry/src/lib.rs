//! Names, counts and records what happens.
//!
//! [`Telemetry`] is made once a process. While a configuration is compiled, each target asks it for
//! its [`TargetMeters`]; a request collects a [`RequestRecord`] on its way and hands it over once,
//! when it is over: that counts it and writes its one access log line. [`Telemetry::render`] is the
//! text that Prometheus scrapes. [`logs`] starts the process's log.

mod closing;
pub mod logs;
mod meters;
mod process;
mod record;
mod sample;
mod telemetry;

pub use closing::Closing;
pub use meters::{TargetIdentity, TargetMeters};
pub use record::{AttemptOutcome, AttemptRecord, RequestOutcome, RequestRecord, TokenUsage};
pub use sample::{TargetSample, TargetState};
pub use telemetry::{CONTENT_TYPE, InFlight, Telemetry};
