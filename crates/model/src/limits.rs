//! How long a request may take, and how much a caller may use.

use std::{num::NonZeroU32, time::Duration};

use serde_json::Value;

use crate::{
    Faults,
    read::{Field, join},
    span,
    write::Writer,
};

/// Deadlines of one request. What is `None` is left to the level above: service, then target, then
/// upstream, then the gateway's own defaults.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeouts {
    /// For a connection to a target, TLS included.
    pub connect: Option<Duration>,
    /// From the request sent to the answer's status line.
    pub response_head: Option<Duration>,
    /// From the request sent to the first token of a stream.
    pub first_token: Option<Duration>,
    /// Between two chunks of a stream.
    pub stream_idle: Option<Duration>,
    /// For all attempts together, to the end of the answer.
    pub total: Option<Duration>,
}

impl Timeouts {
    /// Fills what is `None` from `outer`.
    #[must_use]
    pub fn or(self, outer: Self) -> Self {
        Self {
            connect: self.connect.or(outer.connect),
            response_head: self.response_head.or(outer.response_head),
            first_token: self.first_token.or(outer.first_token),
            stream_idle: self.stream_idle.or(outer.stream_idle),
            total: self.total.or(outer.total),
        }
    }

    /// Reads the deadlines of one target; those of a whole request are not its own to set.
    pub(crate) fn read_of_target(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let timeouts = Self::read(field, faults)?;
        if timeouts.total.is_some() {
            let pointer = join(&field.pointer, "total");
            faults.push(
                pointer,
                "belongs to the upstream: it bounds all attempts together",
            );
        }
        Some(timeouts)
    }

    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = field.fields(faults)?;
        let mut span = |name| fields.get(name).and_then(|field| field.span(faults));
        let timeouts = Self {
            connect: span("connect"),
            response_head: span("response_head"),
            first_token: span("first_token"),
            stream_idle: span("stream_idle"),
            total: span("total"),
        };
        fields.finish(faults);
        Some(timeouts)
    }

    pub(crate) fn write(&self) -> Option<Value> {
        let mut writer = Writer::default();
        writer.put_some("connect", self.connect.map(span::write));
        writer.put_some("response_head", self.response_head.map(span::write));
        writer.put_some("first_token", self.first_token.map(span::write));
        writer.put_some("stream_idle", self.stream_idle.map(span::write));
        writer.put_some("total", self.total.map(span::write));
        (*self != Self::default()).then(|| writer.finish())
    }
}

/// How much may be used through a rule or by a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Requests in any minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens, in and out, in any minute.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// Requests under way at one time.
    pub max_in_flight: Option<NonZeroU32>,
}

impl Limits {
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = field.fields(faults)?;
        let mut count = |name| {
            fields
                .get(name)
                .and_then(|field| read_count(&field, faults))
        };
        let limits = Self {
            requests_per_minute: count("requests_per_minute"),
            tokens_per_minute: count("tokens_per_minute"),
            max_in_flight: count("max_in_flight"),
        };
        fields.finish(faults);
        Some(limits)
    }

    pub(crate) fn write(&self) -> Option<Value> {
        let mut writer = Writer::default();
        writer.put_some(
            "requests_per_minute",
            self.requests_per_minute.map(NonZeroU32::get),
        );
        writer.put_some(
            "tokens_per_minute",
            self.tokens_per_minute.map(NonZeroU32::get),
        );
        writer.put_some("max_in_flight", self.max_in_flight.map(NonZeroU32::get));
        (*self != Self::default()).then(|| writer.finish())
    }
}

/// Reads a whole number above zero.
pub(crate) fn read_count(field: &Field<'_>, faults: &mut Faults) -> Option<NonZeroU32> {
    field.whole(1, u32::MAX, faults).and_then(NonZeroU32::new)
}

/// More attempts than this only make an outage worse.
pub(crate) const MAX_ATTEMPTS: u32 = 10;
