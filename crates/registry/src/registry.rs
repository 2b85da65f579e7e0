//! What is live: one configuration, and the balancers that stand behind its upstreams.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ai_gateway_model::{Configuration, Gateway, Target, Upstream};
use arc_swap::ArcSwap;
use tracing::{info, warn};
use uuid::Uuid;

use crate::fleet::{Applied, Fleet, TargetFault, UpstreamHealth, UpstreamSample};
use crate::upstream::LiveUpstream;
use crate::usage::Usage;

/// Makes of a target what the proxy needs to reach it.
pub trait Compile: Send + Sync + 'static {
    /// What it makes.
    type Endpoint: Send + Sync + 'static;

    /// Makes it.
    ///
    /// # Errors
    ///
    /// What stands in the way, for the operator; the target takes no traffic then.
    fn compile(&self, place: &Place<'_>) -> Result<Self::Endpoint, String>;

    /// Says what the target charges, for `lowest-cost`. Nothing unless told otherwise.
    fn prices(&self, _place: &Place<'_>, _endpoint: &Self::Endpoint) -> Prices {
        Prices::default()
    }
}

/// What a target charges: each price 0 or more, in any unit, the same for all targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prices {
    /// For its models, by the names that clients call them.
    pub models: Vec<(Box<str>, f32)>,
    /// For all others, and for a request that names no model where the target has no default.
    pub other: f32,
}

/// A target and where it belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its gateway.
    pub gateway: &'a Gateway,
    /// Its upstream; an endpoint service has one of its own.
    pub upstream: &'a Upstream,
    /// The target.
    pub target: &'a Target,
}

/// The live upstreams. `E` is what the proxy attaches to each target.
pub struct Registry<E> {
    live: ArcSwap<Live<E>>,
    compile: Box<dyn Compile<Endpoint = E>>,
    /// Held while a configuration is made live, so that two do not cross.
    applying: Mutex<()>,
}

/// One configuration and what stands behind it; a request keeps the one it began with.
pub struct Live<E> {
    configuration: Configuration,
    upstreams: ById<Arc<LiveUpstream<E>>>,
    usages: ById<Arc<Usage>>,
    is_initial: bool,
}

/// Ids are made by the store, never by a client: a hash made for speed is safe.
type ById<T> = HashMap<Uuid, T, foldhash::fast::RandomState>;

impl<E: Send + Sync + 'static> Registry<E> {
    /// A registry with nothing live yet.
    pub fn new(compile: impl Compile<Endpoint = E>) -> Self {
        let nothing = Live {
            configuration: Configuration::empty(),
            upstreams: ById::default(),
            usages: ById::default(),
            is_initial: true,
        };
        Self {
            live: ArcSwap::from_pointee(nothing),
            compile: Box::new(compile),
            applying: Mutex::new(()),
        }
    }

    /// What is live now.
    pub fn live(&self) -> Arc<Live<E>> {
        self.live.load_full()
    }

    /// Whether a configuration has been made live.
    pub fn is_live(&self) -> bool {
        !self.live.load().is_initial
    }

    fn make(&self, before: &Live<E>, configuration: &Configuration) -> (Live<E>, Vec<TargetFault>) {
        let mut upstreams = ById::default();
        let mut usages = ById::default();
        let mut faults = Vec::new();
        for gateway in configuration.gateways() {
            for upstream in configuration.live_upstreams(gateway.id()) {
                let known = before.upstreams.get(&upstream.id());
                let live = match known {
                    Some(known) if known.is(gateway, upstream) => Arc::clone(known),
                    known => Arc::new(LiveUpstream::make(
                        gateway,
                        upstream,
                        known.map(AsRef::as_ref),
                        self.compile.as_ref(),
                    )),
                };
                faults.extend_from_slice(live.faults());
                upstreams.insert(upstream.id(), live);
            }
            let rules = configuration
                .rules(gateway.id())
                .iter()
                .map(|rule| rule.id());
            let keys = configuration.keys(gateway.id()).iter().map(|key| key.id());
            for id in rules.chain(keys) {
                usages.insert(
                    id,
                    before.usages.get(&id).map(Arc::clone).unwrap_or_default(),
                );
            }
        }
        let configuration = configuration.clone();
        (
            Live {
                configuration,
                upstreams,
                usages,
                is_initial: false,
            },
            faults,
        )
    }
}

impl<E: Send + Sync + 'static> Fleet for Registry<E> {
    fn apply(&self, configuration: &Configuration) -> Applied {
        let _turn = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.live.load_full();
        if !before.is_initial && configuration.revision() <= before.revision() {
            return Applied {
                revision: before.revision(),
                faults: Vec::new(),
            };
        }
        let (after, faults) = self.make(&before, configuration);
        for TargetFault {
            upstream,
            target,
            message,
        } in &faults
        {
            warn!(upstream, target, message, "target takes no traffic");
        }
        let revision = after.revision();
        self.live.store(Arc::new(after));
        info!(revision, "configuration is live");
        Applied { revision, faults }
    }

    fn revision(&self) -> u64 {
        self.live.load().revision()
    }

    fn health(&self, upstream: Uuid) -> Option<UpstreamHealth> {
        Some(self.live.load().upstream(upstream)?.health())
    }

    fn samples(&self) -> Vec<UpstreamSample> {
        let live = self.live.load();
        let sample = |upstream: &Arc<LiveUpstream<E>>| UpstreamSample {
            gateway: upstream.gateway().to_string(),
            upstream: upstream.upstream().name().to_string(),
            health: upstream.health(),
        };
        live.upstreams.values().map(sample).collect()
    }
}

impl<E> Live<E> {
    /// The configuration.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Its revision.
    pub fn revision(&self) -> u64 {
        self.configuration.revision()
    }

    /// The upstream of that id; an endpoint service's is the service's own.
    pub fn upstream(&self, id: Uuid) -> Option<&Arc<LiveUpstream<E>>> {
        self.upstreams.get(&id)
    }

    /// All upstreams, in no order.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<LiveUpstream<E>>> {
        self.upstreams.values()
    }

    /// What the key or rule of that id has used.
    pub fn usage(&self, id: Uuid) -> Option<&Arc<Usage>> {
        self.usages.get(&id)
    }
}

impl<E> fmt::Debug for Registry<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("live", &*self.live.load())
            .finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for Live<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("revision", &self.revision())
            .field("upstreams", &self.upstreams.len())
            .finish_non_exhaustive()
    }
}
