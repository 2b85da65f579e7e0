//! What active checks send and expect.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::read_threshold;
use crate::{
    Faults,
    headers::{read_headers, write_headers},
    read::Field,
    span,
    write::Writer,
};

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

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Active {
    Switch(bool),
    Tuned(ActiveChecks),
}

impl Active {
    pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
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
                .and_then(|field| crate::target::written::read_path(&field, faults)),
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

    pub(super) fn write(&self) -> Value {
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
