//! Holds the upstreams that are live now; the one place where model, balancer and health meet.
//!
//! [`Registry`] makes a configuration live; [`Fleet`] is what an operator's side sees of it,
//! [`Live`] what a request sees.

mod budget;
mod fleet;
mod hedges;
mod registry;
mod translate;
mod upstream;
mod usage;

pub use ai_gateway_balancer::{
    ActiveCheck, Attempts, CheckDue, FailureKind, Lease, NoTarget, NoTargetReason, Outcome,
    Outlook, key_of_prefix,
};
pub use budget::RetryMeter;
pub use fleet::{
    Applied, Fleet, TargetFault, TargetHealth, TargetState, UpstreamHealth, UpstreamSample,
};
pub use hedges::{AnswerKind, HedgeMeter};
pub use registry::{Compile, Live, Place, Prices, Registry};
pub use upstream::{Affinity, LiveUpstream};
pub use usage::{Admission, LimitReached, LimitUnit, Usage};
