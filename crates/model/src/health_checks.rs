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
    /// The longest that a target rests before it is tried again.
    pub max_ejection: Option<Duration>,
    /// For how long a target that comes back takes a growing share.
    pub ramp: Option<Duration>,
    /// The longest that a target is spared because it asked for it (429 and the like).
    pub max_retry_after: Option<Duration>,
    /// The share of requests that must succeed, beside the failures in a row.
    pub success_rate: Option<SuccessRate>,
    /// Whether a good active check brings back a target that failed requests; else it takes a
    /// request that succeeds.
    pub active_can_restore: Option<bool>,
    /// The largest part of an upstream's targets that may rest at once, in percent: 1 to 100.
    pub max_ejected_percent: Option<u32>,
}

/// The share of requests that must succeed for a target to stay in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SuccessRate {
    /// It is not looked at.
    Off,
    /// It must be reached, once there are requests enough to tell.
    AtLeast {
        /// The share, in percent: 1 to 100.
        percent: u32,
        /// How many requests are enough to tell, 20 unless written.
        samples: u32,
        /// Over which time they are counted, 30 s unless written.
        span: Duration,
    },
}

impl SuccessRate {
    fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        if field.value.as_bool() == Some(false) {
            return Some(Self::Off);
        }
        if !field.value.is_object() {
            return field.wrong("false or an object", faults);
        }
        let mut fields = field.fields(faults)?;
        let Some(percent) = fields.get("percent") else {
            faults.push(fields.at("percent"), "percent is required");
            fields.ignore(&["samples", "span"]);
            fields.finish(faults);
            return None;
        };
        let percent = percent.whole(1, 100, faults);
        let samples = match fields.get("samples") {
            Some(field) => field.whole(1, MAX_THRESHOLD, faults),
            None => Some(DEFAULT_SAMPLES),
        };
        let span = match fields.get("span") {
            Some(field) => field.span(faults),
            None => Some(DEFAULT_SPAN),
        };
        fields.finish(faults);
        Some(Self::AtLeast {
            percent: percent?,
            samples: samples?,
            span: span?,
        })
    }

    fn write(self) -> Value {
        match self {
            Self::Off => Value::Bool(false),
            Self::AtLeast {
                percent,
                samples,
                span,
            } => {
                let mut writer = Writer::default();
                writer.put("percent", percent);
                writer.put("samples", samples);
                writer.put("span", span::write(span));
                writer.finish()
            }
        }
    }
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
        let (base_ejection, max_ejection) = (span("base_ejection"), span("max_ejection"));
        let (ramp, max_retry_after) = (span("ramp"), span("max_retry_after"));
        let checks = PassiveChecks {
            threshold: read_threshold(&mut fields, "threshold", faults),
            base_ejection,
            max_ejection,
            ramp,
            max_retry_after,
            success_rate: fields
                .get("success_rate")
                .and_then(|field| SuccessRate::read(&field, faults)),
            active_can_restore: fields
                .get("active_can_restore")
                .and_then(|field| field.boolean(faults)),
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
                writer.put_some("max_ejection", checks.max_ejection.map(span::write));
                writer.put_some("ramp", checks.ramp.map(span::write));
                writer.put_some("max_retry_after", checks.max_retry_after.map(span::write));
                writer.put_some("success_rate", checks.success_rate.map(SuccessRate::write));
                writer.put_some("active_can_restore", checks.active_can_restore);
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

/// Fewer requests than this tell little.
const DEFAULT_SAMPLES: u32 = 20;
const DEFAULT_SPAN: Duration = Duration::from_secs(30);

/// More checks in a row than this would never be reached.
const MAX_THRESHOLD: u32 = 10_000;
