//! Every error that the proxy documents, provoked once, over real connections.

use std::time::Duration;

use ai_gateway_testkit::{Answered, Behaviour, Client, Fault};
use http::Method;
use serde_json::{Value, json};

use crate::gateway::{Gateway, is_error};

const CHAT: &str = "/v1/chat/completions";

fn upstream() -> Value {
    json!({
        "name": "main",
        "targets": [{"name": "one", "provider": "openai", "models": ["gpt-4"], "default_model": "gpt-4"}],
    })
}

fn with(mut value: Value, pointer: &str, member: &str, set: Value) -> Value {
    value.pointer_mut(pointer).unwrap()[member] = set;
    value
}

fn chat(model: Option<&str>) -> Value {
    let mut request = json!({"messages": [{"role": "user", "content": "hello"}]});
    if let Some(model) = model {
        request["model"] = json!(model);
    }
    request
}

/// A gateway with a route to `upstream`, and a client that is let in.
async fn routed(upstream: Value, flags: &[&str]) -> (Gateway, Client) {
    let gateway = Gateway::start(flags).await;
    gateway.route(upstream).await;
    let client = gateway.client(json!({"name": "app"})).await;
    (gateway, client)
}

async fn ask(client: &Client) -> Answered {
    client.post(CHAT, &chat(Some("gpt-4"))).await.unwrap()
}

#[tokio::test]
async fn a_missing_and_a_wrong_key_are_refused() {
    let (gateway, client) = routed(upstream(), &[]).await;
    assert_eq!(ask(&client).await.status, 200);
    is_error(&ask(&gateway.proxy).await, 401, "invalid_api_key");
    let wrong = gateway.proxy.clone().header("x-api-key", "wrong");
    is_error(&ask(&wrong).await, 401, "invalid_api_key");
    assert_eq!(gateway.openai.requests().len(), 1);
}

#[tokio::test]
async fn a_key_of_other_rules_is_refused() {
    let (gateway, _) = routed(upstream(), &[]).await;
    gateway
        .make(
            "rules",
            json!({"name": "other", "path": "/other", "service": "chat"}),
        )
        .await;
    let client = gateway
        .client(json!({"name": "limited", "rules": ["other"]}))
        .await;
    is_error(&ask(&client).await, 403, "not_allowed");
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let (gateway, _) = routed(upstream(), &[]).await;
    let key = json!({"name": "old", "expires_at": "2001-02-03T04:05:06Z"});
    let client = gateway.client(key).await;
    is_error(&ask(&client).await, 401, "invalid_api_key");
}

#[tokio::test]
async fn a_path_without_a_rule_is_not_found() {
    let (_gateway, client) = routed(upstream(), &[]).await;
    let answer = client.post("/nowhere", &json!({})).await.unwrap();
    is_error(&answer, 404, "route_not_found");
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_before_any_target() {
    let (gateway, client) = routed(upstream(), &[]).await;
    for body in ["{", "", "[1, 2", "{\"model\": }"] {
        let answer = client.send(Method::POST, CHAT, body.into()).await.unwrap();
        is_error(&answer, 400, "invalid_json");
    }
    assert!(gateway.openai.requests().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let (gateway, client) = routed(upstream(), &["--body-limit-bytes=1000"]).await;
    let mut request = chat(Some("gpt-4"));
    request["user"] = json!("x".repeat(2000));
    is_error(
        &client.post(CHAT, &request).await.unwrap(),
        413,
        "request_too_large",
    );
    assert!(gateway.openai.requests().is_empty());
    assert_eq!(ask(&client).await.status, 200);
}

#[tokio::test]
async fn a_request_without_a_model_needs_a_default_one() {
    let without = with(upstream(), "/targets/0", "default_model", Value::Null);
    let (_gateway, client) = routed(without, &[]).await;
    let answer = client.post(CHAT, &chat(None)).await.unwrap();
    is_error(&answer, 400, "model_required");
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_not_found_where_no_default_may_replace_it() {
    let strict = with(upstream(), "", "model_fallback", json!("reject"));
    let (_gateway, client) = routed(strict, &[]).await;
    let answer = client.post(CHAT, &chat(Some("gpt-99"))).await.unwrap();
    is_error(&answer, 404, "model_not_found");
}

#[tokio::test]
async fn an_upstream_whose_targets_are_out_says_so_at_once() {
    let out = with(upstream(), "/targets/0", "state", json!("disabled"));
    let (gateway, client) = routed(out, &[]).await;
    is_error(&ask(&client).await, 503, "no_target_available");
    assert!(gateway.openai.requests().is_empty());
}

#[tokio::test]
async fn a_cooling_upstream_says_when_to_come_back() {
    let (gateway, client) = routed(upstream(), &[]).await;
    gateway
        .openai
        .set_behaviour(Behaviour::status_with_header(429, "retry-after", "30"));
    let answer = ask(&client).await;
    assert!([429, 503].contains(&answer.status), "{}", answer.text());
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_target_that_is_down_makes_the_request_fail_in_the_callers_dialect() {
    let (gateway, client) = routed(upstream(), &[]).await;
    gateway.openai.stop().await;
    is_error(&ask(&client).await, 502, "upstream_failed");
    let message = json!({"model": "gpt-4", "max_tokens": 9, "messages": chat(None)["messages"]});
    let answer = client.post("/v1/messages", &message).await.unwrap();
    assert_eq!(answer.json()["type"], "error", "{}", answer.text());
    assert!(answer.json()["error"]["message"].is_string());
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_is_a_timeout() {
    let hasty = with(upstream(), "", "timeouts", json!({"total": 1}));
    let (gateway, client) = routed(hasty, &[]).await;
    gateway
        .openai
        .set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
    is_error(&ask(&client).await, 504, "upstream_timeout");
    let gone = |requests: &[ai_gateway_testkit::Received]| {
        requests
            .iter()
            .all(|request| request.served == ai_gateway_testkit::Served::Cancelled)
    };
    assert!(
        gateway
            .openai
            .wait_until(gone, Duration::from_secs(5))
            .await
    );
}

#[tokio::test]
async fn a_callers_fault_is_passed_on_as_it_is() {
    let (gateway, client) = routed(upstream(), &[]).await;
    let body = r#"{"error": {"message": "no such voice", "type": "invalid_request_error"}}"#;
    let fault = Fault::Status {
        status: 422,
        headers: Default::default(),
        body: Some(body.into()),
    };
    gateway.openai.script([Behaviour::failing(fault)]);
    let answer = ask(&client).await;
    assert_eq!((answer.status, answer.text().as_str()), (422, body));
    assert_eq!(gateway.openai.requests().len(), 1);
}

#[tokio::test]
async fn a_provider_elsewhere_is_asked_under_its_own_path_whatever_its_url_ends_with() {
    for ending in ["", "/", "/v1", "/proxied/v1"] {
        let openai = ai_gateway_testkit::Provider::openai()
            .start()
            .await
            .unwrap();
        let flag = format!("--provider-base-url=openai={}{ending}", openai.url());
        let (_gateway, client) = routed(upstream(), &[&flag]).await;
        ask(&client).await;
        let base = if ending == "/proxied/v1" {
            "/proxied"
        } else {
            ""
        };
        let paths: Vec<String> = openai
            .requests()
            .into_iter()
            .map(|asked| asked.target)
            .collect();
        assert_eq!(paths, [format!("{base}/v1/chat/completions")], "{ending}");
    }
}
