//! Says what a gateway, upstream, service, rule and key are and when one is valid.
//!
//! A thing is first *written* (a JSON document), then *recorded* ([`Draft`], [`Record`]: canonical
//! JSON with its secrets kept apart) and at last *checked* ([`Upstream`] and its like, whose values
//! are valid by their types). A [`Configuration`] holds all of them at one revision. Nothing here
//! reads a clock, a file or the environment.
//!
//! ```
//! use ai_gateway_model::{Configuration, Draft, Kind, ValidationContext};
//! use serde_json::json;
//!
//! let context = ValidationContext {
//!     configuration: &Configuration::empty(),
//!     id: uuid::Uuid::max(),
//!     gateway: None,
//!     previous: None,
//!     provider_known: &|name| name == "openai",
//!     provider_names: &["openai"],
//! };
//! let written = json!({ "targets": [{ "provider": "opneai", "weight": 0 }] });
//! let faults = Draft::read(Kind::Upstream, &written, &context).unwrap_err();
//! assert_eq!(faults.as_slice().len(), 3, "no name, no such provider, no such weight");
//! ```

mod algorithm;
mod configuration;
mod credentials;
mod destination;
mod fault;
mod gateway;
mod headers;
mod health_checks;
mod hedge;
mod key;
mod kind;
mod limits;
mod object;
mod read;
mod reading;
mod record;
mod retry;
mod rule;
mod rule_set;
mod secret;
mod service;
mod span;
mod stream;
mod target;
mod upstream;
mod value;
mod write;

pub use algorithm::Algorithm;
pub use configuration::Configuration;
pub use credentials::{Credentials, ParamLocation, SecretSource};
pub use destination::{Destination, Protocol, Site};
pub use fault::{Fault, Faults, nearest};
pub use gateway::Gateway;
pub use health_checks::HealthChecks;
pub use health_checks::active::ActiveChecks;
pub use health_checks::passive::{PassiveChecks, SuccessRate};
pub use hedge::Hedge;
pub use key::{Key, KeyHash};
pub use kind::{Kind, UnknownKind};
pub use limits::{Limits, Timeouts};
pub use object::Draft;
pub use reading::ValidationContext;
pub use record::{Change, Record, RecordFault, RecordFaultCause, used_by};
pub use retry::{Retry, RetryBudget};
pub use rule::matching::{HeaderMatch, PathMatch};
pub use rule::{HostHandling, PathHandling, Rule};
pub use rule_set::{Indistinct, RuleSet};
pub use secret::Secret;
pub use service::{Service, ServiceTo};
pub use span::read as read_span;
pub use stream::{Commit, Streaming};
pub use target::{Prefill, Target, TargetState};
pub use upstream::{ModelFallback, Upstream};
pub use value::{ModelName, ModelNameError, Name, NameError, Priority, Weight};
