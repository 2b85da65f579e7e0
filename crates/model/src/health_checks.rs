//! How an upstream learns which of its targets are well.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{
    Faults,
    headers::{read_headers, write_headers},
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

#[derive(Clone, Debug, Eq, PartialEq)]
enum Passive {
    Switch(bool),
    Tuned(PassiveChecks),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Active {
    Switch(bool),
    Tuned(ActiveChecks),
}

/// How the outcomes of requests are judged; what is `None` is left to the health machine.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PassiveChecks {
    /// Failures in a row that take a target out; goes before `threshold`.
    pub threshold: Option<u32>,
    /// How long a target rests the first time; each further time in a row twice as long.
    pub base_ejection: Option<Duration>,
    /// For how long a target that comes back takes a growing share.
    pub ramp: Option<Duration>,
    /// The largest part of an upstream's targets that may rest at once, in percent: 1 to 100.
    pub max_ejected_percent: Option<u32>,
}

/// What an active check sends and expects; what is `None` is left to the provider and the checker.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ActiveChecks {
    /// The path asked for; `None`: the provider's own token-free one.
    pub path: Option<String>,
    /// The method, `GET` where `None`.
    pub method: Option<String>,
    /// Headers beside the target's own.
    pub headers: BTreeMap<String, String>,
    /// The statuses that count as well; empty: 200 to 399.
    pub expected_statuses: Vec<u16>,
    /// The deadline of one check, 5 s where `None`.
    pub timeout: Option<Duration>,
    /// Good checks in a row that bring a target back, 2 where `None`.
    pub healthy_threshold: Option<u32>,
    /// Bad checks in a row that take a target out, `threshold` where `None`.
    pub unhealthy_threshold: Option<u32>,
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

impl Passive {
    fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        if let Some(switch) = field.value.as_bool() {
            return Some(Self::Switch(switch));
        }
        if !field.value.is_object() {
            return field.wrong("true, false or an object", faults);
        }
        let mut fields = field.fields(faults)?;
        let mut span = |name| fields.get(name).and_then(|field| field.span(faults));
        let (base_ejection, ramp) = (span("base_ejection"), span("ramp"));
        let checks = PassiveChecks {
            threshold: read_threshold(&mut fields, "threshold", faults),
            base_ejection,
            ramp,
            max_ejected_percent: fields
                .get("max_ejected_percent")
                .and_then(|field| field.whole(1, 100, faults)),
        };
        fields.finish(faults);
        Some(Self::Tuned(checks))
    }

    fn write(&self) -> Value {
        match self {
            Self::Switch(switch) => Value::Bool(*switch),
            Self::Tuned(checks) => {
                let mut writer = Writer::default();
                writer.put_some("threshold", checks.threshold);
                writer.put_some("base_ejection", checks.base_ejection.map(span::write));
                writer.put_some("ramp", checks.ramp.map(span::write));
                writer.put_some("max_ejected_percent", checks.max_ejected_percent);
                writer.finish()
            }
        }
    }
}

impl Active {
    fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        if let Some(switch) = field.value.as_bool() {
            return Some(Self::Switch(switch));
        }
        if !field.value.is_object() {
            return field.wrong("true, false or an object", faults);
        }
        let mut fields = field.fields(faults)?;
        let checks = ActiveChecks {
            path: fields
                .get("path")
                .and_then(|field| crate::target::read_path(&field, faults)),
            method: fields
                .get("method")
                .and_then(|field| crate::rule::read_method(&field, faults)),
            headers: fields
                .get("headers")
                .and_then(|field| read_headers(&field, faults))
                .unwrap_or_default(),
            expected_statuses: fields
                .get("expected_statuses")
                .and_then(|field| field.items(100, faults, read_status))
                .unwrap_or_default(),
            timeout: fields.get("timeout").and_then(|field| field.span(faults)),
            healthy_threshold: read_threshold(&mut fields, "healthy_threshold", faults),
            unhealthy_threshold: read_threshold(&mut fields, "unhealthy_threshold", faults),
        };
        fields.finish(faults);
        Some(Self::Tuned(checks))
    }

    fn write(&self) -> Value {
        match self {
            Self::Switch(switch) => Value::Bool(*switch),
            Self::Tuned(checks) => {
                let mut writer = Writer::default();
                writer.put_some("path", checks.path.as_deref());
                writer.put_some("method", checks.method.as_deref());
                write_headers(&mut writer, &checks.headers);
                if !checks.expected_statuses.is_empty() {
                    writer.put("expected_statuses", checks.expected_statuses.clone());
                }
                writer.put_some("timeout", checks.timeout.map(span::write));
                writer.put_some("healthy_threshold", checks.healthy_threshold);
                writer.put_some("unhealthy_threshold", checks.unhealthy_threshold);
                writer.finish()
            }
        }
    }
}

fn read_status(item: &Field<'_>, faults: &mut Faults) -> Option<u16> {
    item.whole(100, 599, faults)
        .and_then(|status| u16::try_from(status).ok())
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
