//! The parts that the Admin API works on.

use std::{fmt, sync::Arc};

use ai_gateway_registry::{Fleet, TargetHealth, TargetState, UpstreamSample};
use ai_gateway_store::{Clock, Store};
use ai_gateway_telemetry::{TargetIdentity, TargetSample, TargetState as SampleState, Telemetry};

use crate::Access;

/// The parts that the Admin API works on, and its settings.
#[derive(Clone)]
pub struct Admin {
    pub(crate) store: Store,
    pub(crate) fleet: Arc<dyn Fleet>,
    pub(crate) telemetry: Telemetry,
    pub(crate) access: Access,
    pub(crate) providers: Arc<[&'static str]>,
    pub(crate) clock: Clock,
    pub(crate) body_limit_bytes: usize,
    pub(crate) readiness: Readiness,
}

/// Answers why traffic cannot be taken, or that it can.
type Readiness = Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

impl Admin {
    /// Joins the parts: what is configured, what is live, what is counted, and who may call.
    ///
    /// No provider is known yet, see [`providers`](Self::providers). From here on each scrape of
    /// `telemetry` shows the targets of `fleet`.
    pub fn new(store: Store, fleet: Arc<dyn Fleet>, telemetry: Telemetry, access: Access) -> Self {
        let sampled = Arc::clone(&fleet);
        telemetry.on_scrape(move || samples(&*sampled));
        Self {
            store,
            fleet,
            telemetry,
            access,
            providers: Arc::default(),
            clock: Clock::system(),
            body_limit_bytes: DEFAULT_BODY_LIMIT_BYTES,
            readiness: Arc::new(|| Ok(())),
        }
    }

    /// Names the providers that a target may be at.
    #[must_use]
    pub fn providers(mut self, names: impl IntoIterator<Item = &'static str>) -> Self {
        self.providers = names.into_iter().collect();
        self
    }

    /// Takes the time from `clock` instead of the machine.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how long a request's body may be, 1 MiB by default; a longer one is answered with 413.
    #[must_use]
    pub fn body_limit_bytes(mut self, bytes: usize) -> Self {
        self.body_limit_bytes = bytes;
        self
    }

    /// Asks `is_ready` too before `/readyz` says yes: whether the proxy listens and does not drain.
    #[must_use]
    pub fn ready_when(
        mut self,
        is_ready: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Self {
        self.readiness = Arc::new(is_ready);
        self
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("store", &self.store)
            .field("access", &self.access)
            .field("body_limit_bytes", &self.body_limit_bytes)
            .finish_non_exhaustive()
    }
}

/// Shows every live target as the metrics do.
fn samples(fleet: &dyn Fleet) -> Vec<TargetSample> {
    let mut samples = Vec::new();
    for UpstreamSample {
        gateway,
        upstream,
        health,
    } in fleet.samples()
    {
        let gateway: Arc<str> = gateway.into();
        let upstream: Arc<str> = upstream.into();
        samples.extend(health.targets.into_iter().map(|target| TargetSample {
            takes_traffic: takes_traffic(&target),
            state: match target.state {
                TargetState::Healthy => SampleState::Healthy,
                TargetState::Unhealthy => SampleState::Unhealthy,
                TargetState::Draining => SampleState::Draining,
                TargetState::Disabled => SampleState::Disabled,
            },
            in_flight: target.in_flight.into(),
            weight: target.weight,
            priority: target.priority,
            ejections: target.ejections.into(),
            picks: target.picks,
            identity: TargetIdentity {
                gateway: Arc::clone(&gateway),
                upstream: Arc::clone(&upstream),
                target: target.name.into(),
                provider: target.provider.into(),
            },
        }));
    }
    samples
}

fn takes_traffic(target: &TargetHealth) -> bool {
    target.state == TargetState::Healthy
        && target.cooling_for.is_none()
        && target
            .max_in_flight
            .is_none_or(|most| target.in_flight < most)
}

/// Room for an upstream of a thousand targets.
const DEFAULT_BODY_LIMIT_BYTES: usize = 1024 * 1024;
