//! When a second target is asked beside a slow one, and whose answer the client gets.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Fault, Provider, Served, StandIn};
use serde_json::{Value, json};

use crate::fixture::{Fixture, chat, chat_stream, target};

const PATH: &str = "/v1/chat/completions";

/// Stand-ins `a` and `b`, asked in this order, whose usual times are known.
async fn rig(retry: Value) -> (StandIn, StandIn, Fixture) {
    let a = Provider::openai().name("a").start().await.unwrap();
    let b = Provider::openai().name("b").start().await.unwrap();
    let fixture = Fixture::with_upstream(json!({
        "algorithm": "priority",
        "targets": [target(&a, 1), target(&b, 2)],
        "retry": retry,
        "timeouts": { "response_head": 3, "first_token": 3 },
        "health_checks": { "passive": { "threshold": 100, "success_rate": false } },
    }))
    .await;
    for _ in 0..20 {
        for body in [chat(), chat_stream()] {
            assert_eq!(ask(&fixture, &body).await.target, "a");
        }
    }
    assert_eq!(b.requests().len(), 0, "nothing is slow before it is known");
    (a, b, fixture)
}

fn at_once() -> Value {
    json!({ "backoff": false, "hedge": { "min_delay": "40ms", "percent": 100 } })
}

struct Told {
    status: u16,
    target: String,
    attempts: String,
    text: String,
}

async fn ask(fixture: &Fixture, body: &Value) -> Told {
    let mut stream = fixture.client().stream(PATH, body).await.unwrap();
    let text = stream.rest().await.unwrap();
    Told {
        status: stream.status,
        target: stream.header("x-gateway-target").to_owned(),
        attempts: stream.header("x-gateway-attempts").to_owned(),
        text: String::from_utf8(text.to_vec()).unwrap(),
    }
}

#[track_caller]
fn assert_served(told: &Told, target: &str, attempts: &str) {
    let served = (told.status, told.target.as_str(), told.attempts.as_str());
    assert_eq!(served, (200, target, attempts), "{}", told.text);
    let other = if target == "a" { "b" } else { "a" };
    let said_by = |name: &str| told.text.contains(&format!("\"content\":\"{name}\""));
    assert!(!said_by(other), "one answer only: {}", told.text);
}

async fn assert_cancelled(stand_in: &StandIn, requests: usize) {
    let is_cancelled = move |seen: &[ai_gateway_testkit::Received]| {
        seen.len() == requests
            && seen
                .last()
                .is_some_and(|one| one.served == Served::Cancelled)
    };
    let within = Duration::from_secs(5);
    assert!(stand_in.wait_until(is_cancelled, within).await);
}

fn late(millis: u64) -> Behaviour {
    Behaviour {
        head_delay: Duration::from_millis(millis),
        ..Default::default()
    }
}

/// An answer whose head comes at once, and whose first token late.
fn late_body(millis: u64) -> Behaviour {
    Behaviour {
        body_delay: Duration::from_millis(millis),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_slow_target_is_overtaken_and_its_connection_closed() {
    let silent = Behaviour::failing(Fault::HangBeforeHead);
    for slow in [silent, late_body(2500)] {
        for body in [chat(), chat_stream()] {
            let (a, b, fixture) = rig(at_once()).await;
            a.set_behaviour(slow.clone());
            assert_served(&ask(&fixture, &body).await, "b", "2");
            assert_cancelled(&a, 41).await;
            assert_eq!(b.requests().len(), 1);
            let health = fixture.health();
            assert!(health.iter().all(|one| one.in_flight == 0));
            assert!(health.iter().all(|one| one.last_failure.is_none()));
        }
    }
}

#[tokio::test]
async fn the_first_target_may_still_win() {
    for body in [chat(), chat_stream()] {
        let (a, b, fixture) = rig(at_once()).await;
        a.set_behaviour(late(200));
        b.set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
        assert_served(&ask(&fixture, &body).await, "a", "2");
        assert_cancelled(&b, 1).await;
        assert!(fixture.health().iter().all(|one| one.in_flight == 0));
    }
}

#[tokio::test]
async fn a_failure_does_not_win_while_the_other_is_under_way() {
    let event = Behaviour::failing(Fault::ErrorEvent {
        after_events: 0,
        error_type: "server_error".to_owned(),
        message: "gone".to_owned(),
    });
    for (failing, body) in [
        (Behaviour::status(500), chat()),
        (Behaviour::status(400), chat()),
        (Behaviour::status(400), chat_stream()),
        (event, chat_stream()),
    ] {
        let (a, b, fixture) = rig(at_once()).await;
        a.set_behaviour(late(300));
        b.set_behaviour(failing.clone());
        assert_served(&ask(&fixture, &body).await, "a", "2");
        assert_eq!(b.requests().len(), 1, "{failing:?}");
    }
}

#[tokio::test]
async fn of_two_failures_the_client_hears_of_the_one_that_is_its_own() {
    for own in ["a", "b"] {
        let (a, b, fixture) = rig(at_once()).await;
        let slow = |status| Behaviour {
            head_delay: Duration::from_millis(150),
            ..Behaviour::status(status)
        };
        let status = |name| if name == own { 400 } else { 500 };
        a.set_behaviour(slow(status("a")));
        b.set_behaviour(slow(status("b")));
        let told = ask(&fixture, &chat()).await;
        assert_eq!((told.status, told.target.as_str()), (400, own));
        assert_eq!((a.requests().len(), b.requests().len()), (41, 1));
    }
}

#[tokio::test]
async fn no_more_requests_ask_twice_than_their_budget_says() {
    // Forty requests put aside what two second targets cost.
    let retry = json!({ "hedge": { "min_delay": "40ms", "percent": 5 } });
    let (a, b, fixture) = rig(retry).await;
    a.set_behaviour(late(400));
    for _ in 0..2 {
        assert_served(&ask(&fixture, &chat()).await, "b", "2");
    }
    for _ in 0..2 {
        assert_served(&ask(&fixture, &chat()).await, "a", "1");
    }
    assert_eq!(b.requests().len(), 2);
}

#[tokio::test]
async fn attempts_and_their_budget_bound_a_second_target_too() {
    let none_in_vain = json!({ "percent": 0, "per_second": 0 });
    for (name, bound) in [("attempts", json!(1)), ("budget", none_in_vain)] {
        let mut retry = at_once();
        retry[name] = bound;
        let (a, b, fixture) = rig(retry).await;
        a.set_behaviour(late(300));
        assert_served(&ask(&fixture, &chat()).await, "a", "1");
        assert_eq!(b.requests().len(), 0, "{name}");
    }
}

#[tokio::test]
async fn nobody_asks_twice_unless_told_to() {
    let (a, b, fixture) = rig(json!({})).await;
    a.set_behaviour(late(300));
    for body in [chat(), chat_stream()] {
        assert_served(&ask(&fixture, &body).await, "a", "1");
    }
    assert_eq!(b.requests().len(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_closes_both_connections() {
    let (a, b, fixture) = rig(at_once()).await;
    for hanging in [&a, &b] {
        hanging.set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
    }
    let client = fixture.client();
    let body = chat();
    let within = Duration::from_secs(5);
    tokio::select! {
        _ = client.post(PATH, &body) => panic!("nobody answers"),
        asked = b.wait_until(|seen| seen.len() == 1, within) => assert!(asked),
    }
    assert_cancelled(&a, 41).await;
    assert_cancelled(&b, 1).await;
    let told = |text: String| text.contains("outcome=\"cancelled\"");
    while !told(fixture.telemetry.render()) {
        tokio::task::yield_now().await;
    }
    assert!(fixture.health().iter().all(|one| one.in_flight == 0));
}
