//! The counters of one target, resolved once, so that counting looks nothing up by its labels.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::record::{AttemptOutcome, AttemptRecord, RequestOutcome, RequestRecord, TokenUsage};

/// Which target: the labels that its metrics carry.
#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
pub struct TargetIdentity {
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The target's name.
    pub target: Arc<str>,
    /// The provider's name; for a target given by its address, the host.
    pub provider: Arc<str>,
}

/// What each request looks up. Its keys are the operator's names and the outcomes there are, none that
/// a client makes up: a hash made for speed is safe.
type Index<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The counters of one target.
///
/// Made by [`Telemetry::target`](crate::Telemetry::target) while a configuration is compiled and kept
/// with the target. Two of the same identity count together. When the last one of an identity is
/// dropped, its series end, so that a removed target leaves the scrape.
pub struct TargetMeters {
    identity: TargetIdentity,
    families: Arc<Families>,
    attempts: [OnceLock<Counter>; AttemptOutcome::ALL.len()],
    models: Index<Arc<str>, ModelMeters>,
    other: ModelMeters,
}

impl TargetMeters {
    pub(crate) fn new(
        families: Arc<Families>,
        identity: TargetIdentity,
        models: impl IntoIterator<Item = Arc<str>>,
    ) -> Self {
        families.retain(&identity);
        let resolve = |model: Arc<str>| ModelMeters::resolve(&families, &identity, model);
        let other = resolve(Arc::from(OTHER_MODEL));
        let models = models
            .into_iter()
            .map(|model| (Arc::clone(&model), resolve(model)))
            .collect();
        Self {
            attempts: Default::default(),
            models,
            other,
            identity,
            families,
        }
    }

    /// Whose counters these are.
    pub fn identity(&self) -> &TargetIdentity {
        &self.identity
    }

    pub(crate) fn count_attempt(&self, attempt: &AttemptRecord) {
        // The discriminant is the index: `ALL` has the variants in the order of declaration.
        let Some(slot) = self.attempts.get(attempt.outcome as usize) else {
            return;
        };
        slot.get_or_init(|| {
            let labels = AttemptLabels {
                identity: self.identity.clone(),
                reason: attempt.outcome.as_str(),
            };
            self.families.attempts.get_or_create_owned(&labels)
        })
        .inc();
    }

    pub(crate) fn count_request(&self, record: &RequestRecord) {
        let served = record
            .served_model
            .as_deref()
            .and_then(|model| self.models.get(model));
        served
            .unwrap_or(&self.other)
            .count(&self.families, &self.identity, record);
    }
}

impl Drop for TargetMeters {
    fn drop(&mut self) {
        self.families.release(&self.identity);
    }
}

impl fmt::Debug for TargetMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetMeters")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A model that a target was asked for and does not list: clients choose such names, and a label that
/// clients choose has no bound.
const OTHER_MODEL: &str = "other";

/// One target's counters for one model.
struct ModelMeters {
    model: Arc<str>,
    requests: RwLock<Index<RequestKey, Counter>>,
    duration: Histogram,
    first_token: Histogram,
    tokens: [Counter; 4],
    cost: Dollars,
    gen_ai: GenAiMeters,
}

#[derive(Clone, Eq, Hash, PartialEq)]
struct RequestKey {
    route: Arc<str>,
    status: u16,
    outcome: RequestOutcome,
}

impl ModelMeters {
    fn resolve(families: &Families, identity: &TargetIdentity, model: Arc<str>) -> Self {
        let labels = ModelLabels {
            identity: identity.clone(),
            model: Arc::clone(&model),
        };
        families.remember(identity, |series| series.models.push(Arc::clone(&model)));
        let tokens = TOKEN_TYPES.map(|kind| {
            families.tokens.get_or_create_owned(&TokenLabels {
                model: labels.clone(),
                r#type: kind,
            })
        });
        Self {
            requests: RwLock::default(),
            duration: families.duration.get_or_create_owned(&labels),
            first_token: families.first_token.get_or_create_owned(&labels),
            tokens,
            cost: families.cost.get_or_create_owned(&labels),
            gen_ai: GenAiMeters::resolve(families, identity, &model),
            model,
        }
    }

    fn count(&self, families: &Families, identity: &TargetIdentity, record: &RequestRecord) {
        self.count_ended(families, identity, record);
        self.duration.observe(record.duration.as_secs_f64());
        if let Some(first_token) = record.time_to_first_token {
            self.first_token.observe(first_token.as_secs_f64());
        }
        for (counter, count) in self.tokens.iter().zip(token_counts(record.usage)) {
            counter.inc_by(count);
        }
        if let Some(nanos) = record.cost_nano_usd {
            self.cost.inc_by(as_f64(nanos) / 1e9);
        }
        self.gen_ai.count(record.usage, record.duration);
    }

    fn count_ended(&self, families: &Families, identity: &TargetIdentity, record: &RequestRecord) {
        let key = RequestKey {
            route: Arc::clone(&record.route),
            status: record.status,
            outcome: record.outcome,
        };
        let requests = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = requests.get(&key) {
            counter.inc();
            return;
        }
        drop(requests);
        let labels = RequestLabels {
            model: ModelLabels {
                identity: identity.clone(),
                model: Arc::clone(&self.model),
            },
            route: Arc::clone(&key.route),
            code: key.status,
            outcome: key.outcome.as_str(),
        };
        let counter = families.requests.get_or_create_owned(&labels);
        counter.inc();
        families.remember(identity, |series| series.requests.push(labels));
        let mut requests = self
            .requests
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        requests.insert(key, counter);
    }
}

/// The GenAI semantic conventions' metrics, for dashboards that know those names.
struct GenAiMeters {
    input: Histogram,
    output: Histogram,
    duration: Histogram,
}

impl GenAiMeters {
    fn resolve(families: &Families, identity: &TargetIdentity, model: &Arc<str>) -> Self {
        let labels = GenAiLabels {
            gen_ai_operation_name: "chat",
            gen_ai_provider_name: Arc::clone(&identity.provider),
            gen_ai_request_model: Arc::clone(model),
        };
        let of_type = |gen_ai_token_type| {
            let labels = GenAiTokenLabels {
                labels: labels.clone(),
                gen_ai_token_type,
            };
            families.gen_ai_tokens.get_or_create_owned(&labels)
        };
        Self {
            input: of_type("input"),
            output: of_type("output"),
            duration: families.gen_ai_duration.get_or_create_owned(&labels),
        }
    }

    fn count(&self, usage: TokenUsage, duration: Duration) {
        for (histogram, count) in [(&self.input, usage.input), (&self.output, usage.output)] {
            // Zero means that the target reported none, which is not an observation.
            if count > 0 {
                histogram.observe(as_f64(count));
            }
        }
        self.duration.observe(duration.as_secs_f64());
    }
}

/// US dollars, in fractions too.
type Dollars = Counter<f64, AtomicU64>;

type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// Every metric family that has labels, and which target needs which of their series.
#[derive(Debug)]
pub(crate) struct Families {
    requests: Family<RequestLabels, Counter>,
    duration: Histograms<ModelLabels>,
    first_token: Histograms<ModelLabels>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<ModelLabels, Dollars>,
    attempts: Family<AttemptLabels, Counter>,
    gen_ai_tokens: Histograms<GenAiTokenLabels>,
    gen_ai_duration: Histograms<GenAiLabels>,
    held: Mutex<HashMap<TargetIdentity, Series>>,
}

/// The series of one identity, and how many meters hold them.
#[derive(Debug, Default)]
struct Series {
    holders: usize,
    models: Vec<Arc<str>>,
    requests: Vec<RequestLabels>,
}

impl Families {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(duration_histogram as fn() -> Histogram),
            first_token: Family::new_with_constructor(duration_histogram as fn() -> Histogram),
            tokens: Family::default(),
            cost: Family::default(),
            attempts: Family::default(),
            gen_ai_tokens: Family::new_with_constructor(token_histogram as fn() -> Histogram),
            gen_ai_duration: Family::new_with_constructor(duration_histogram as fn() -> Histogram),
            held: Mutex::default(),
        };
        let own = registry.sub_registry_with_prefix("aigw");
        own.register(
            "requests",
            "Requests by where they went and how they ended",
            families.requests.clone(),
        );
        own.register_with_unit(
            "request_duration",
            "From a request's arrival to the end of its answer",
            Unit::Seconds,
            families.duration.clone(),
        );
        own.register_with_unit(
            "time_to_first_token",
            "From a request's arrival to the first token of its answer",
            Unit::Seconds,
            families.first_token.clone(),
        );
        own.register(
            "tokens",
            "Tokens as targets reported them",
            families.tokens.clone(),
        );
        own.register(
            "cost_usd",
            "What the tokens cost, where prices are known",
            families.cost.clone(),
        );
        own.register(
            "upstream_attempts",
            "Attempts by target and what came of them",
            families.attempts.clone(),
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens of a request",
            families.gen_ai_tokens.clone(),
        );
        registry.register_with_unit(
            "gen_ai_client_operation_duration",
            "Duration of a request",
            Unit::Seconds,
            families.gen_ai_duration.clone(),
        );
        families
    }

    /// Counts a request that no target was asked for.
    pub(crate) fn count_unserved(&self, record: &RequestRecord) {
        let empty: Arc<str> = Arc::from("");
        let identity = TargetIdentity {
            gateway: Arc::clone(&record.gateway),
            upstream: Arc::clone(&record.upstream),
            target: Arc::clone(&empty),
            provider: Arc::clone(&empty),
        };
        let labels = RequestLabels {
            model: ModelLabels {
                identity,
                model: empty,
            },
            route: Arc::clone(&record.route),
            code: record.status,
            outcome: record.outcome.as_str(),
        };
        self.requests.get_or_create(&labels).inc();
        self.duration
            .get_or_create(&labels.model)
            .observe(record.duration.as_secs_f64());
    }

    fn retain(&self, identity: &TargetIdentity) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(identity.clone()).or_default().holders += 1;
    }

    fn remember(&self, identity: &TargetIdentity, add: impl FnOnce(&mut Series)) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = held.get_mut(identity) {
            add(series);
        }
    }

    fn release(&self, identity: &TargetIdentity) {
        // Held throughout: meters made meanwhile for the same identity must not lose their series.
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(series) = held.get_mut(identity) else {
            return;
        };
        series.holders -= 1;
        if series.holders > 0 {
            return;
        }
        let Some(series) = held.remove(identity) else {
            return;
        };
        for labels in &series.requests {
            self.requests.remove(labels);
        }
        for model in series.models {
            let labels = ModelLabels {
                identity: identity.clone(),
                model,
            };
            self.duration.remove(&labels);
            self.first_token.remove(&labels);
            self.cost.remove(&labels);
            for r#type in TOKEN_TYPES {
                self.tokens.remove(&TokenLabels {
                    model: labels.clone(),
                    r#type,
                });
            }
        }
        for outcome in AttemptOutcome::ALL {
            let labels = AttemptLabels {
                identity: identity.clone(),
                reason: outcome.as_str(),
            };
            self.attempts.remove(&labels);
        }
    }
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ModelLabels {
    #[prometheus(flatten)]
    identity: TargetIdentity,
    model: Arc<str>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct RequestLabels {
    #[prometheus(flatten)]
    model: ModelLabels,
    route: Arc<str>,
    code: u16,
    outcome: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct TokenLabels {
    #[prometheus(flatten)]
    model: ModelLabels,
    r#type: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct AttemptLabels {
    #[prometheus(flatten)]
    identity: TargetIdentity,
    reason: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct GenAiLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: Arc<str>,
    gen_ai_request_model: Arc<str>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct GenAiTokenLabels {
    #[prometheus(flatten)]
    labels: GenAiLabels,
    gen_ai_token_type: &'static str,
}

const TOKEN_TYPES: [&str; 4] = ["input", "output", "cache_read", "reasoning"];

/// The counts in the order of [`TOKEN_TYPES`].
fn token_counts(usage: TokenUsage) -> [u64; 4] {
    [
        usage.input,
        usage.output,
        usage.cached_input,
        usage.reasoning,
    ]
}

/// 10 ms to 82 s in doublings: the buckets of the GenAI semantic conventions.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 14))
}

/// 1 to 67 million in steps of four: the buckets of the GenAI semantic conventions.
fn token_histogram() -> Histogram {
    Histogram::new(exponential_buckets(1.0, 4.0, 14))
}

/// Exact up to 2^53, which no count of tokens reaches, and no cost of one request.
#[expect(
    clippy::cast_precision_loss,
    reason = "the counts of one request stay far below 2^53"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
