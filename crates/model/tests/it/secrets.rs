//! How secrets and names survive updates.

use ai_gateway_model::{Credentials, Kind, SecretSource};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{Bench, lines, seed};

fn target(provider: &str, key: &str) -> Value {
    json!({
        "provider": provider,
        "credentials": { "header_name": "Authorization", "header_value": key },
    })
}

fn upstream(targets: &[Value]) -> Value {
    json!({ "name": "u", "targets": targets })
}

fn bench(targets: &[Value]) -> Bench {
    let mut bench = Bench::new();
    bench.write(Kind::Upstream, &upstream(targets)).unwrap();
    bench
}

/// Lists `name=secret` of each target.
fn keys(bench: &Bench) -> Vec<String> {
    let upstream = bench.upstream("u");
    let show = |target: &ai_gateway_model::Target| {
        let secret = match target.credentials().map(Credentials::value) {
            Some(SecretSource::Literal(secret)) => secret.expose().to_owned(),
            Some(SecretSource::Env(name)) => name.clone(),
            Some(SecretSource::File(path)) => path.display().to_string(),
            None => String::new(),
        };
        format!("{}={secret}", target.name())
    };
    upstream.targets().iter().map(show).collect()
}

#[track_caller]
fn check_names(before: &[Value], after: &[Value], expected: &[&str]) {
    let mut bench = bench(before);
    bench
        .replace(Kind::Upstream, "u", &upstream(after))
        .unwrap();
    assert_eq!(keys(&bench), expected);
}

#[test]
fn a_target_that_stays_keeps_its_name() {
    let (a, b) = (target("openai", "a"), target("openai", "b"));
    let c = target("anthropic", "c");
    // One before it goes.
    check_names(
        &[a.clone(), c.clone()],
        std::slice::from_ref(&c),
        &["anthropic-1=c"],
    );
    // Known by its key.
    check_names(
        &[a.clone(), b.clone()],
        std::slice::from_ref(&b),
        &["openai-1=b"],
    );
    check_names(
        &[a.clone(), b.clone()],
        &[b.clone(), a.clone()],
        &["openai-1=b", "openai-0=a"],
    );
    // Its key changes in its place.
    check_names(
        &[a.clone(), c.clone()],
        &[b, c.clone()],
        &["openai-0=b", "anthropic-1=c"],
    );
    // A new one gets a new name.
    check_names(
        std::slice::from_ref(&a),
        &[c, a.clone()],
        &["anthropic-0=c", "openai-0=a"],
    );
}

#[test]
fn a_new_target_never_gets_the_name_of_one_that_goes() {
    let given = json!({ "name": "openai-1", "host": "h" });
    check_names(
        &[target("openai", "a"), given],
        &[target("openai", "a"), target("openai", "b")],
        &["openai-0=a", "openai-2=b"],
    );
}

#[test]
fn a_masked_secret_is_kept() {
    let mut bench = bench(&[target("openai", "a"), target("anthropic", "c")]);
    let written = upstream(&[target("openai", "***"), target("anthropic", "***")]);
    bench.replace(Kind::Upstream, "u", &written).unwrap();
    assert_eq!(keys(&bench), ["openai-0=a", "anthropic-1=c"]);
}

#[test]
fn a_masked_secret_does_not_follow_its_target_elsewhere() {
    for moved in [
        json!({ "name": "openai-0", "provider": "anthropic" }),
        json!({ "name": "openai-0", "provider": "openai", "base_url": "https://evil.example" }),
        json!({ "name": "openai-0", "host": "evil.example" }),
        json!({ "name": "openai-0", "base_url": "https://evil.example" }),
    ] {
        let mut bench = bench(&[target("openai", "a")]);
        let mut moved = moved;
        moved["credentials"] = json!({ "header_name": "Authorization", "header_value": "***" });
        let faults = bench
            .replace(Kind::Upstream, "u", &upstream(&[moved]))
            .unwrap_err();
        assert_eq!(
            lines(&faults),
            [
                "/targets/0/credentials/header_value: the target's destination has changed: write \
              the secret again"
            ]
        );
        assert_eq!(keys(&bench), ["openai-0=a"]);
    }
}

#[test]
fn a_masked_secret_is_not_another_target_s() {
    let mut bench = bench(&[target("openai", "a")]);
    let mut other = target("openai", "***");
    other["name"] = json!("mine");
    let faults = bench
        .replace(Kind::Upstream, "u", &upstream(&[other]))
        .unwrap_err();
    assert_eq!(faults.as_slice().len(), 1, "{faults}");
}

#[test]
fn an_endpoint_s_secret_is_kept_under_the_same_rule() {
    let mut bench = Bench::new();
    let service = |target: Value| json!({ "name": "s", "type": "endpoint", "target": target });
    bench
        .write(Kind::Service, &service(target("openai", "a")))
        .unwrap();
    bench
        .replace(Kind::Service, "s", &service(target("openai", "***")))
        .unwrap();
    let record = bench.record(Kind::Service, "s");
    assert_eq!(
        record.secrets["target/credentials/header_value"].expose(),
        "a"
    );
    let moved = service(target("anthropic", "***"));
    assert!(bench.replace(Kind::Service, "s", &moved).is_err());
}

#[test]
fn names_used_twice_are_refused() {
    let named = json!({ "name": "x", "provider": "openai" });
    let faults = Bench::new()
        .draft(Kind::Upstream, &upstream(&[named.clone(), named]), None)
        .unwrap_err();
    assert_eq!(
        lines(&faults),
        ["/targets/1/name: target name x is used twice"]
    );
}

fn any_target() -> impl Strategy<Value = Value> {
    let place = prop_oneof![
        Just(json!({ "provider": "openai" })),
        Just(json!({ "provider": "anthropic", "base_url": "http://127.0.0.1:1/x" })),
        Just(
            json!({ "provider": "openai", "region": "r-1", "project": "p", "api_version": "2024-10-21" })
        ),
        (1_u16.., any::<bool>()).prop_map(|(port, tls)| {
            json!({ "host": "h", "port": port, "protocol": if tls { "https" } else { "http" } })
        }),
    ];
    let key = prop_oneof![
        Just(None),
        "[a-c]{1}".prop_map(|key| Some(json!({ "header_name": "x", "header_value": key }))),
        Just(Some(
            json!({ "param_name": "x", "param_value": "${env:K}", "param_location": "body" })
        )),
        ("[a-c]{1}", any::<bool>()).prop_map(|(key, is_lent)| {
            let mut aws = json!({ "aws_access_key_id": "AKIA", "aws_secret_access_key": key });
            if is_lent {
                aws["aws_session_token"] = json!("token");
            }
            Some(aws)
        }),
    ];
    let checks = prop_oneof![
        Just(Value::Null),
        Just(json!({ "passive": false, "interval": "1.5s" })),
        Just(json!({ "passive": { "threshold": 5, "ramp": "2.5s", "success_rate": false } })),
        Just(json!({ "passive": {
            "success_rate": { "percent": 60 }, "max_ejection": "5m", "active_can_restore": true,
        }})),
        Just(json!({ "active": { "path": "/m", "expected_statuses": [200], "timeout": 2 } })),
    ];
    (place, key, 1_u32..=100, checks).prop_map(|(mut target, key, weight, checks)| {
        target["credentials"] = key.unwrap_or_default();
        target["weight"] = json!(weight);
        target["health_checks"] = checks;
        target
    })
}

proptest! {
    #[test]
    fn writing_what_was_read_changes_nothing(targets in prop::collection::vec(any_target(), 1..6)) {
        let mut bench = bench(&targets);
        let before = bench.record(Kind::Upstream, "u");
        let upstream = bench.upstream("u");
        bench.replace(Kind::Upstream, "u", &before.spec).unwrap();
        let after = bench.record(Kind::Upstream, "u");
        prop_assert_eq!(&before.spec, &after.spec);
        prop_assert_eq!(&before.secrets, &after.secrets);
        prop_assert_eq!(upstream, bench.upstream("u"));
    }

    #[test]
    fn writing_the_same_again_changes_nothing(targets in prop::collection::vec(any_target(), 1..6)) {
        let mut bench = bench(&targets);
        let before = bench.record(Kind::Upstream, "u");
        bench.replace(Kind::Upstream, "u", &upstream(&targets)).unwrap();
        prop_assert_eq!(before.spec, bench.record(Kind::Upstream, "u").spec);
    }
}

#[test]
fn the_seed_written_again_changes_nothing() {
    let mut bench = Bench::new();
    bench.write(Kind::Upstream, &seed()).unwrap();
    let names = bench.target_names("ai-providers-upstream");
    bench
        .replace(Kind::Upstream, "ai-providers-upstream", &seed())
        .unwrap();
    assert_eq!(names, bench.target_names("ai-providers-upstream"));
}
