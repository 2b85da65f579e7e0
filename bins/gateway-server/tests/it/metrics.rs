//! What Prometheus reads after some traffic.

use ai_gateway_testkit::{Behaviour, Client};
use serde_json::json;

use crate::gateway::Gateway;

/// The value of the one series of `name` that has all of `labels`.
#[track_caller]
fn value(text: &str, name: &str, labels: &[&str]) -> u64 {
    let of_name = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let fits = |line: &&str| labels.iter().all(|label| line.contains(label));
    let found: Vec<&str> = text.lines().filter(of_name).filter(fits).collect();
    let [line] = found.as_slice() else {
        panic!("{name} {labels:?} is there {} times:\n{text}", found.len())
    };
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

async fn chat(client: &Client, is_stream: bool) -> u16 {
    let messages = json!([{"role": "user", "content": "one two three"}]);
    let request = json!({"model": "gpt-4", "messages": messages, "stream": is_stream});
    client
        .post("/v1/chat/completions", &request)
        .await
        .unwrap()
        .status
}

async fn routed() -> (Gateway, Client) {
    let gateway = Gateway::start(&[]).await;
    let target = json!({
        "name": "one",
        "provider": "openai",
        "models": ["gpt-4"],
        "credentials": {"header_name": "Authorization", "header_value": "Bearer sk-hidden"},
    });
    gateway
        .route(json!({"name": "main", "targets": [target]}))
        .await;
    let client = gateway.client(json!({"name": "app"})).await;
    (gateway, client)
}

#[tokio::test]
async fn requests_tokens_attempts_and_targets_are_told() {
    let (gateway, client) = routed().await;
    assert_eq!(chat(&client, false).await, 200);
    assert_eq!(chat(&client, true).await, 200);
    gateway.openai.script([Behaviour::status(500)]);
    chat(&client, false).await;
    chat(&gateway.proxy, false).await;

    let answer = gateway.admin.get("/metrics").await.unwrap();
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text();
    let one = r#"target="one""#;
    let served = [
        one,
        r#"model="gpt-4""#,
        r#"code="200""#,
        r#"outcome="success""#,
        r#"route="all""#,
    ];
    assert!(value(&text, "aigw_requests_total", &served) >= 2);
    assert_eq!(value(&text, "aigw_requests_total", &[r#"code="401""#]), 1);
    let cost = text
        .lines()
        .find(|line| line.starts_with("aigw_cost_usd_total") && line.contains(r#"model="gpt-4""#));
    assert!(cost.is_some_and(|line| !line.ends_with(" 0.0")), "{text}");
    assert_eq!(
        value(
            &text,
            "aigw_upstream_attempts_total",
            &[one, r#"reason="server_error""#]
        ),
        1
    );
    // Three words each time that it was answered; streams are counted as plain answers are.
    let answered = value(
        &text,
        "aigw_upstream_attempts_total",
        &[one, r#"reason="success""#],
    );
    let tokens = [one, r#"model="gpt-4""#, r#"type="input""#];
    assert_eq!(value(&text, "aigw_tokens_total", &tokens), 3 * answered);
    let first_token = [one, r#"model="gpt-4""#];
    assert!(
        value(
            &text,
            "aigw_time_to_first_token_seconds_count",
            &first_token
        ) >= 2
    );
    assert_eq!(
        value(&text, "aigw_target_state", &[one, r#"state="healthy""#]),
        1
    );
    assert_eq!(value(&text, "aigw_target_inflight", &[one]), 0);
    assert_eq!(value(&text, "aigw_requests_inflight", &[]), 0);
    assert!(!text.contains("sk-hidden") && text.ends_with("# EOF\n"));
}
