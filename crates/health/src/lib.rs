//! Decides from verdicts and the time whether a target takes traffic.
//!
//! A [`Machine`] watches one target. It is told what happened ([`Event`]) and when
//! ([`Moment`]), and answers with the [`Transition`]s that this caused. It reads no clock, starts
//! no task and opens no socket, so the same code runs in a proxy, in a simulation and in a test.
//!
//! ```
//! use ai_gateway_health::{Event, FailureKind, Machine, Moment, Outcome, Settings, State};
//! use std::time::Duration;
//!
//! let settings = Settings::passive().threshold(3).interval(Duration::from_secs(60));
//! let mut machine = Machine::new(settings.into(), 1, Moment::ZERO);
//! let second = |n| Moment::ZERO + Duration::from_secs(n);
//!
//! for n in 1..=3 {
//!     let verdict = machine.verdict(Outcome::Failure(FailureKind::Status));
//!     machine.on(Event::Outcome(verdict), second(n));
//! }
//! assert_eq!(machine.state(), State::Unhealthy);
//!
//! // A minute later, give or take a tenth, one request may try it.
//! assert!(machine.grant_probe(second(4)).is_none());
//! let probe = machine.grant_probe(second(70)).expect("the rest is over");
//! assert!(machine.grant_probe(second(70)).is_none(), "one probe at a time");
//!
//! let verdict = machine.verdict(Outcome::Success).probe(probe);
//! machine.on(Event::Outcome(verdict), second(71));
//! assert_eq!(machine.state(), State::Healthy);
//! assert!(machine.ramp(second(71)) < 0.2, "traffic comes back by and by");
//! ```
//!
//! Four rules keep it from lying or locking up:
//!
//! * An outcome carries the epoch that its request began in. Each trip, recovery and enabling
//!   starts a new epoch, and what belongs to an older one moves nothing.
//! * One probe at a time, held by a token. A token that is lost is given back, never waited for.
//! * A rate limit makes a target *cool*; that is a date beside its state, not a failure.
//! * What is the caller's fault is neutral: it neither counts against a target nor clears it.
//!
//! The crate is `no_std` and needs `alloc`. With the feature `serde`, which needs `std`, the settings
//! and the states can be read and written.

#![no_std]

extern crate alloc;

mod cooling;
mod judge;
mod machine;
mod moment;
mod outcome;
mod settings;
#[cfg(feature = "serde")]
mod shape;
mod state;
mod window;

pub use crate::judge::{Judge, ProbeToken, Role, Verdict};
pub use crate::machine::Machine;
pub use crate::moment::Moment;
pub use crate::outcome::{FailureKind, Outcome};
pub use crate::settings::{Settings, SettingsError};
pub use crate::state::{
    ActiveCheck, Admin, AdminChange, Detail, Event, Reason, Standing, State, Transition,
};
pub use crate::window::Window;
