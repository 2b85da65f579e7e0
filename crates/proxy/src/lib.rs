//! Takes a client's request to a target and the answer back.
//!
//! [`Proxy`] is a tower service over the upstreams of a registry, [`serve`] the listener in front
//! of it, [`Compiler`] what makes a target ready to be talked to, and [`check_actively`] asks
//! targets how they are when nobody else does. Inside, in the order a request meets them:
//!
//! * `listener` takes the connection, one of the `lanes` serves it;
//! * `service` answers every request, `policy` refuses what two readers could read differently;
//! * `route` finds gateway, caller, rule and upstream, `intake` reads the body;
//! * `dispatch` asks one target after the other: `endpoint` writes the request, `attempt` sends it
//!   over a connection of `client` and reads up to the commit point, `verdict` says what came of it;
//! * `waiting` tells the client of a stream meanwhile that somebody is still at it;
//! * `relay` and `opaque` pass the answer on while `silence` watches its pauses, `settle` ends it,
//!   `story` tells of it;
//! * `failure` names what can go wrong, `respond` turns it into an answer.

mod attempt;
mod body;
mod caught;
mod checks;
mod client;
mod clock;
mod connect;
mod dispatch;
mod endpoint;
mod failure;
mod intake;
mod lanes;
mod listener;
mod models;
mod opaque;
mod policy;
mod reach;
mod relay;
mod respond;
mod route;
mod service;
mod settings;
mod settle;
mod silence;
mod story;
mod verdict;
mod waiting;
mod whole;

pub use body::{Body, Cut};
pub use checks::check_actively;
pub use connect::Connections;
pub use endpoint::{Compiler, Endpoint, ReadSecret};
pub use failure::{Blame, Failure};
pub use lanes::Lanes;
pub use listener::{Door, Shutdown, serve};
pub use reach::Reach;
pub use service::Proxy;
pub use settings::{BodyLimits, ConnectionLimits, ProxySettings};
