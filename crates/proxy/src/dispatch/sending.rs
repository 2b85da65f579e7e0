//! One attempt with all that it needs, so that it can be under way beside another.

use std::time::Duration;

use ai_gateway_providers::Exchange;

use crate::attempt::{Answer, AttemptLimits, Expected, attempt};
use crate::client::Outgoing;
use crate::endpoint::Lease;
use crate::respond::Served;
use crate::verdict::Setback;

/// A request that is ready to be sent to one target.
pub(super) struct Sending {
    pub(super) target: Asked,
    pub(super) request: Outgoing,
    pub(super) expected: Expected,
    pub(super) limits: AttemptLimits,
}

/// A target that is asked, and what it takes to pass its answer on.
pub(super) struct Asked {
    pub(super) lease: Lease,
    /// Between two pieces of the answer.
    pub(super) idle: Duration,
    pub(super) served: Served,
    pub(super) exchange: Exchange,
}

impl Sending {
    /// Asks the target.
    ///
    /// Dropping the future closes the connection to the target and gives its lease back without
    /// a verdict.
    pub(super) async fn send(self) -> (Asked, Result<Answer, Setback>) {
        let Self {
            target,
            request,
            expected,
            limits,
        } = self;
        let pool = target.lease.pool();
        let came = attempt(pool, &request, &target.exchange, expected, &limits).await;
        (target, came)
    }
}
