//! What only objects together can get wrong.

use ai_gateway_model::{Change, Configuration, KeyHash, Kind, RecordFaultCause, used_by};
use serde_json::{Value, json};

use crate::kit::{Bench, GATEWAY};

fn upstream(name: &str) -> Value {
    json!({ "name": name, "targets": [{ "provider": "openai" }] })
}

fn service(name: &str, upstream: &str) -> Value {
    json!({ "name": name, "type": "upstream", "upstream": upstream })
}

/// A gateway with an upstream, two services, a rule and a key on each other.
fn full() -> Bench {
    let mut bench = Bench::new();
    bench.write(Kind::Upstream, &upstream("u")).unwrap();
    bench.write(Kind::Service, &service("a", "u")).unwrap();
    bench.write(Kind::Service, &service("b", "u")).unwrap();
    bench
        .write(
            Kind::Rule,
            &json!({ "name": "r", "path": "/v1/*", "service": "a" }),
        )
        .unwrap();
    bench
        .write(Kind::Key, &json!({ "name": "k", "rules": ["r"] }))
        .unwrap();
    bench
}

fn delete(bench: &mut Bench, kind: Kind, name: &str) -> Result<(), RecordFaultCause> {
    let id = bench.record(kind, name).id;
    bench
        .commit(&[Change::Delete { kind, id }])
        .map_err(|faults| faults.into_iter().next().unwrap().cause)
}

#[test]
fn what_is_in_use_cannot_be_deleted() {
    let mut bench = full();
    let Err(RecordFaultCause::InUse { by }) = delete(&mut bench, Kind::Upstream, "u") else {
        panic!("in use")
    };
    assert_eq!(used_by(&by), "2 services: a, b");
    assert!(delete(&mut bench, Kind::Service, "a").is_err());
    assert!(delete(&mut bench, Kind::Rule, "r").is_err());
    for (kind, name) in [
        (Kind::Key, "k"),
        (Kind::Rule, "r"),
        (Kind::Service, "a"),
        (Kind::Service, "b"),
        (Kind::Upstream, "u"),
    ] {
        delete(&mut bench, kind, name).unwrap();
    }
}

#[test]
fn users_are_found_before_a_deletion_too() {
    let bench = full();
    let id = bench.record(Kind::Upstream, "u").id;
    let users = bench.configuration.used_by(Kind::Upstream, id);
    let names: Vec<_> = users.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_goes_together_can_be_deleted_together() {
    let mut bench = full();
    let changes: Vec<_> = [
        (Kind::Upstream, "u"),
        (Kind::Service, "a"),
        (Kind::Service, "b"),
        (Kind::Rule, "r"),
        (Kind::Key, "k"),
    ]
    .map(|(kind, name)| Change::Delete {
        kind,
        id: bench.record(kind, name).id,
    })
    .into();
    bench.commit(&changes).unwrap();
}

#[test]
fn deleting_a_gateway_takes_what_belongs_to_it() {
    let mut bench = full();
    let before = bench.configuration.clone();
    bench
        .commit(&[Change::Delete {
            kind: Kind::Gateway,
            id: GATEWAY,
        }])
        .unwrap();
    assert_eq!(bench.configuration.all_records().count(), 0);
    assert!(bench.configuration.key_by_hash(KeyHash::of("k")).is_none());
    assert_eq!(
        before.all_records().count(),
        6,
        "the one before stays as it is"
    );
}

#[test]
fn a_name_is_taken_once_per_gateway_and_kind() {
    let mut bench = full();
    let faults = bench.write(Kind::Upstream, &upstream("u")).unwrap_err();
    assert_eq!(faults[0].cause, RecordFaultCause::NameTaken);
    bench.write(Kind::Upstream, &upstream("a")).unwrap();
}

#[test]
fn references_stay_whole_over_a_rename() {
    let mut bench = full();
    bench
        .replace(Kind::Upstream, "u", &upstream("renamed"))
        .unwrap();
    let service = bench.configuration.service(GATEWAY, "a").unwrap();
    let renamed = bench.record(Kind::Upstream, "renamed");
    assert_eq!(service.upstream_id(), renamed.id);
}

#[test]
fn an_endpoint_service_brings_its_own_upstream() {
    let mut bench = full();
    let written = json!({ "name": "e", "type": "endpoint", "target": { "host": "h" } });
    let id = bench.write(Kind::Service, &written).unwrap();
    let live: Vec<_> = bench
        .configuration
        .live_upstreams(GATEWAY)
        .map(|upstream| (upstream.id(), upstream.name().to_string()))
        .collect();
    assert_eq!(live.len(), 2);
    assert_eq!(live[1], (id, "e".to_owned()));
}

#[test]
fn a_key_is_found_by_its_hash() {
    let bench = full();
    let (gateway, key) = bench.configuration.key_by_hash(KeyHash::of("k")).unwrap();
    assert_eq!((gateway, &**key.name()), (GATEWAY, "k"));
    assert!(key.allows(bench.record(Kind::Rule, "r").id));
    assert!(bench.configuration.key_by_hash(KeyHash::of("K")).is_none());
}

#[test]
fn a_host_leads_to_one_gateway() {
    let mut bench = Bench::new();
    bench
        .write(
            Kind::Gateway,
            &json!({ "name": "Two", "hosts": ["AI.example.org"], "default": true }),
        )
        .unwrap();
    let found = |host: &str| {
        let gateway = bench.configuration.gateway_for_host(host, "example.com");
        gateway.map(|gateway| gateway.name().to_string())
    };
    assert_eq!(found("ai.EXAMPLE.org").as_deref(), Some("Two"));
    assert_eq!(found("two.example.com").as_deref(), Some("Two"));
    assert_eq!(found("main.example.com").as_deref(), Some("main"));
    assert_eq!(found("mainexample.com"), None);
    assert_eq!(found("example.com"), None);
    let default = bench.configuration.default_gateway().unwrap();
    assert_eq!(&**default.name(), "Two");
    for clash in [
        json!({ "name": "x", "hosts": ["ai.example.org"] }),
        json!({ "name": "x", "subdomain": "main" }),
        json!({ "name": "x", "default": true }),
    ] {
        assert!(bench.write(Kind::Gateway, &clash).is_err(), "{clash}");
    }
}

#[test]
fn a_configuration_is_rebuilt_from_its_records() {
    let bench = full();
    let records: Vec<_> = bench
        .configuration
        .all_records()
        .map(|record| ai_gateway_model::Record::clone(record))
        .collect();
    let again = Configuration::from_records(bench.configuration.revision(), records).unwrap();
    assert!(again.all_records().eq(bench.configuration.all_records()));
    assert_eq!(again.rules(GATEWAY).len(), 1);
}

#[test]
fn a_record_from_the_store_that_is_at_fault_is_named() {
    let mut record = full().record(Kind::Upstream, "u");
    record.spec["targets"] = json!([]);
    let faults = Configuration::from_records(1, vec![record]).unwrap_err();
    assert!(
        faults[0]
            .to_string()
            .contains("at least one target is required"),
        "{faults:?}"
    );
}
