//! How the outcomes of requests are judged.

use std::time::Duration;

use serde_json::Value;

use super::{MAX_THRESHOLD, read_threshold};
use crate::{Faults, read::Field, span, write::Writer};

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

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Passive {
    Switch(bool),
    Tuned(PassiveChecks),
}

impl Passive {
    pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
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

    pub(super) fn write(&self) -> Value {
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

/// Fewer requests than this tell little.
const DEFAULT_SAMPLES: u32 = 20;
const DEFAULT_SPAN: Duration = Duration::from_secs(30);
