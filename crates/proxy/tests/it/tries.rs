//! In which order targets are tried, how long is waited in between, and when it ends.

use std::time::Duration;

use ai_gateway_testkit::{Answered, Behaviour, Cut, Fault, Provider, StandIn};
use serde_json::{Value, json};

use crate::fixture::{Fixture, chat, target};

/// Stand-ins `a`, `b`, … of these priorities, tried in this order, behind one upstream.
async fn rig(priorities: &[u32], retry: Value) -> (Vec<StandIn>, Fixture) {
    let mut stand_ins = Vec::new();
    for (_, name) in priorities.iter().zip(["a", "b", "c", "d"]) {
        stand_ins.push(Provider::openai().name(name).start().await.unwrap());
    }
    let targets: Vec<_> = stand_ins
        .iter()
        .zip(priorities)
        .map(|(stand_in, priority)| target(stand_in, *priority))
        .collect();
    let fixture = Fixture::with_upstream(json!({
        "algorithm": "priority",
        "targets": targets,
        "retry": retry,
        "timeouts": { "response_head": 0.3, "first_token": 0.3 },
        "health_checks": { "passive": { "threshold": 100, "success_rate": false } },
    }))
    .await;
    (stand_ins, fixture)
}

async fn ask(fixture: &Fixture) -> Answered {
    let client = fixture.client();
    client.post("/v1/chat/completions", &chat()).await.unwrap()
}

fn asked(stand_ins: &[StandIn]) -> Vec<usize> {
    let count = |stand_in: &StandIn| stand_in.requests().len();
    stand_ins.iter().map(count).collect()
}

#[track_caller]
fn assert_served(answer: &Answered, target: &str, attempts: &str) {
    let served = (
        answer.status,
        answer.header("x-gateway-target"),
        answer.header("x-gateway-attempts"),
    );
    assert_eq!(served, (200, target, attempts), "{}", answer.text());
}

#[tokio::test]
async fn a_tier_is_tried_once_more_before_a_request_descends() {
    let (stand_ins, fixture) = rig(&[1, 1, 2], json!({ "backoff": "10ms" })).await;
    for down in &stand_ins[..2] {
        down.set_behaviour(Behaviour::status(502));
    }
    assert_served(&ask(&fixture).await, "c", "4");
    assert_eq!(asked(&stand_ins).iter().sum::<usize>(), 4);
    assert_eq!(asked(&stand_ins)[2], 1, "the lower tier comes last");
}

#[tokio::test]
async fn a_moments_trouble_does_not_leave_the_tier() {
    let fault = |fault| Behaviour::failing(fault);
    for momentary in [
        Behaviour::status(500),
        Behaviour::status(504),
        fault(Fault::CutBeforeHead { how: Cut::Reset }),
        fault(Fault::CutAfterBytes {
            bytes: 10,
            how: Cut::Close,
        }),
    ] {
        let (stand_ins, fixture) = rig(&[1, 2], json!({ "backoff": "10ms" })).await;
        stand_ins[0].script([momentary.clone()]);
        assert_served(&ask(&fixture).await, "a", "2");
        assert_eq!(asked(&stand_ins), [2, 0], "{momentary:?}");
    }
}

#[tokio::test]
async fn what_is_not_over_in_a_moment_goes_to_the_next_tier_at_once() {
    let silent = Behaviour::failing(Fault::HangBeforeHead);
    let html = Behaviour::failing(Fault::Html);
    for lasting in [silent, html, Behaviour::status(401), Behaviour::status(503)] {
        let (stand_ins, fixture) = rig(&[1, 2], json!({})).await;
        stand_ins[0].set_behaviour(lasting.clone());
        assert_served(&ask(&fixture).await, "b", "2");
        assert_eq!(asked(&stand_ins), [1, 1], "{lasting:?}");
    }
}

#[tokio::test]
async fn without_a_backoff_no_target_is_tried_twice() {
    let (stand_ins, fixture) = rig(&[1, 2], json!({ "backoff": false })).await;
    stand_ins[0].script([Behaviour::status(500)]);
    assert_served(&ask(&fixture).await, "b", "2");
}

#[tokio::test]
async fn a_short_pause_is_waited_for_before_a_request_descends() {
    let (stand_ins, fixture) = rig(&[1, 2], json!({})).await;
    stand_ins[0].script([Behaviour::status_with_header(429, "retry-after", "1")]);
    assert_served(&ask(&fixture).await, "a", "2");
    assert_eq!(asked(&stand_ins), [2, 0]);
}

#[tokio::test]
async fn a_pause_beyond_the_longest_wait_is_not_waited_for() {
    for retry in [json!({ "max_wait": false }), json!({ "max_wait": 1.5 })] {
        let (stand_ins, fixture) = rig(&[1, 2], retry).await;
        stand_ins[0].script([Behaviour::status_with_header(429, "retry-after", "2")]);
        assert_served(&ask(&fixture).await, "b", "2");
    }
}

#[tokio::test]
async fn a_number_of_attempts_bounds_them_all() {
    let (stand_ins, fixture) = rig(&[1, 1, 2], json!({ "attempts": 2 })).await;
    for down in &stand_ins {
        down.set_behaviour(Behaviour::status(500));
    }
    let answer = ask(&fixture).await;
    assert_eq!(
        (answer.status, answer.header("x-gateway-attempts")),
        (500, "2")
    );
    assert_eq!(asked(&stand_ins), [1, 1, 0]);
}

#[tokio::test]
async fn tries_in_vain_end_with_their_budget_and_tries_that_help_do_not() {
    let retry = json!({ "backoff": false, "budget": { "percent": 10, "per_second": 0 } });
    let (stand_ins, fixture) = rig(&[1, 1], retry).await;
    for _ in 0..10 {
        assert_served(&ask(&fixture).await, "a", "1");
    }
    stand_ins[0].set_behaviour(Behaviour::status(500));
    for _ in 0..20 {
        assert_served(&ask(&fixture).await, "b", "2");
    }
    assert_eq!(asked(&stand_ins), [30, 20], "with ten times the budget");
    stand_ins[1].set_behaviour(Behaviour::status(500));
    for _ in 0..20 {
        assert_eq!(ask(&fixture).await.status, 500);
    }
    // A tenth of fifty requests.
    assert_eq!(asked(&stand_ins), [50, 25]);
}

#[tokio::test]
async fn a_client_that_leaves_while_a_pause_is_waited_for_frees_everything() {
    let (stand_ins, fixture) = rig(&[1], json!({})).await;
    stand_ins[0].script([Behaviour::status_with_header(429, "retry-after", "2")]);
    let client = fixture.client();
    let (path, body) = ("/v1/chat/completions", chat());
    let asking = client.post(path, &body);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), asking)
            .await
            .is_err()
    );
    let told = |text: String| text.contains("outcome=\"cancelled\"");
    while !told(fixture.telemetry.render()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(&stand_ins), [1], "nothing was asked for nobody");
    assert_eq!(fixture.health()[0].in_flight, 0);
}

#[tokio::test]
async fn a_conversation_that_is_too_long_goes_to_a_larger_window_only() {
    let too_long = Behaviour::failing(Fault::Status {
        status: 400,
        headers: [].into(),
        body: Some(
            json!({ "error": { "message": "too long", "code": "context_length_exceeded" } })
                .to_string(),
        ),
    });
    let mut stand_ins = Vec::new();
    for name in ["a", "b", "c"] {
        stand_ins.push(Provider::openai().name(name).start().await.unwrap());
    }
    // Windows of 128,000, 128,000 and 1,047,576 tokens.
    let models = ["gpt-4o", "gpt-4o-mini", "gpt-4.1"];
    let targets: Vec<_> = stand_ins
        .iter()
        .zip(models)
        .map(|(stand_in, model)| {
            json!({
                "name": stand_in.name(), "provider": "openai", "base_url": format!("{}/v1", stand_in.url()),
                "models": [model], "default_model": model,
            })
        })
        .collect();
    let upstream = json!({ "algorithm": "priority", "targets": targets });
    let fixture = Fixture::with_upstream(upstream).await;
    let mut body = chat();
    body["model"] = json!("gpt-4o");
    stand_ins[0].set_behaviour(too_long.clone());
    let client = fixture.client();
    let answer = client.post("/v1/chat/completions", &body).await.unwrap();
    assert_served(&answer, "c", "2");
    assert_eq!(asked(&stand_ins), [1, 0, 1]);
    // When the larger one refuses too, the client hears the first one's own words.
    stand_ins[2].set_behaviour(too_long);
    let answer = client.post("/v1/chat/completions", &body).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("x-gateway-target")),
        (400, "a")
    );
    assert_eq!(answer.json()["error"]["code"], "context_length_exceeded");
    assert!(
        fixture
            .health()
            .iter()
            .all(|one| one.last_failure.is_none())
    );
}
