//! Which rule a request gets.

use ai_gateway_model::{Kind, RecordFaultCause};
use serde_json::{Value, json};

use crate::kit::{Bench, GATEWAY};

fn rule(name: &str, path: &str, more: &Value) -> Value {
    let mut rule = json!({ "name": name, "path": path, "service": "s" });
    for (key, value) in more.as_object().into_iter().flatten() {
        rule[key] = value.clone();
    }
    rule
}

fn bench(rules: &[Value]) -> Bench {
    let mut bench = Bench::new();
    let service = json!({ "name": "s", "type": "endpoint", "target": { "host": "h" } });
    bench.write(Kind::Service, &service).unwrap();
    for rule in rules {
        bench.write(Kind::Rule, rule).unwrap();
    }
    bench
}

/// Asks for `METHOD path`, with the header `x-team: ml`, and compares the rule's name.
#[track_caller]
fn check(bench: &Bench, request: &str, expected: Option<&str>) {
    let (method, path) = request.split_once(' ').unwrap();
    let rules = bench.configuration.rule_set(GATEWAY).unwrap();
    let header = |name: &str| (name == "x-team").then_some("ml");
    let found = rules.find(method, path, header);
    assert_eq!(found.map(|rule| &**rule.name()), expected, "{request}");
}

#[test]
fn exact_goes_before_prefix_before_expression_and_longer_before_shorter() {
    let bench = bench(&[
        rule("all", "/*", &Value::Null),
        rule("short", "/v1/*", &Value::Null),
        rule("long", "/v1/chat/*", &Value::Null),
        rule("exact", "/v1/chat/completions", &Value::Null),
        rule("regex", "~/v[12]/.*", &Value::Null),
    ]);
    check(&bench, "POST /v1/chat/completions", Some("exact"));
    check(&bench, "POST /v1/chat/other", Some("long"));
    check(&bench, "POST /v1/chat", Some("long"));
    check(&bench, "POST /v1/chatty", Some("short"));
    check(&bench, "POST /v1", Some("short"));
    check(&bench, "POST /v2/x", Some("all"));
}

#[test]
fn an_expression_matches_from_the_beginning() {
    let bench = bench(&[
        rule("short", "~/v[12]/", &Value::Null),
        rule("longer", "~/v[12]/chat$", &Value::Null),
    ]);
    check(&bench, "GET /v1/chat", Some("longer"));
    check(&bench, "GET /v2/chat/x", Some("short"));
    check(&bench, "GET /x/v1/chat", None);
}

#[test]
fn more_headers_go_before_fewer_and_a_named_method_before_all() {
    let bench = bench(&[
        rule("plain", "/a", &Value::Null),
        rule("get", "/a", &json!({ "methods": ["get"] })),
        rule("team", "/b", &json!({ "headers": { "X-Team": "~^m" } })),
        rule("any", "/b", &json!({ "methods": ["GET"] })),
        rule("other", "/c", &json!({ "headers": { "x-team": "m" } })),
    ]);
    check(&bench, "GET /a", Some("get"));
    check(&bench, "POST /a", Some("plain"));
    check(&bench, "GET /b", Some("team"));
    check(&bench, "GET /c", None);
}

#[test]
fn an_inactive_rule_takes_no_part() {
    let bench = bench(&[
        rule("off", "/a", &json!({ "active": false })),
        rule("on", "/a", &Value::Null),
    ]);
    check(&bench, "GET /a", Some("on"));
}

#[test]
fn rules_that_cannot_be_told_apart_are_refused() {
    let mut bench = bench(&[rule("one", "/a", &json!({ "methods": ["GET", "PUT"] }))]);
    let same = rule("two", "/a", &json!({ "methods": ["PUT", "POST"] }));
    let faults = bench.write(Kind::Rule, &same).unwrap_err();
    assert!(matches!(faults[0].cause, RecordFaultCause::Invalid(_)));
    assert_eq!(faults[0].name, "two");
    let other = rule("two", "/a", &json!({ "methods": ["POST"] }));
    bench.write(Kind::Rule, &other).unwrap();
    let all = rule("three", "/a", &Value::Null);
    bench.write(Kind::Rule, &all).unwrap();
}

#[test]
fn a_rule_without_a_name_gets_one() {
    let bench = bench(&[json!({ "path": "/a", "service": "s" })]);
    check(&bench, "GET /a", Some("rule-000000000003"));
}
