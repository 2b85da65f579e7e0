//! Plays providers, clients and faults for tests, examples and rehearsals.
//!
//! A [`StandIn`] is a provider on loopback that speaks a provider's dialect over real HTTP, is as
//! strict about requests as the real one, tells in each answer which stand-in gave it, and fails in
//! whatever way its [`Behaviour`] says; a [`RawServer`] sends what no HTTP server would. [`Client`]
//! sends what a test sends, [`Program`] runs one of the gateway's own programs as a child process,
//! and [`Gateway`] is the server among them. The dialects are written here a second time on
//! purpose: a stand-in that shared the gateway's translators would share their mistakes.

mod answer;
mod behaviour;
mod client;
mod dialect;
mod gateway;
mod journal;
mod program;
mod raw;
mod stand_in;

pub use behaviour::{Behaviour, Cut, Fault};
pub use client::{Answered, Client, ClientError, Streaming};
pub use dialect::Dialect;
pub use gateway::{Gateway, GatewayError, is_harmed};
pub use journal::{Received, Served};
pub use program::{Program, ProgramError};
pub use raw::{RawCue, RawServer, RawStep, Unreachable};
pub use stand_in::{Provider, StandIn};
