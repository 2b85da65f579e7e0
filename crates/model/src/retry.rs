//! How often a request is tried, how long it waits in between, and what that may cost.

use std::time::Duration;

use serde_json::Value;

use crate::{Faults, Hedge, limits::MAX_ATTEMPTS, read::Field, span, write::Writer};

/// How a request is tried again. What is `None` is left to the gateway's own defaults.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included: 1 to 10. Left out, as many as there are targets, and
    /// one more for each priority.
    pub attempts: Option<u32>,
    /// How long a request may wait for a target that asked to be left alone, before it goes to
    /// targets of another priority; 3 s unless written, zero (`false`) waits for nobody.
    pub max_wait: Option<Duration>,
    /// The pause before targets of one priority are tried a second time, of which a random half
    /// is left out; 100 ms unless written, zero (`false`) tries none a second time.
    pub backoff: Option<Duration>,
    /// How many tries may be made in vain.
    pub budget: Option<RetryBudget>,
    /// When a second target is asked beside a slow one; `None` never asks one.
    pub hedge: Option<Hedge>,
    /// Whether another target is asked to go on with a stream of plain text that breaks off after
    /// its beginning was passed on; `false` unless written.
    pub continue_stream: bool,
}

/// How many further tries of an upstream's requests may be made in vain, over ten seconds.
///
/// A try that helped costs nothing. When every target fails, the budget bounds how much heavier
/// the gateway makes it for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryBudget {
    /// There is no bound.
    Unlimited,
    /// The sum of both parts.
    Limited {
        /// In percent of the upstream's requests: 0 to 100; 20 unless written.
        percent: u32,
        /// So many a second in any case: 0 to 10,000; 10 unless written.
        per_second: u32,
    },
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::Limited {
            percent: DEFAULT_PERCENT,
            per_second: DEFAULT_PER_SECOND,
        }
    }
}

impl Retry {
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = field.fields(faults)?;
        let retry = Self {
            attempts: fields
                .get("attempts")
                .and_then(|field| field.whole(1, MAX_ATTEMPTS, faults)),
            max_wait: fields
                .get("max_wait")
                .and_then(|field| field.span_or_false(faults)),
            backoff: fields
                .get("backoff")
                .and_then(|field| field.span_or_false(faults)),
            budget: fields
                .get("budget")
                .and_then(|field| RetryBudget::read(&field, faults)),
            hedge: fields
                .get("hedge")
                .and_then(|field| Hedge::read(&field, faults)),
            continue_stream: fields
                .get("continue_stream")
                .and_then(|field| field.boolean(faults))
                .unwrap_or_default(),
        };
        fields.finish(faults);
        Some(retry)
    }

    pub(crate) fn write(&self) -> Option<Value> {
        let mut writer = Writer::default();
        writer.put_some("attempts", self.attempts);
        writer.put_some("max_wait", self.max_wait.map(span::write_or_false));
        writer.put_some("backoff", self.backoff.map(span::write_or_false));
        writer.put_some("budget", self.budget.map(RetryBudget::write));
        writer.put_some("hedge", self.hedge.map(Hedge::write));
        writer.put_some("continue_stream", self.continue_stream.then_some(true));
        (*self != Self::default()).then(|| writer.finish())
    }
}

impl RetryBudget {
    fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        if field.value.as_bool() == Some(false) {
            return Some(Self::Unlimited);
        }
        if !field.value.is_object() {
            return field.wrong("false or an object", faults);
        }
        let mut fields = field.fields(faults)?;
        let mut whole = |name, most, default| match fields.get(name) {
            Some(field) => field.whole(0, most, faults),
            None => Some(default),
        };
        let percent = whole("percent", 100, DEFAULT_PERCENT);
        let per_second = whole("per_second", MAX_PER_SECOND, DEFAULT_PER_SECOND);
        fields.finish(faults);
        Some(Self::Limited {
            percent: percent?,
            per_second: per_second?,
        })
    }

    fn write(self) -> Value {
        match self {
            Self::Unlimited => Value::Bool(false),
            Self::Limited {
                percent,
                per_second,
            } => {
                let mut writer = Writer::default();
                writer.put("percent", percent);
                writer.put("per_second", per_second);
                writer.finish()
            }
        }
    }
}

const DEFAULT_PERCENT: u32 = 20;
const DEFAULT_PER_SECOND: u32 = 10;
/// More than this is no bound.
const MAX_PER_SECOND: u32 = 10_000;
