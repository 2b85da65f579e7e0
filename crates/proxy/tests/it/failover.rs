//! Another target takes over, and whose fault it was is remembered.

use std::time::Duration;

use ai_gateway_model::Kind;
use ai_gateway_registry::TargetState;
use ai_gateway_testkit::{Behaviour, Cut, Fault, Provider, Served, StandIn};
use serde_json::{Value, json};

use crate::fixture::{Fixture, anthropic_target, chat, chat_stream, messages, target};

/// Two stand-ins behind one upstream; the first is asked first.
async fn pair() -> (StandIn, StandIn, Fixture) {
    pair_with(json!({})).await
}

async fn pair_with(more: Value) -> (StandIn, StandIn, Fixture) {
    let first = Provider::openai().name("first").start().await.unwrap();
    let second = Provider::openai().name("second").start().await.unwrap();
    let mut upstream = json!({
        "targets": [target(&first, 1), target(&second, 2)],
        "timeouts": { "first_token": 0.4, "response_head": 0.4, "stream_idle": 0.4 },
    });
    if let (Some(upstream), Some(more)) = (upstream.as_object_mut(), more.as_object()) {
        upstream.extend(more.clone());
    }
    let fixture = Fixture::with_upstream(upstream).await;
    (first, second, fixture)
}

/// Lets the first target fail once and says which target's answer the client got, and whether
/// that counted against the first one's health.
async fn check(fault: Fault, body: Value, expected_target: &str, counts: bool) {
    let (first, _second, fixture) = pair().await;
    first.set_behaviour(Behaviour::failing(fault.clone()));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &body)
        .await
        .unwrap();
    assert_eq!(
        answer.header("x-gateway-target"),
        expected_target,
        "{fault:?}"
    );
    let failed = fixture.health().first().unwrap().last_failure.is_some();
    assert_eq!(
        failed, counts,
        "{fault:?} counted against the target: {failed}"
    );
}

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        headers: [].into(),
        body: None,
    }
}

#[tokio::test]
async fn what_a_target_does_wrong_before_the_first_byte_is_never_seen() {
    let reset = Cut::Reset;
    for (fault, counts) in [
        (status(500), true),
        (status(502), true),
        (status(503), true),
        (status(504), true),
        (status(429), false),
        (status(529), false),
        (status(401), false),
        (status(403), false),
        (Fault::CutBeforeHead { how: reset }, true),
        (Fault::CutBeforeHead { how: Cut::Close }, true),
        (
            Fault::CutAfterBytes {
                bytes: 20,
                how: reset,
            },
            true,
        ),
        (Fault::HangBeforeHead, true),
        (Fault::HangAfterEvents { events: 0 }, true),
        (Fault::Html, true),
        (Fault::TruncatedJson, true),
    ] {
        check(fault, chat(), "second", counts).await;
    }
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_token_is_never_seen() {
    let overloaded = |after_events| Fault::ErrorEvent {
        after_events,
        error_type: "overloaded_error".to_owned(),
        message: "busy".to_owned(),
    };
    for (fault, counts) in [
        (status(500), true),
        (Fault::HangAfterEvents { events: 0 }, true),
        // The first event names the role and says nothing yet.
        (Fault::HangAfterEvents { events: 1 }, true),
        (
            Fault::CutAfterEvents {
                events: 0,
                how: Cut::Close,
            },
            true,
        ),
        (
            Fault::CutAfterEvents {
                events: 1,
                how: Cut::Reset,
            },
            true,
        ),
        (Fault::MalformedEvent { after_events: 0 }, true),
        (overloaded(0), false),
        (overloaded(1), false),
    ] {
        check(fault, chat_stream(), "second", counts).await;
    }
}

#[tokio::test]
async fn what_is_the_callers_fault_comes_back_and_blames_nobody() {
    for refused in [400, 413, 422] {
        let (first, second, fixture) = pair().await;
        first.set_behaviour(Behaviour::status(refused));
        for _ in 0..5 {
            let answer = fixture
                .client()
                .post("/v1/chat/completions", &chat())
                .await
                .unwrap();
            assert_eq!(answer.status, refused);
            assert!(answer.json()["error"]["message"].is_string());
        }
        assert_eq!(second.requests().len(), 0);
        assert_eq!(
            fixture.states(),
            [TargetState::Healthy, TargetState::Healthy]
        );
    }
}

#[tokio::test]
async fn a_dead_port_costs_no_request_and_rests_after_three() {
    let (first, _second, fixture) = pair().await;
    first.stop().await;
    for _ in 0..5 {
        let answer = fixture
            .client()
            .post("/v1/chat/completions", &chat())
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("x-gateway-target")),
            (200, "second")
        );
    }
    let health = fixture.health();
    assert_eq!(health.first().unwrap().state, TargetState::Unhealthy);
    assert_eq!(
        health.first().unwrap().picks,
        3,
        "the third failure takes it out"
    );
}

#[tokio::test]
async fn a_target_that_is_back_takes_traffic_again() {
    let (first, _second, fixture) =
        pair_with(json!({ "health_checks": { "threshold": 1, "interval": 0.2 } })).await;
    first.set_behaviour(Behaviour::status(500));
    fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(fixture.states().first(), Some(&TargetState::Unhealthy));
    first.set_behaviour(Behaviour::default());
    let mut targets = Vec::new();
    for _ in 0..200 {
        let answer = fixture
            .client()
            .post("/v1/chat/completions", &chat())
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
        targets.push(answer.header("x-gateway-target").to_owned());
        if targets.last().is_some_and(|target| target == "first") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        targets.last().map(String::as_str),
        Some("first"),
        "after {}",
        targets.len()
    );
    assert_eq!(fixture.states().first(), Some(&TargetState::Healthy));
}

#[tokio::test]
async fn a_rate_limited_target_cools_and_stays_healthy() {
    let (first, _second, fixture) = pair().await;
    first.set_behaviour(Behaviour::status_with_header(429, "retry-after", "7"));
    for _ in 0..3 {
        fixture
            .client()
            .post("/v1/chat/completions", &chat())
            .await
            .unwrap();
    }
    assert_eq!(
        first.requests().len(),
        1,
        "it is left alone for as long as it asked"
    );
    let health = fixture.health();
    let first = health.first().unwrap();
    assert_eq!(first.state, TargetState::Healthy);
    let cooling = first.cooling_for.unwrap();
    assert!(
        cooling > Duration::from_secs(5) && cooling <= Duration::from_secs(7),
        "{cooling:?}"
    );
}

#[tokio::test]
async fn when_every_target_is_rate_limited_the_earliest_pause_goes_to_the_client() {
    let (first, second, fixture) = pair().await;
    first.set_behaviour(Behaviour::status_with_header(429, "retry-after", "30"));
    second.set_behaviour(Behaviour::status_with_header(429, "retry-after", "9"));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, "9"));
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn when_every_target_fails_the_client_is_told_in_its_dialect() {
    let (first, second, fixture) = pair().await;
    first.set_behaviour(Behaviour::status(500));
    second.set_behaviour(Behaviour::status(401));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(
        answer.status, 502,
        "what is said of our own key is no business of the client's"
    );
    // The 500 may have been a moment's trouble.
    assert_eq!(answer.header("x-gateway-attempts"), "3");
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(answer.json()["error"]["code"], "upstream_failed");
    let answer = fixture
        .client()
        .post("/v1/messages", &messages(false))
        .await
        .unwrap();
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"]["type"], "api_error");
}

#[tokio::test]
async fn silence_everywhere_is_a_gateway_timeout() {
    let (first, second, fixture) = pair_with(json!({ "timeouts": { "total": 0.5 } })).await;
    first.set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
    second.set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(answer.status, 504);
    assert_eq!(answer.json()["error"]["code"], "upstream_timeout");
}

#[tokio::test]
async fn another_dialect_takes_over_and_the_client_sees_its_own() {
    let openai = Provider::openai().name("first").start().await.unwrap();
    let anthropic = Provider::anthropic().name("second").start().await.unwrap();
    let targets = json!([target(&openai, 1), anthropic_target(&anthropic, 2)]);
    let fixture = Fixture::with_upstream(json!({ "targets": targets })).await;
    openai.set_behaviour(Behaviour::status(500));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(answer.header("x-gateway-target"), "second");
    let text = &answer.json()["choices"][0]["message"]["content"];
    assert!(text.as_str().unwrap().contains("You said: hello"), "{text}");
    let mut stream = fixture
        .client()
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    let text = String::from_utf8(stream.rest().await.unwrap().to_vec()).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (first, second, fixture) = pair().await;
    let elsewhere = format!("{}/v1/chat/completions", second.url());
    first.set_behaviour(Behaviour::status_with_header(307, "location", &elsewhere));
    second.set_behaviour(Behaviour::status(500));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!((answer.status, answer.header("location")), (500, ""));
    assert_eq!(
        second.requests().len(),
        2,
        "asked and asked again as a target, never by a redirect"
    );
}

#[tokio::test]
async fn counts_and_health_survive_a_change_of_the_upstream() {
    let (first, second, mut fixture) = pair().await;
    first.stop().await;
    for _ in 0..3 {
        fixture
            .client()
            .post("/v1/chat/completions", &chat())
            .await
            .unwrap();
    }
    second.set_behaviour(Behaviour {
        event_gap: Duration::from_millis(30),
        ..Default::default()
    });
    let mut stream = fixture
        .client()
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    let gateway = fixture.gateway();
    let mut changed = target(&second, 2);
    changed["weight"] = json!(7);
    let targets = json!([target(&first, 1), changed]);
    fixture.put(
        Kind::Upstream,
        Some(gateway),
        &json!({ "name": "up", "targets": targets }),
    );
    let health = fixture.health();
    let (first, second) = (health.first().unwrap(), health.last().unwrap());
    assert_eq!(first.state, TargetState::Unhealthy);
    assert_eq!((second.weight, second.in_flight), (7, 1));
    let rest = stream.rest().await.unwrap();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_drained_target_finishes_its_streams_and_takes_nothing_new() {
    let (first, _second, mut fixture) = pair().await;
    first.set_behaviour(Behaviour {
        event_gap: Duration::from_millis(20),
        ..Default::default()
    });
    let mut stream = fixture
        .client()
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    let gateway = fixture.gateway();
    let mut drained = target(&first, 1);
    drained["state"] = json!("draining");
    let targets = json!([drained, target(&_second, 2)]);
    fixture.put(
        Kind::Upstream,
        Some(gateway),
        &json!({ "name": "up", "targets": targets }),
    );
    assert_eq!(fixture.states().first(), Some(&TargetState::Draining));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(answer.header("x-gateway-target"), "second");
    assert!(stream.rest().await.unwrap().ends_with(b"data: [DONE]\n\n"));
    assert_eq!(first.requests().len(), 1);
    let drained = first.wait_until(|all| all.iter().all(|one| one.served == Served::Done), WAIT);
    assert!(drained.await);
    while fixture.states().first() != Some(&TargetState::Disabled) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn active_checks_take_a_dead_target_out_without_traffic() {
    let checks = json!({ "health_checks": {
        "active": { "path": "/v1/models", "unhealthy_threshold": 1, "healthy_threshold": 1 },
        "passive": false,
        "interval": 0.1,
    }});
    let (first, _second, fixture) = pair_with(checks).await;
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(fixture.check_actively());
    first.stop().await;
    let gone = async {
        while fixture.states().first() != Some(&TargetState::Unhealthy) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        first.start_again().await.unwrap();
        while fixture.states().first() != Some(&TargetState::Healthy) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

const WAIT: Duration = Duration::from_secs(5);
