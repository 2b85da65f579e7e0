//! Chooses a target and hands out a lease on it.
//!
//! For proxies, gateways and clients that have several places to send a request to: smooth
//! weights, true least-connections, priorities, pools by model, drains, passive and active health
//! with a breaker that cannot lock up, and a score made for answers that are streams of tokens. A
//! pick takes tens of nanoseconds, allocates nothing and takes no lock.
//!
//! # A proxy in a page
//!
//! ```
//! use ai_gateway_balancer::{
//!     Algorithm, Balancer, FailureKind, NoTarget, Outcome, Settings, Target,
//! };
//! use std::time::Duration;
//!
//! /// What this proxy needs to reach a target.
//! struct Provider {
//!     url: &'static str,
//! }
//!
//! struct Answer {
//!     status: u16,
//!     tokens: u64,
//! }
//!
//! /// Sends a request; here `eu` is down.
//! fn send(to: &Provider, _model: Option<&str>) -> std::io::Result<Answer> {
//!     match to.url {
//!         "https://eu.example" => Err(std::io::ErrorKind::ConnectionRefused.into()),
//!         _ => Ok(Answer { status: 200, tokens: 20 }),
//!     }
//! }
//!
//! fn serve(balancer: &Balancer<Provider>, model: &str) -> Result<Answer, NoTarget> {
//!     let mut attempts = balancer.request().model(model).max_attempts(3);
//!     loop {
//!         // Never waits: nobody to send it to is an error, with a date to come back at.
//!         let mut lease = attempts.pick()?;
//!         let answer = send(&lease, lease.model());
//!         // Say whose fault it was; what is the caller's own counts against nobody.
//!         let outcome = match &answer {
//!             Err(_) => Outcome::Failure(FailureKind::Connect),
//!             Ok(answer) => match answer.status {
//!                 200..=399 => Outcome::Success,
//!                 429 => Outcome::RateLimited { retry_after: None },
//!                 500.. => Outcome::Failure(FailureKind::Status),
//!                 _ => Outcome::CallerFault,
//!             },
//!         };
//!         if let Ok(answer) = &answer {
//!             lease.tokens(10, answer.tokens);
//!         }
//!         // With a stream, finish at its end: until then the target is busy.
//!         lease.finish(outcome);
//!         match answer {
//!             Ok(answer) if !(outcome.is_retryable() && attempts.allows_retry()) => {
//!                 return Ok(answer);
//!             }
//!             // Tried targets are not picked again.
//!             Ok(_) | Err(_) => {}
//!         }
//!     }
//! }
//!
//! let balancer = Balancer::builder("providers")
//!     .algorithm(Algorithm::Weighted)
//!     .health(Settings::passive().threshold(3).interval(Duration::from_secs(60)))
//!     .target(Target::new("eu", Provider { url: "https://eu.example" }).weight(70).models(["m"]))
//!     .target(Target::new("us", Provider { url: "https://us.example" }).weight(30).models(["m"]))
//!     .build()?;
//!
//! for _ in 0..20 {
//!     assert_eq!(serve(&balancer, "m")?.status, 200);
//! }
//! // By now `eu` rests: three failures in a row were enough.
//! assert_eq!(balancer.snapshot()[0].state().as_str(), "unhealthy");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who is picked
//!
//! 1. Targets that list the model asked for, or list none. A request without a model may go to
//!    any, and each serves its [`default_model`](Target::default_model).
//! 2. Of those, the ones that take traffic: not resting, cooling, full, drained, disabled, and
//!    not tried before in this request.
//! 3. Of those, the lowest [`priority`](Target::priority) number.
//! 4. Of those, whom the [`Algorithm`] says. A target whose rest is over is tried first, by one
//!    request ([`Lease::is_probe`]).
//! 5. If nobody that lists the model is left, targets with a default model take it and serve that
//!    ([`Lease::is_substituted`]); unless [`ModelFallback::Reject`].
//! 6. If nobody is left at all, those that cool or rest ([`Lease::is_last_resort`]); unless
//!    [`OnExhausted::FailClosed`].
//!
//! # Which algorithm
//!
//! | you have | choose | because |
//! |---|---|---|
//! | language models, several of them alike | `token-latency` | it sees slow, failing and limited targets before a breaker does; answers differ a thousandfold in length, which counts of requests do not show |
//! | a contract to split traffic 70 to 30 | `weighted` | exact in every cycle, and never more than one request off |
//! | targets alike, answers alike; or few streams a target at once | `least-connections` | nothing to learn, hard to fool |
//! | one favourite and spares | `priority`, or tiers by [`Target::priority`] | |
//! | sessions that should stay | `consistent-hash` | few keys move when targets come and go; no target is overrun |
//! | long common beginnings of prompts | `prefix-affinity` | the target's cache of the prompt is used again, as long as load is not uneven |
//! | short answers, no streams | `peak-ewma` | the time to the first byte is all there is |
//! | prices | `lowest-cost` | |
//! | budgets of tokens | `lowest-usage` | |
//!
//! # What is never done
//!
//! No task is started (a thread only by [`CoarseClock::ticking`]), no socket opened, no runtime needed, and no clock read but the [`Clock`]
//! given. Nothing waits and nothing is queued. Nothing panics on the way of a request, whatever
//! clocks, callers and own policies do; a lease that is dropped, in whatever way, gives its place
//! back. A target that an operator disabled or drains is never picked.
//!
//! # Features
//!
//! None is on by default. `tower`: a service that balances over services (`Balance`). `http`: what
//! a status says of a target (`outcome_of`), and a body that ends its lease (`LeasedBody`).
//! `tokio`: makes active checks (`drive_checks`). `serde`: settings and algorithms as people write
//! them. `quanta`: a clock that costs a third of the usual one (`TscClock`).

mod algorithm;
mod ask;
mod attempts;
mod balancer;
mod builder;
mod checks;
mod clock;
mod core;
mod desk;
#[cfg(feature = "tokio")]
mod driver;
mod error;
mod event;
mod gate;
#[cfg(feature = "http")]
mod http_class;
mod lane;
mod lease;
#[cfg(feature = "http")]
mod leased_body;
mod load;
#[cfg(all(test, loom))]
mod loom_models;
mod name;
mod node;
mod outlook;
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
#[cfg(feature = "quanta")]
pub use crate::clock::TscClock;
pub use crate::clock::{Clock, CoarseClock, ManualClock, MonotonicClock};
#[cfg(feature = "tokio")]
pub use crate::driver::drive_checks;
pub use crate::error::{BuildError, NoTarget, NoTargetReason};
pub use crate::event::Event;
#[cfg(feature = "http")]
pub use crate::http_class::{CredentialsOf, outcome_of};
pub use crate::lease::Lease;
#[cfg(feature = "http")]
pub use crate::leased_body::LeasedBody;
pub use crate::outlook::Outlook;
pub use crate::plan::{ModelFallback, OnExhausted, Plan};
pub use crate::policy::{Policy, Pool};
pub use crate::random::key_of_prefix;
#[cfg(feature = "tower")]
pub use crate::service::{Balance, BalanceError, Balanced};
pub use crate::target::Target;
pub use crate::update::Diff;
pub use crate::view::TargetView;
