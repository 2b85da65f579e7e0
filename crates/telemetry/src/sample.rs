//! What a target is at the moment of a scrape.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::TargetIdentity;

/// One target as it is now: a row of the target gauges.
#[derive(Clone, Debug)]
pub struct TargetSample {
    /// Whose row it is.
    pub identity: TargetIdentity,
    /// The state it is in.
    pub state: TargetState,
    /// Whether a new request may go to it now: false too while it cools or is full.
    pub takes_traffic: bool,
    /// Requests on it, each counted to the end of its answer.
    pub in_flight: u64,
    /// Its configured weight.
    pub weight: u32,
    /// Its configured priority; lower is tried first.
    pub priority: u32,
    /// How often it was taken out since it is known.
    pub ejections: u64,
    /// How often it was picked since it is known.
    pub picks: u64,
}

/// The states that an operator knows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TargetState {
    /// Receives traffic.
    Healthy,
    /// Taken out by its health checks.
    Unhealthy,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// Taken out by hand.
    Disabled,
}

impl TargetState {
    const ALL: [Self; 4] = [
        Self::Healthy,
        Self::Unhealthy,
        Self::Draining,
        Self::Disabled,
    ];

    /// The state as metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        }
    }
}

impl EncodeLabelValue for TargetState {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

type Source = Arc<dyn Fn() -> Vec<TargetSample> + Send + Sync>;

/// Asks a source for the rows at each scrape.
#[derive(Clone, Default)]
pub(crate) struct Sampler {
    source: Arc<Mutex<Option<Source>>>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct StateLabels {
    #[prometheus(flatten)]
    identity: TargetIdentity,
    state: TargetState,
}

impl Sampler {
    pub(crate) fn set(&self, source: Source) {
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    fn samples(&self) -> Vec<TargetSample> {
        let source = self
            .source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        source.map_or_else(Vec::new, |source| source())
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").finish_non_exhaustive()
    }
}

impl Collector for Sampler {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let samples = self.samples();
        if samples.is_empty() {
            return Ok(());
        }
        encode_states(&samples, &mut encoder)?;
        for gauge in GAUGES {
            let mut family =
                encoder.encode_descriptor(gauge.name, gauge.help, None, MetricType::Gauge)?;
            for sample in &samples {
                ConstGauge::new((gauge.read)(sample))
                    .encode(family.encode_family(&sample.identity)?)?;
            }
        }
        for counter in COUNTERS {
            let mut family =
                encoder.encode_descriptor(counter.name, counter.help, None, MetricType::Counter)?;
            for sample in &samples {
                ConstCounter::new((counter.read)(sample))
                    .encode(family.encode_family(&sample.identity)?)?;
            }
        }
        Ok(())
    }
}

fn encode_states(
    samples: &[TargetSample],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(
        "target_state",
        "The state a target is in: 1 for that state, 0 for the others",
        None,
        MetricType::Gauge,
    )?;
    for sample in samples {
        for state in TargetState::ALL {
            let labels = StateLabels {
                identity: sample.identity.clone(),
                state,
            };
            ConstGauge::new(i64::from(sample.state == state))
                .encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

struct Column<T> {
    name: &'static str,
    help: &'static str,
    read: fn(&TargetSample) -> T,
}

const GAUGES: [Column<i64>; 4] = [
    Column {
        name: "target_up",
        help: "Whether a new request may go to the target",
        read: |sample| i64::from(sample.takes_traffic),
    },
    Column {
        name: "target_inflight",
        help: "Requests on the target, each counted to the end of its answer",
        read: |sample| i64::try_from(sample.in_flight).unwrap_or(i64::MAX),
    },
    Column {
        name: "target_weight",
        help: "The configured weight of the target",
        read: |sample| i64::from(sample.weight),
    },
    Column {
        name: "target_priority",
        help: "The configured priority of the target, lower is tried first",
        read: |sample| i64::from(sample.priority),
    },
];

const COUNTERS: [Column<u64>; 2] = [
    Column {
        name: "target_ejections",
        help: "How often the target was taken out by its health checks",
        read: |sample| sample.ejections,
    },
    Column {
        name: "target_picks",
        help: "How often the target was chosen for an attempt",
        read: |sample| sample.picks,
    },
];
