//! What documents are accepted, and what is said of those that are not.

use std::time::Duration;

use ai_gateway_model::{Algorithm, Destination, Kind, ModelFallback, TargetState};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{Bench, lines, seed};

/// Writes an upstream of one target and compares every fault.
#[track_caller]
fn check_target(target: &Value, expected: &[&str]) {
    check_upstream(&json!({ "name": "u", "targets": [target] }), expected);
}

#[track_caller]
fn check_upstream(written: &Value, expected: &[&str]) {
    check(Kind::Upstream, written, expected);
}

#[track_caller]
fn check(kind: Kind, written: &Value, expected: &[&str]) {
    let found = Bench::new().draft(kind, written, None);
    let found = found.err().map(|faults| lines(&faults)).unwrap_or_default();
    assert_eq!(found, expected, "{written}");
}

#[test]
fn the_seed_is_accepted_and_means_what_it_says() {
    let mut bench = Bench::new();
    bench.write(Kind::Upstream, &seed()).unwrap();
    let upstream = bench.upstream("ai-providers-upstream");
    assert_eq!(upstream.algorithm(), Algorithm::RoundRobin);
    assert_eq!(upstream.model_fallback(), ModelFallback::DefaultModel);
    assert_eq!(upstream.health_checks().threshold(), 3);
    assert_eq!(upstream.health_checks().interval(), Duration::from_secs(60));
    assert!(upstream.health_checks().is_passive());
    assert!(upstream.health_checks().active().is_none());
    let [openai, anthropic] = upstream.targets() else {
        panic!("two targets")
    };
    assert_eq!(&**openai.name(), "openai-0");
    assert_eq!(openai.destination().provider(), Some("openai"));
    assert_eq!(openai.path(), Some("/v1/chat/completions"));
    assert_eq!((openai.weight().get(), openai.priority().get()), (50, 1));
    assert_eq!(openai.models().len(), 3);
    assert_eq!(
        openai.default_model().map(|model| &**model),
        Some("gpt-4o-mini")
    );
    assert_eq!(&**anthropic.name(), "anthropic-1");
    assert_eq!(
        anthropic
            .headers()
            .get("anthropic-version")
            .map(String::as_str),
        Some("2023-06-01")
    );
}

#[test]
fn the_record_of_the_seed_shows_what_was_written_but_the_secrets() {
    let mut bench = Bench::new();
    bench.write(Kind::Upstream, &seed()).unwrap();
    let record = bench.record(Kind::Upstream, "ai-providers-upstream");
    let mut expected = seed();
    for (index, name) in ["openai-0", "anthropic-1"].into_iter().enumerate() {
        let target = &mut expected["targets"][index];
        target["name"] = json!(name);
        target["state"] = json!("enabled");
        target["credentials"]["header_value"] = json!("***");
    }
    assert_eq!(record.spec, expected);
    assert_eq!(
        record.secrets["targets/openai-0/credentials/header_value"].expose(),
        "Bearer your-openai-key"
    );
    assert!(!format!("{record:?}").contains("your-"));
}

#[test]
fn all_faults_of_a_document_are_reported_at_once() {
    check_upstream(
        &json!({
            "algorithm": "magic",
            "nmae": "x",
            "targets": [
                { "provider": "openai", "weight": 0, "priority": 0 },
                { "weight": 101 },
                { "provider": "openai", "host": "example.com" },
                { "provider": "opnai", "models": ["a"], "default_model": "b" },
                7,
            ],
            "health_checks": { "interval": 0, "threshold": -1 },
        }),
        &[
            "/name: name is required",
            "/targets/0/weight: must be a whole number from 1 to 100",
            "/targets/0/priority: must be a whole number from 1",
            "/targets/1: target must specify either provider or host",
            "/targets/1/weight: must be a whole number from 1 to 100",
            "/targets/2/host: provider-type target cannot have host/port configuration",
            "/targets/3/provider: unknown provider opnai",
            "/targets/3/default_model: default model must be in the models list",
            "/targets/4: must be an object, not a number",
            "/algorithm: invalid algorithm: magic",
            "/health_checks/threshold: health check threshold must be positive",
            "/health_checks/interval: health check interval must be positive",
            "/nmae: unknown field nmae",
        ],
    );
}

#[test]
fn an_upstream_needs_a_name_and_a_target() {
    check_upstream(
        &json!({ "name": "", "targets": [] }),
        &[
            "/name: name is required",
            "/targets: at least one target is required",
        ],
    );
    check_upstream(
        &json!({ "name": "u" }),
        &["/targets: at least one target is required"],
    );
    check_upstream(
        &json!({ "name": "u", "targets": null }),
        &["/targets: at least one target is required"],
    );
    check_upstream(&json!([]), &[": must be an object, not an array"]);
}

#[test]
fn a_target_is_at_a_provider_a_host_or_a_base_url() {
    check_target(&json!({ "provider": "openai" }), &[]);
    check_target(
        &json!({ "provider": "openai", "base_url": "http://127.0.0.1:9001/v1/" }),
        &[],
    );
    check_target(
        &json!({ "host": "::1", "port": 9001, "protocol": "http" }),
        &[],
    );
    check_target(
        &json!({ "base_url": "https://llm.example.com/openai" }),
        &[],
    );
    check_target(
        &json!({}),
        &["/targets/0: target must specify either provider or host"],
    );
    check_target(
        &json!({ "provider": "openai", "port": 1 }),
        &["/targets/0/port: provider-type target cannot have host/port configuration"],
    );
    for port in [json!(0), json!(65536), json!("80"), json!(-1)] {
        check_target(
            &json!({ "host": "h", "port": port }),
            &["/targets/0/port: invalid port number"],
        );
    }
    check_target(
        &json!({ "host": "h", "protocol": "ftp" }),
        &["/targets/0/protocol: invalid protocol: must be http or https"],
    );
    check_target(
        &json!({ "host": "http://h" }),
        &["/targets/0/host: must be a host name or an IP address"],
    );
    check_target(
        &json!({ "base_url": "https://user:pw@h" }),
        &["/targets/0/base_url: must not carry a user or password: use credentials"],
    );
    check_target(
        &json!({ "base_url": "file:///etc/passwd" }),
        &["/targets/0/base_url: must be a URL that begins with http:// or https://"],
    );
}

#[test]
fn a_port_follows_from_the_protocol() {
    let mut bench = Bench::new();
    let written = json!({ "name": "u", "targets": [
        { "host": "Example.COM" },
        { "host": "h", "protocol": "http" },
        { "host": "::1", "protocol": "http", "port": 9001 },
    ]});
    bench.write(Kind::Upstream, &written).unwrap();
    let upstream = bench.upstream("u");
    let urls: Vec<_> = upstream
        .targets()
        .iter()
        .filter_map(|target| target.destination().base_url())
        .collect();
    assert_eq!(
        urls,
        ["https://example.com", "http://h", "http://[::1]:9001"]
    );
    let first = upstream.targets()[0].destination();
    assert!(matches!(first, Destination::Address { port: 443, .. }));
}

#[test]
fn health_checks_are_switches_or_settings() {
    let with = |checks: Value| json!({ "name": "u", "targets": [{ "provider": "openai" }], "health_checks": checks });
    check_upstream(&with(json!({ "passive": {}, "active": {} })), &[]);
    check_upstream(
        &with(json!({ "passive": 1, "active": "x" })),
        &[
            "/health_checks/passive: must be true, false or an object, not a number",
            "/health_checks/active: must be true, false or an object, not a string",
        ],
    );
    let tuned = json!({
        "passive": { "success_rate": { "percent": 101, "sample": 1 }, "ramp": "0s" },
        "active": { "path": "x", "expected_statuses": [99], "healthy_threshold": 0 },
    });
    check_upstream(
        &with(tuned),
        &[
            "/health_checks/passive/ramp: must be a time above zero and up to 24 hours: seconds as a \
         number, or a text such as 30s, 500ms or 1m30s",
            "/health_checks/passive/success_rate/percent: must be a whole number from 1 to 100",
            "/health_checks/passive/success_rate/sample: unknown field sample",
            "/health_checks/active/path: must be a path that begins with /, without spaces and #",
            "/health_checks/active/expected_statuses/0: must be a whole number from 100 to 599",
            "/health_checks/active/healthy_threshold: health check threshold must be positive",
        ],
    );
}

#[test]
fn a_target_s_checks_are_laid_over_its_upstream_s() {
    let mut bench = Bench::new();
    let written = json!({
        "name": "u",
        "targets": [{ "provider": "openai", "health_checks": { "threshold": 7 } }],
        "health_checks": { "passive": false, "active": { "path": "/m" }, "interval": 60 },
    });
    bench.write(Kind::Upstream, &written).unwrap();
    let upstream = bench.upstream("u");
    let checks = upstream.targets()[0].health_checks();
    assert_eq!((checks.threshold(), checks.interval().as_secs()), (7, 60));
    assert!(!checks.is_passive());
    assert_eq!(checks.active().unwrap().path.as_deref(), Some("/m"));
    assert_eq!(upstream.health_checks().threshold(), 3);
}

#[test]
fn credentials_are_a_header_or_a_parameter() {
    let with = |credentials: Value| json!({ "provider": "openai", "credentials": credentials });
    check_target(
        &with(json!({ "header_name": "a", "header_value": "${env:KEY}" })),
        &[],
    );
    check_target(
        &with(json!({ "param_name": "k", "param_value": "v", "param_location": "query" })),
        &[],
    );
    check_target(
        &with(json!({ "param_name": "k", "param_value": "v" })),
        &["/targets/0/credentials/param_location: param_location is required"],
    );
    check_target(
        &with(json!({ "header_name": "a b", "header_value": "x\r\ny" })),
        &[
            "/targets/0/credentials/header_name: invalid header name",
            "/targets/0/credentials/header_value: must be up to 8 KiB of characters that can be sent: \
         no line breaks or control characters",
        ],
    );
    check_target(
        &with(json!({ "header_name": "a", "header_value": "${vault:x}" })),
        &["/targets/0/credentials/header_value: must be a value, ${env:NAME} or ${file:PATH}"],
    );
    check_target(
        &with(json!({ "header_name": "a", "header_value": "Bearer ${env:KEY}" })),
        &[
            "/targets/0/credentials/header_value: must be ${env:NAME} or ${file:PATH} and nothing \
         else: what belongs before or behind it goes into the variable or the file",
        ],
    );
    check_target(
        &with(json!({ "header_name": "a", "header_value": "***" })),
        &[
            "/targets/0/credentials/header_value: there is no secret to keep here: write the value \
         itself",
        ],
    );
}

#[test]
fn a_credential_among_the_headers_is_refused() {
    check_target(
        &json!({ "provider": "openai", "headers": { "Authorization": "Bearer x", "host": "h" } }),
        &[
            "/targets/0/headers/Authorization: a credential must not stand among the headers",
            "/targets/0/headers/host: this header belongs to the connection and cannot be set",
        ],
    );
}

#[test]
fn states_and_deadlines_are_kept() {
    let mut bench = Bench::new();
    let target = json!({ "provider": "openai", "state": "draining", "drain_deadline": 30 });
    let written = json!({ "name": "u", "targets": [target], "timeouts": { "total": "90s" } });
    bench.write(Kind::Upstream, &written).unwrap();
    let upstream = bench.upstream("u");
    let deadline = Some(Duration::from_secs(30));
    assert_eq!(
        upstream.targets()[0].state(),
        TargetState::Draining { deadline }
    );
    assert_eq!(upstream.timeouts().total, Some(Duration::from_secs(90)));
}

#[test]
fn the_other_kinds_say_what_is_missing() {
    check(
        Kind::Gateway,
        &json!({ "hosts": ["a b"], "subdomain": "-" }),
        &[
            "/name: name is required",
            "/subdomain: must be a DNS label: letters, digits and hyphens, up to 63",
            "/hosts/0: must be a host name without a port",
        ],
    );
    check(
        Kind::Service,
        &json!({ "name": "s" }),
        &["/type: type is required"],
    );
    check(
        Kind::Service,
        &json!({ "name": "s", "type": "upstream" }),
        &["/upstream: upstream is required"],
    );
    check(
        Kind::Service,
        &json!({ "name": "s", "type": "upstream", "upstream_id": "nope" }),
        &["/upstream_id: no upstream named nope"],
    );
    check(
        Kind::Service,
        &json!({ "name": "s", "type": "endpoint" }),
        &["/target: target is required"],
    );
    check(
        Kind::Rule,
        &json!({ "path": "v1", "methods": ["G T"] }),
        &[
            "/path: must be a path that begins with /, a prefix that ends in /*, or ~ and a regular \
         expression",
            "/methods/0: invalid method",
            "/service: service is required",
        ],
    );
    check(
        Kind::Key,
        &json!({ "name": "k", "expires_at": "tomorrow", "rules": ["r"] }),
        &[
            "/expires_at: must be a time of RFC 3339 with its offset",
            "/rules/0: no rule named r",
        ],
    );
}

#[test]
fn an_invalid_expression_says_why() {
    let faults = Bench::new()
        .draft(Kind::Rule, &json!({ "path": "~(", "service": "x" }), None)
        .unwrap_err();
    let first = &faults.as_slice()[0];
    assert_eq!(first.pointer, "/path");
    assert!(
        first.message.starts_with("invalid regular expression: "),
        "{first}"
    );
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let written = json!({ "name": "u", "targets": [{ "provider": "opnai", "wieght": 1 }] });
    let faults = Bench::new()
        .draft(Kind::Upstream, &written, None)
        .unwrap_err();
    let suggestions: Vec<_> = faults
        .as_slice()
        .iter()
        .filter_map(|fault| fault.suggestion.as_deref())
        .collect();
    assert_eq!(
        suggestions,
        ["did you mean openai?", "did you mean weight?"]
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("name"),
        Just("targets"),
        Just("provider"),
        Just("host"),
        Just("port"),
        Just("weight"),
        Just("credentials"),
        Just("header_value"),
        Just("header_name"),
        Just("health_checks"),
        Just("interval"),
        Just("path"),
        Just("service"),
        Just("models"),
        Just("type"),
        Just("rules"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("openai")),
        Just(json!("***")),
        Just(json!("~[")),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|pairs| {
                Value::Object(
                    pairs
                        .into_iter()
                        .map(|(key, it)| (key.to_owned(), it))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_panics_and_every_fault_points_into_it(written in any_json()) {
        let bench = Bench::new();
        for kind in Kind::ALL {
            match bench.draft(kind, &written, None) {
                Ok(draft) => {
                    let again = bench.draft(kind, &draft.spec, None);
                    prop_assert!(again.is_ok() || !draft.secrets.is_empty());
                }
                Err(faults) => {
                    prop_assert!(!faults.is_empty());
                    for fault in faults.as_slice() {
                        let parent = fault.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                        prop_assert!(written.pointer(parent).is_some(), "{}", fault);
                    }
                }
            }
        }
    }
}

#[test]
fn a_key_of_aws_is_a_credential() {
    let with = |credentials: Value| json!({ "provider": "openai", "credentials": credentials });
    check_target(
        &with(json!({ "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "${env:KEY}" })),
        &[],
    );
    check_target(
        &with(json!({ "aws_access_key_id": "no key", "aws_session_token": "a\nb" })),
        &[
            "/targets/0/credentials/aws_access_key_id: must be up to 128 letters and digits",
            "/targets/0/credentials/aws_secret_access_key: aws_secret_access_key is required",
            "/targets/0/credentials/aws_session_token: must be up to 8 KiB of characters that can be \
             sent: no line breaks or control characters",
        ],
    );
    check_target(
        &with(json!({
            "header_name": "a", "header_value": "b",
            "aws_access_key_id": "A", "aws_secret_access_key": "s",
        })),
        &["/targets/0/credentials/aws_access_key_id: must not stand beside a header"],
    );
}

#[test]
fn the_part_of_a_provider_is_fit_for_a_url() {
    check_target(
        &json!({ "provider": "openai", "region": "us-east-1", "project": "p:q", "api_version": "2024-10-21" }),
        &[],
    );
    check_target(
        &json!({ "provider": "openai", "region": "evil.example/", "project": "../x" }),
        &[
            "/targets/0/region: must be up to 63 letters, digits and -, beginning with a letter or digit",
            "/targets/0/project: must be up to 128 letters, digits and -_.:, beginning with a letter or \
             digit",
        ],
    );
    check_target(
        &json!({ "base_url": "http://h", "region": "us-east-1" }),
        &["/targets/0/region: must stand beside provider"],
    );
}
