//! What an operator's side may ask of the live upstreams, whatever the proxy attaches to them.

use std::time::Duration;

use ai_gateway_model::Configuration;
use uuid::Uuid;

/// The live upstreams, as the Admin API and the metrics see them.
pub trait Fleet: Send + Sync + 'static {
    /// Makes `configuration` the live one before it returns.
    ///
    /// Requests under way keep what they began with; targets that stay keep their in-flight
    /// counts and their health. A revision that is not newer than the live one changes nothing,
    /// so that a commit may be applied both by the one who made it and by one who watches.
    fn apply(&self, configuration: &Configuration) -> Applied;

    /// The revision that is live; 0 before the first.
    fn revision(&self) -> u64;

    /// How the targets of an upstream are, in the order they are configured.
    ///
    /// `None` when no live upstream has that id.
    fn health(&self, upstream: Uuid) -> Option<UpstreamHealth>;

    /// The same of every upstream, for the metrics.
    fn samples(&self) -> Vec<UpstreamSample>;
}

/// What became of a configuration that was to be made live.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The revision that is live now.
    pub revision: u64,
    /// Targets that could not be made ready; they take no traffic.
    pub faults: Vec<TargetFault>,
}

/// Why a target takes no traffic although nobody took it out.
#[derive(Clone, Debug)]
pub struct TargetFault {
    /// The target's upstream.
    pub upstream: String,
    /// The target.
    pub target: String,
    /// What stands in the way, for the operator.
    pub message: String,
}

/// One upstream for the metrics.
#[derive(Clone, Debug)]
pub struct UpstreamSample {
    /// The name of its gateway.
    pub gateway: String,
    /// Its name.
    pub upstream: String,
    /// Its targets.
    pub health: UpstreamHealth,
}

/// How the targets of an upstream are at one moment.
#[derive(Clone, Debug)]
pub struct UpstreamHealth {
    /// The algorithm's first spelling.
    pub algorithm: &'static str,
    /// The targets, in the order they are configured.
    pub targets: Vec<TargetHealth>,
}

/// How a target is at one moment.
#[derive(Clone, Debug)]
pub struct TargetHealth {
    /// The target's name.
    pub name: String,
    /// The provider's name, or the host.
    pub provider: String,
    /// Whether it takes traffic.
    pub state: TargetState,
    /// Why it is in that state, one word: `passive_threshold`, `active_check`, `operator`, …
    pub reason: Option<String>,
    /// For how long it has been in that state.
    pub since: Duration,
    /// When a resting target is tried next, from now.
    pub next_probe_in: Option<Duration>,
    /// Attempts under way, to the end of their streams.
    pub in_flight: u32,
    /// The most that may be under way.
    pub max_in_flight: Option<u32>,
    /// The part of its weight that counts while it recovers: 1 when it has.
    pub ramp: f64,
    /// How long it is still spared because it asked for it (429 and the like).
    pub cooling_for: Option<Duration>,
    /// How often it has been taken out in a row.
    pub ejections: u32,
    /// The last failure: its kind and how long ago.
    pub last_failure: Option<(String, Duration)>,
    /// Attempts that it was picked for since it is live.
    pub picks: u64,
    /// Its configured weight.
    pub weight: u32,
    /// Its priority; lower is tried first.
    pub priority: u32,
    /// The models it lists.
    pub models: Vec<String>,
}

/// Whether a target takes traffic, as operators know it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TargetState {
    /// It takes traffic.
    Healthy,
    /// It was taken out of the pool and is tried again later.
    Unhealthy,
    /// It finishes what is under way and takes nothing new.
    Draining,
    /// The operator took it out.
    Disabled,
}

impl TargetState {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 4] = [
        Self::Healthy,
        Self::Unhealthy,
        Self::Draining,
        Self::Disabled,
    ];

    /// The state's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        }
    }
}
