//! The one object that counts and records for a process.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::closing::{Closing, Closings};
use crate::logs::access;
use crate::meters::Families;
use crate::process::{ProcessCollector, Runtimes};
use crate::sample::Sampler;
use crate::{RequestRecord, TargetIdentity, TargetMeters, TargetSample};

/// The `Content-Type` of what [`Telemetry::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counts and records what happens. Cheap to clone: clones count together.
///
/// ```
/// use ai_gateway_telemetry::{RequestRecord, Telemetry};
///
/// let telemetry = Telemetry::new("0.1.0");
/// let running = telemetry.request_started();
/// let record = RequestRecord::new("req-1".into(), "GET".into(), "/v1/models".into());
/// telemetry.record(&record);
/// drop(running);
/// assert!(telemetry.render().contains("aigw_requests_total"));
/// ```
#[derive(Clone, Debug)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    families: Arc<Families>,
    sampler: Sampler,
    runtimes: Runtimes,
    in_flight: Gauge,
    continued: Counter,
    closings: Closings,
    config_revision: Gauge,
    config_successful: Gauge,
    config_changed_at: Gauge,
}

impl Telemetry {
    /// Starts with every counter at zero. `version` is the program's, for `aigw_build_info`.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        let families = Arc::new(Families::register(&mut registry));
        let sampler = Sampler::default();
        let (in_flight, config_revision) = (Gauge::default(), Gauge::default());
        let (config_successful, config_changed_at) = (Gauge::default(), Gauge::default());
        let own = registry.sub_registry_with_prefix("aigw");
        own.register_collector(Box::new(sampler.clone()));
        own.register(
            "requests_inflight",
            "Requests that have not ended",
            in_flight.clone(),
        );
        let continued = Counter::default();
        own.register(
            "streams_continued",
            "Times that another target went on with a stream that had broken off",
            continued.clone(),
        );
        let closings = Closings::register(own);
        own.register(
            "config_revision",
            "The revision of the configuration in force",
            config_revision.clone(),
        );
        own.register(
            "config_last_reload_successful",
            "Whether the newest configuration is the one in force",
            config_successful.clone(),
        );
        own.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in force was taken over",
            Unit::Seconds,
            config_changed_at.clone(),
        );
        own.register(
            "build",
            "The running program",
            Info::new(build_labels(version)),
        );
        let runtimes = Runtimes::default();
        registry.register_collector(Box::new(ProcessCollector {
            runtimes: runtimes.clone(),
        }));
        Self {
            inner: Arc::new(Inner {
                registry,
                families,
                sampler,
                runtimes,
                in_flight,
                continued,
                closings,
                config_revision,
                config_successful,
                config_changed_at,
            }),
        }
    }

    /// Returns the counters of one target.
    ///
    /// `models` are the names it may be counted under: those it lists, its default and what its model
    /// map leads to. A model outside them counts as `other`, so that no client can add series. Call it
    /// while compiling a configuration and before dropping the meters of the last one: counts go on
    /// where an identity stays.
    pub fn target(
        &self,
        identity: TargetIdentity,
        models: impl IntoIterator<Item = Arc<str>>,
    ) -> Arc<TargetMeters> {
        Arc::new(TargetMeters::new(
            Arc::clone(&self.inner.families),
            identity,
            models,
        ))
    }

    /// Counts a request as running until the guard is dropped.
    pub fn request_started(&self) -> InFlight {
        self.inner.in_flight.inc();
        InFlight {
            gauge: self.inner.in_flight.clone(),
        }
    }

    /// Counts a connection that was closed for a reason of the proxy's own.
    pub fn connection_closed(&self, closing: Closing) {
        self.inner.closings.count(closing);
    }

    /// Counts a request that is over and writes its access log line, at `info`.
    ///
    /// It counts for the target tried last, which is the one that answered, if any did.
    pub fn record(&self, record: &RequestRecord) {
        for attempt in &record.attempts {
            attempt.target.count_attempt(attempt);
        }
        match record.attempts.last() {
            Some(last) => last.target.count_request(record),
            None => self.inner.families.count_unserved(record),
        }
        self.inner.continued.inc_by(u64::from(record.continued));
        access::write(record);
    }

    /// Names where the target gauges come from. `source` is asked at each scrape, on the scraping
    /// thread; it must not block. A second call replaces the first.
    pub fn on_scrape(&self, source: impl Fn() -> Vec<TargetSample> + Send + Sync + 'static) {
        self.inner.sampler.set(Arc::new(source));
    }

    /// Counts the tasks of `runtime` too, besides those of the runtime that scrapes.
    pub fn add_runtime(&self, runtime: tokio::runtime::Handle) {
        self.inner.runtimes.add(runtime);
    }

    /// Says that `revision` is in force since `at`, the time since the Unix epoch.
    pub fn configuration_applied(&self, revision: u64, at: Duration) {
        self.inner.config_revision.set(to_gauge(revision));
        self.inner.config_changed_at.set(to_gauge(at.as_secs()));
        self.inner.config_successful.set(1);
    }

    /// Says that a newer configuration was refused and the last good one stays.
    pub fn configuration_refused(&self) {
        self.inner.config_successful.set(0);
    }

    /// Writes all metrics as OpenMetrics text, ending in `# EOF`.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        match text::encode(&mut text, &self.inner.registry) {
            Ok(()) => text,
            // Writing to a string does not fail; what is cut off would read as a failed scrape.
            Err(std::fmt::Error) => text,
        }
    }
}

/// Counts one request as running until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    gauge: Gauge,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

fn build_labels(version: &str) -> Vec<(Cow<'static, str>, String)> {
    vec![("version".into(), version.to_owned())]
}

fn to_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
