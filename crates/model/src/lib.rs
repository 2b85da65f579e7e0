//! Says what a gateway, upstream, service, rule and key are and when one is valid.
//!
//! A thing is first *written* (JSON), then *recorded* ([`Record`]: canonical JSON with its secrets
//! kept apart) and at last *checked*. A [`Configuration`] holds all of them at one revision.
//! Nothing here reads a clock, a file or the environment.

mod configuration;
mod kind;
mod record;
mod secret;

pub use configuration::Configuration;
pub use kind::{Kind, UnknownKind};
pub use record::{Change, Record, RecordFault, RecordFaultCause};
pub use secret::Secret;
