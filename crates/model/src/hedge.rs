//! When a second target is asked beside a first one that is slow.

use std::time::Duration;

use serde_json::Value;

use crate::{Faults, read::Field, span, write::Writer};

/// When a request whose first target is slow asks a second one too, and takes whichever answer is
/// there first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hedge {
    /// The first target is slow when it took longer than so many in a hundred of the upstream's
    /// recent answers: 50 to 99; 95 unless written.
    pub percentile: u32,
    /// It is not called slow before so long; 100 ms unless written, zero (`false`) sets no such
    /// bound.
    pub min_delay: Duration,
    /// How many requests in a hundred may ask a second target: 1 to 100; 5 unless written.
    pub percent: u32,
}

impl Default for Hedge {
    fn default() -> Self {
        Self {
            percentile: 95,
            min_delay: Duration::from_millis(100),
            percent: 5,
        }
    }
}

impl Hedge {
    /// Reads an object, or `true` for the defaults; `None` for `false`, which asks no second.
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let default = Self::default();
        match field.value {
            Value::Bool(is_on) => return is_on.then_some(default),
            Value::Object(_) => {}
            _ => return field.wrong("true, false or an object", faults),
        }
        let mut fields = field.fields(faults)?;
        let mut whole = |name, least, most, default| match fields.get(name) {
            Some(field) => field.whole(least, most, faults),
            None => Some(default),
        };
        let percentile = whole("percentile", 50, 99, default.percentile);
        let percent = whole("percent", 1, 100, default.percent);
        let min_delay = match fields.get("min_delay") {
            Some(field) => field.span_or_false(faults),
            None => Some(default.min_delay),
        };
        fields.finish(faults);
        Some(Self {
            percentile: percentile?,
            min_delay: min_delay?,
            percent: percent?,
        })
    }

    pub(crate) fn write(self) -> Value {
        let mut writer = Writer::default();
        writer.put("percentile", self.percentile);
        writer.put("min_delay", span::write_or_false(self.min_delay));
        writer.put("percent", self.percent);
        writer.finish()
    }
}
