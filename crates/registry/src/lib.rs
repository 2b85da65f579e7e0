//! Holds the upstreams that are live now; the one place where model, balancer and health meet.

mod fleet;

pub use fleet::{
    Applied, Fleet, TargetFault, TargetHealth, TargetState, UpstreamHealth, UpstreamSample,
};
