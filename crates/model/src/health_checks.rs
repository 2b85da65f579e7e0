//! How an upstream learns which of its targets are well.

pub(crate) mod active;
pub(crate) mod passive;

use std::time::Duration;

use serde_json::Value;

use active::{Active, ActiveChecks};
use passive::{Passive, PassiveChecks};

use crate::{
    Faults,
    read::{Field, Fields},
    span,
    write::Writer,
};

/// Health checks as an operator writes them; the methods answer with the defaults filled in.
///
/// `{"passive": true, "threshold": 3, "interval": 60}` is complete.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct HealthChecks {
    passive: Option<Passive>,
    active: Option<Active>,
    threshold: Option<u32>,
    interval: Option<Duration>,
}

impl HealthChecks {
    /// Tells whether the outcomes of requests are judged; they are unless that is switched off.
    pub fn is_passive(&self) -> bool {
        !matches!(self.passive, Some(Passive::Switch(false)))
    }

    /// Returns how the outcomes of requests are judged.
    pub fn passive(&self) -> PassiveChecks {
        match &self.passive {
            Some(Passive::Tuned(checks)) => *checks,
            Some(Passive::Switch(_)) | None => PassiveChecks::default(),
        }
    }

    /// Returns what active checks do, where they are switched on; they are off by default.
    pub fn active(&self) -> Option<ActiveChecks> {
        match &self.active {
            Some(Active::Tuned(checks)) => Some(checks.clone()),
            Some(Active::Switch(true)) => Some(ActiveChecks::default()),
            Some(Active::Switch(false)) | None => None,
        }
    }

    /// Returns how many failures in a row take a target out, 3 by default.
    pub fn threshold(&self) -> u32 {
        self.passive()
            .threshold
            .or(self.threshold)
            .unwrap_or(DEFAULT_THRESHOLD)
    }

    /// Returns how many bad active checks in a row take a target out, 3 by default.
    pub fn unhealthy_threshold(&self) -> u32 {
        self.active()
            .and_then(|active| active.unhealthy_threshold)
            .or(self.threshold)
            .unwrap_or(DEFAULT_THRESHOLD)
    }

    /// Returns the period of active checks, and for how long a target rests before it is tried
    /// again; 10 s by default.
    pub fn interval(&self) -> Duration {
        self.interval.unwrap_or(DEFAULT_INTERVAL)
    }

    /// Fills what was not written from the upstream's checks.
    #[must_use]
    pub fn over(&self, upstream: &Self) -> Self {
        Self {
            passive: self.passive.clone().or_else(|| upstream.passive.clone()),
            active: self.active.clone().or_else(|| upstream.active.clone()),
            threshold: self.threshold.or(upstream.threshold),
            interval: self.interval.or(upstream.interval),
        }
    }

    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = field.fields(faults)?;
        let checks = Self {
            passive: fields
                .get("passive")
                .and_then(|field| Passive::read(&field, faults)),
            active: fields
                .get("active")
                .and_then(|field| Active::read(&field, faults)),
            threshold: read_threshold(&mut fields, "threshold", faults),
            interval: fields.get("interval").and_then(|field| {
                if field.value.as_f64().is_some_and(|seconds| seconds <= 0.0) {
                    faults.push(&field.pointer, "health check interval must be positive");
                    return None;
                }
                field.span(faults)
            }),
        };
        fields.finish(faults);
        Some(checks)
    }

    pub(crate) fn write(&self) -> Option<Value> {
        let mut writer = Writer::default();
        writer.put_some("passive", self.passive.as_ref().map(Passive::write));
        writer.put_some("active", self.active.as_ref().map(Active::write));
        writer.put_some("threshold", self.threshold);
        writer.put_some("interval", self.interval.map(span::write));
        (*self != Self::default()).then(|| writer.finish())
    }
}

/// Reads a count of checks in a row.
fn read_threshold(fields: &mut Fields<'_>, name: &'static str, faults: &mut Faults) -> Option<u32> {
    let field = fields.get(name)?;
    if field.value.as_f64().is_some_and(|number| number <= 0.0) {
        faults.push(&field.pointer, "health check threshold must be positive");
        return None;
    }
    field.whole(1, MAX_THRESHOLD, faults)
}

const DEFAULT_THRESHOLD: u32 = 3;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// More checks in a row than this would never be reached.
const MAX_THRESHOLD: u32 = 10_000;
