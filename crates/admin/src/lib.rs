//! Serves the Admin API and the console.
//!
//! A request meets, in this order: [`serve()`], the table of routes, the guard of who may call, the
//! reading of the call, and one of the modules that answer: objects, targets, health, probes. A
//! write goes to the store first, is then made live by the [`Fleet`](ai_gateway_registry::Fleet),
//! and only then answered.

mod access;
mod admin;
mod answering;
mod call;
mod document;
mod first;
mod health;
mod idempotency;
mod objects;
mod paging;
mod preconditions;
mod probes;
mod problem;
mod reply;
mod routes;
mod serve;
mod targets;
mod view;
mod write;

pub use access::{Access, RefusedBind};
pub use admin::Admin;
pub use answering::router;
pub use first::{FirstGatewayError, first_gateway};
pub use problem::problem_codes;
pub use routes::routes;
pub use serve::serve;
