//! Callers that go silent, a store that hangs, and faults of the gateway's own.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use ai_gateway_store::Answer as Known;

use crate::kit::{Api, Call, SEED, Stall, UPSTREAMS, Wire, seed};

/// Returns the head of a write whose body is said to be `framing`.
fn head(framing: &str) -> String {
    format!(
        "POST {UPSTREAMS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\n{framing}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_stops_coming_is_waited_for_20_seconds() {
    let api = Api::with_gateway().await;
    let mut wire = Wire::open(&api).await;
    let framing = "expect: 100-continue\r\ncontent-length: 1000";
    wire.say(&head(framing)).await;
    // From here on the gateway waits for the body.
    wire.hear("HTTP/1.1 100 Continue\r\n\r\n").await;
    wire.say("{\"name\":").await;
    let began = Instant::now();
    tokio::time::pause();
    let answer = wire.answer().await;
    tokio::time::resume();
    assert!(began.elapsed() > Duration::from_secs(19));
    answer.problem(408, "body_timeout");
    assert_eq!(api.store.current().revision(), 1, "nothing changed");
    api.stop().await;
}

#[tokio::test]
async fn a_body_that_ends_early_or_breaks_off_is_not_obeyed() {
    let api = Api::with_gateway().await;
    let document = seed().to_string();
    let longer = format!("content-length: {}", document.len() + 1);
    let chunked = "transfer-encoding: chunked";
    for (framing, body) in [
        (&*longer, &*document),
        (chunked, &format!("{:x}\r\n{document}\r\n", document.len())),
        (
            chunked,
            &format!("{:x}\r\n{document}\r\nx\r\n", document.len()),
        ),
    ] {
        let mut wire = Wire::open(&api).await;
        wire.say(&head(framing)).await;
        wire.say(body).await;
        wire.fall_silent().await;
        wire.answer().await.problem(400, "incomplete_body");
    }
    assert_eq!(api.store.current().revision(), 1, "nothing changed");
    api.stop().await;
}

/// Lets `call` meet a store that hangs, and demands the answer that it gets in the end.
async fn check_stalled(api: &Api, call: Call) {
    let stall = Stall::begin(&api.store).await;
    let waiting = api.waiting.notified();
    let began = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(60), api.send(call));
    let (answer, ()) = tokio::join!(answer, async {
        waiting.await;
        tokio::time::pause();
    });
    tokio::time::resume();
    assert!(began.elapsed() > Duration::from_secs(29));
    answer.unwrap().problem(503, "timeout");
    stall.end();
}

#[tokio::test]
async fn a_store_that_hangs_is_waited_for_30_seconds() {
    let api = Api::with_seed().await;
    let before = api.store.current().revision();
    check_stalled(&api, Call::new("DELETE", SEED)).await;
    assert_eq!(api.store.current().revision(), before, "nothing changed");
    api.delete(SEED).await.expect(204);
    api.stop().await;
}

#[tokio::test]
async fn a_call_with_a_key_is_not_kept_waiting_longer() {
    let api = Api::with_seed().await;
    let path = format!("{SEED}/targets/openai-0/disable");
    let call = Call::new("POST", &path).header("idempotency-key", "k-1");
    check_stalled(&api, call.clone()).await;
    let answer = api.send(call).await;
    assert_eq!(answer.header("idempotency-replayed"), "", "it is a new one");
    assert_eq!(answer.expect(200)["state"], "disabled");
    api.stop().await;
}

#[tokio::test]
async fn of_two_calls_with_one_key_the_later_is_told_to_wait() {
    let api = Api::with_gateway().await;
    let call = Call::new("POST", UPSTREAMS)
        .json(&seed())
        .header("idempotency-key", "k-1");
    let stall = Stall::begin(&api.store).await;
    let created = {
        let mut one = Box::pin(api.send(call.clone()));
        let mut other = Box::pin(api.send(call.clone()));
        let (refused, first) = tokio::select! {
            answer = &mut one => (answer, other),
            answer = &mut other => (answer, one),
        };
        refused.problem(409, "request_in_progress");
        stall.end();
        first.await.expect(201)
    };
    let again = api.send(call).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(201), created);
    api.stop().await;
}

#[tokio::test]
async fn a_fault_of_the_gateway_is_answered_and_can_be_mended() {
    let api = Api::with_seed().await;
    let faulty = json!({
        "name": "faulty",
        "targets": [{ "provider": "openai", "headers": { "x-fault": "1" } }],
    });
    let problem = api.post(UPSTREAMS, &faulty).await.problem(500, "internal");
    assert!(
        !problem.to_string().contains("the test asks for"),
        "{problem}"
    );
    // It is on the disk, and could not be made live.
    let path = format!("{UPSTREAMS}/faulty");
    let health = format!("{path}/health");
    api.get(&path).await.expect(200);
    api.get(&health).await.problem(503, "not_live");
    api.get(&format!("{SEED}/health")).await.expect(200);
    let mended = json!({ "targets": [{ "provider": "openai" }] });
    api.patch(&path, &mended).await.expect(200);
    api.get(&health).await.expect(200);
    api.stop().await;
}

#[tokio::test]
async fn a_kept_answer_that_cannot_be_read_is_a_fault_of_the_gateway() {
    let api = Api::with_gateway().await;
    let document = seed();
    let hash = Sha256::digest(document.to_string());
    let key = format!("{UPSTREAMS} k-1");
    let Known::New(ticket) = api.store.idempotent_get(&key, &hash).await.unwrap() else {
        panic!("the key is new");
    };
    api.store
        .idempotent_put(ticket, b"no answer")
        .await
        .unwrap();
    let call = Call::new("POST", UPSTREAMS)
        .json(&document)
        .header("idempotency-key", "k-1");
    api.send(call).await.problem(500, "internal");
    assert_eq!(api.store.current().revision(), 1, "nothing changed");
    api.stop().await;
}
