//! Which rule a request gets.

use std::cmp::Reverse;

use ai_gateway_model::{Kind, PathMatch, RecordFaultCause, Rule};
use proptest::prelude::*;
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

/// Tells whether a rule is for a request, by the words of the documentation.
fn is_for(rule: &Rule, method: &str, path: &str) -> bool {
    let has_path = match rule.path() {
        PathMatch::Exact(exact) => path == exact,
        PathMatch::Prefix(prefix) => path == prefix || path.starts_with(&format!("{prefix}/")),
        PathMatch::Regex(_, regex) => regex.is_match(path),
    };
    has_path
        && (rule.methods().is_empty() || rule.methods().iter().any(|named| named == method))
        && rule
            .headers()
            .iter()
            .all(|(name, value)| name == "x-team" && value.is_match("ml"))
}

/// What makes one rule go before another, the smaller first.
fn right(rule: &Rule) -> impl Ord + use<> {
    let (form, length) = match rule.path() {
        PathMatch::Exact(path) => (0, path.len()),
        PathMatch::Prefix(path) => (1, path.len()),
        PathMatch::Regex(pattern, _) => (2, pattern.len()),
    };
    let longest_first = Reverse((length, rule.headers().len()));
    (form, longest_first, rule.methods().is_empty(), rule.id())
}

fn any_rule() -> impl Strategy<Value = Value> {
    let path = prop::sample::select(vec![
        "/a", "/a/b", "/*", "/a/*", "/a/b/*", "~/a", "~/a/.", "~/./b$", "~.*",
    ]);
    let methods = prop::sample::select(vec![json!(null), json!(["GET"]), json!(["PUT"])]);
    let headers = prop::sample::select(vec![
        json!(null),
        json!({ "x-team": "ml" }),
        json!({ "x-team": "~^x" }),
        json!({ "x-team": "ml", "x-other": "1" }),
    ]);
    (path, methods, headers, any::<bool>()).prop_map(|(path, methods, headers, is_active)| {
        json!({
            "path": path, "methods": methods, "headers": headers, "active": is_active,
            "service": "s",
        })
    })
}

proptest! {
    #[test]
    fn the_rule_found_is_the_first_by_right_of_those_that_match(
        rules in prop::collection::vec(any_rule(), 0..12),
        method in prop::sample::select(vec!["GET", "PUT", "POST"]),
        path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b/b"]),
    ) {
        let mut bench = bench(&[]);
        for rule in &rules {
            // Those that cannot be told from one before are refused.
            drop(bench.write(Kind::Rule, rule));
        }
        let expected = bench
            .configuration
            .rules(GATEWAY)
            .iter()
            .filter(|rule| rule.is_active() && is_for(rule, method, path))
            .min_by_key(|rule| right(rule))
            .map(|rule| rule.id());
        let header = |name: &str| (name == "x-team").then_some("ml");
        let set = bench.configuration.rule_set(GATEWAY).unwrap();
        prop_assert_eq!(set.find(method, path, header).map(|rule| rule.id()), expected);
    }
}
