//! What there is to see of a target from outside.

use std::sync::Arc;

use ai_gateway_health::{Admin, Detail};

/// A target as it is now: its plan, its health, its load.
///
/// Moments are by the balancer's clock: take them from [`Balancer::now`](crate::Balancer::now).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TargetView {
    /// Its name.
    pub id: Arc<str>,
    /// Its weight, from 1 to 100.
    pub weight: u32,
    /// Its tier; the lowest first.
    pub priority: u32,
    /// What the operator decided.
    pub admin: Admin,
    /// State, reason and dates.
    pub health: Detail,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that it was ever given.
    pub picks: u64,
    /// The share of requests that passed lately, from 0 to 1, as scores see it.
    pub success: f32,
    /// The part of its room that rate limits left, from 0.01 to 1.
    pub room: f32,
    /// Seconds per weighted token; `None` when none was timed.
    pub seconds_per_token: Option<f32>,
    /// Seconds to the first byte; `None` when none was timed.
    pub first_byte_seconds: Option<f32>,
    /// Models that it said it does not know, for now.
    pub missing_models: Vec<Box<str>>,
}

impl TargetView {
    /// The state in a word.
    pub const fn state(&self) -> ai_gateway_health::State {
        self.health.state
    }
}
