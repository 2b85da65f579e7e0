//! Objects as answers show them: names beside ids, fingerprints beside masks.

use std::collections::BTreeMap;

use ai_gateway_model::{Configuration, KeyHash, Kind, Record, Secret};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Fields that an answer adds and a writer need not remove.
pub(crate) const READ_ONLY: [&str; 6] = [
    "id",
    "gateway_id",
    "revision",
    "created_at",
    "updated_at",
    "warnings",
];

/// Shows an object.
pub(crate) fn object(record: &Record, configuration: &Configuration) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(record.id));
    if let Some(gateway) = record.gateway {
        shown.insert("gateway_id".to_owned(), json!(gateway));
    }
    for (name, value) in record.spec.as_object().into_iter().flatten() {
        shown.insert(name.clone(), value.clone());
    }
    let mut shown = Value::Object(shown);
    show_references(&mut shown, record, configuration);
    show_secrets(&mut shown, record, configuration);
    if let Some(map) = shown.as_object_mut() {
        map.insert("revision".to_owned(), json!(record.revision));
        map.insert("created_at".to_owned(), time(record.created_at_ms));
        map.insert("updated_at".to_owned(), time(record.updated_at_ms));
    }
    shown
}

/// Shows a point in time, in milliseconds since the Unix epoch.
pub(crate) fn time(at_ms: u64) -> Value {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map_or(Value::Null, |at| json!(at.to_string()))
}

/// Puts names where the record has ids, and the ids beside them.
fn show_references(shown: &mut Value, record: &Record, configuration: &Configuration) {
    let name_of = |kind: Kind, id: &Value| {
        let id = id.as_str().and_then(|id| Uuid::try_parse(id).ok())?;
        configuration
            .record(kind, id)
            .map(|record| record.name.clone())
    };
    let (kind, field) = match record.kind {
        Kind::Gateway | Kind::Upstream => return,
        Kind::Service => (Kind::Upstream, "upstream"),
        Kind::Rule => (Kind::Service, "service"),
        Kind::Key => (Kind::Rule, "rules"),
    };
    let Some(map) = shown.as_object_mut() else {
        return;
    };
    match map.get_mut(field) {
        Some(Value::Array(ids)) => {
            for id in ids {
                if let Some(name) = name_of(kind, id) {
                    *id = json!(name);
                }
            }
        }
        Some(id) => {
            if let Some(name) = name_of(kind, id) {
                let id = std::mem::replace(id, json!(name));
                map.insert(format!("{field}_id"), id);
            }
        }
        None => {}
    }
}

/// Puts ids on targets, and a fingerprint beside each mask.
fn show_secrets(shown: &mut Value, record: &Record, configuration: &Configuration) {
    match record.kind {
        Kind::Gateway | Kind::Rule => {}
        Kind::Upstream => {
            let upstream = record
                .gateway
                .and_then(|gateway| configuration.upstream(gateway, &record.id.to_string()));
            let targets = shown.get_mut("targets").and_then(Value::as_array_mut);
            for target in targets.into_iter().flatten() {
                let Some(name) = target.get("name").and_then(Value::as_str) else {
                    continue;
                };
                let slot = format!("targets/{name}/credentials");
                let id = upstream
                    .and_then(|upstream| upstream.target(name))
                    .map(|it| it.id());
                show_fingerprint(target, &slot, &record.secrets);
                put_first(target, "id", id);
            }
        }
        Kind::Service => {
            if let Some(target) = shown.get_mut("target") {
                show_fingerprint(target, "target/credentials", &record.secrets);
            }
        }
        Kind::Key => {
            let hash = record.secrets.get(KeyHash::SLOT).map(Secret::expose);
            let digits = hash.and_then(|hash| hash.get(..8));
            if let (Some(digits), Some(map)) = (digits, shown.as_object_mut()) {
                map.insert("fingerprint".to_owned(), json!(format!("sha256:{digits}")));
            }
        }
    }
}

fn show_fingerprint(target: &mut Value, slot: &str, secrets: &BTreeMap<String, Secret>) {
    let Some(credentials) = target.get_mut("credentials").and_then(Value::as_object_mut) else {
        return;
    };
    let secret = ["header_value", "param_value", "aws_secret_access_key"]
        .iter()
        .find_map(|field| secrets.get(&format!("{slot}/{field}")));
    if let Some(secret) = secret {
        credentials.insert("fingerprint".to_owned(), json!(secret.fingerprint()));
    }
}

fn put_first(target: &mut Value, name: &str, value: Option<Uuid>) {
    let (Some(map), Some(value)) = (target.as_object_mut(), value) else {
        return;
    };
    let rest = std::mem::take(map);
    map.insert(name.to_owned(), json!(value));
    map.extend(rest);
}
