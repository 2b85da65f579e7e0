//! From when on a stream is the client's, and what it hears until then.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Cut, Fault, Provider, StandIn, Streaming};
use serde_json::{Value, json};

use crate::fixture::{Fixture, anthropic_target, chat_stream, messages, target};

/// Two stand-ins, the second for worse days, and an upstream that commits as told.
async fn rig(stream: Value) -> (StandIn, StandIn, Fixture) {
    let first = Provider::openai().name("first").start().await.unwrap();
    let second = Provider::openai().name("second").start().await.unwrap();
    let fixture = Fixture::with_upstream(json!({
        "targets": [target(&first, 1), target(&second, 2)],
        "stream": stream,
        "retry": { "backoff": false, "max_wait": false },
        "health_checks": { "passive": { "threshold": 100, "success_rate": false } },
        "timeouts": { "stream_idle": 0.4, "first_token": 2, "total": 20 },
    }))
    .await;
    (first, second, fixture)
}

async fn ask(fixture: &Fixture) -> (Streaming, String) {
    let client = fixture.client();
    let body = chat_stream();
    let asked = client.stream("/v1/chat/completions", &body);
    let mut stream = asked.await.unwrap();
    let text = stream.rest().await.unwrap();
    (stream, String::from_utf8(text.to_vec()).unwrap())
}

/// What the first target does wrong after four events, a few tokens among them.
fn breaks() -> [Fault; 4] {
    let events = 4;
    let how = Cut::Reset;
    [
        Fault::CutAfterEvents { events, how },
        Fault::HangAfterEvents { events },
        Fault::MalformedEvent {
            after_events: events,
        },
        Fault::ErrorEvent {
            after_events: events,
            error_type: "server_error".to_owned(),
            message: "gone".to_owned(),
        },
    ]
}

fn slowly(fault: Fault) -> Behaviour {
    Behaviour {
        event_gap: Duration::from_millis(10),
        fault: Some(fault),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_answer_that_is_held_until_it_is_whole_never_breaks_for_the_client() {
    let (first, _second, fixture) = rig(json!({ "commit": "complete" })).await;
    for fault in breaks() {
        first.script([slowly(fault.clone())]);
        let (stream, text) = ask(&fixture).await;
        assert_eq!(stream.header("x-gateway-target"), "second", "{fault:?}");
        assert!(text.ends_with("data: [DONE]\n\n"), "{fault:?}: {text}");
        assert!(text.contains("\"content\":\"second\""), "{fault:?}: {text}");
        assert!(!text.contains("\"content\":\"first\""), "{fault:?}: {text}");
    }
    let (stream, text) = ask(&fixture).await;
    assert_eq!(stream.header("x-gateway-target"), "first");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[tokio::test]
async fn an_answer_that_is_held_for_a_time_or_some_bytes_breaks_only_after_them() {
    for commit in [json!("5s"), json!({ "bytes": 65_536 })] {
        let (first, _second, fixture) = rig(json!({ "commit": commit })).await;
        first.script([slowly(breaks()[0].clone())]);
        let (stream, _) = ask(&fixture).await;
        assert_eq!(stream.header("x-gateway-target"), "second", "{commit}");
    }
    for commit in [json!("5ms"), json!({ "bytes": 300 }), json!("first_token")] {
        let (first, _second, fixture) = rig(json!({ "commit": commit })).await;
        first.script([slowly(breaks()[0].clone())]);
        let (stream, text) = ask(&fixture).await;
        assert_eq!(stream.header("x-gateway-target"), "first", "{commit}");
        assert!(text.contains("data: {\"error\""), "{commit}: {text}");
        assert!(!text.contains("[DONE]"), "{commit}: {text}");
    }
}

#[tokio::test]
async fn what_is_larger_than_may_be_held_begins_all_the_same() {
    let commit = json!({ "commit": "complete", "hold_bytes": 4096 });
    let (first, _second, fixture) = rig(commit).await;
    let words = "word ".repeat(2000);
    first.script([Behaviour {
        say: Some(words),
        event_gap: Duration::from_millis(1),
        fault: Some(Fault::CutAfterEvents {
            events: 100,
            how: Cut::Close,
        }),
        ..Default::default()
    }]);
    let (stream, text) = ask(&fixture).await;
    assert_eq!(stream.header("x-gateway-target"), "first");
    assert!(text.contains("data: {\"error\""), "{text}");
}

#[tokio::test]
async fn a_client_that_waits_hears_comments_and_another_target_may_still_answer() {
    let (first, second, fixture) = rig(json!({ "keep_alive": "50ms" })).await;
    first.set_behaviour(Behaviour {
        head_delay: Duration::from_millis(200),
        fault: Some(Fault::ErrorEvent {
            after_events: 0,
            error_type: "overloaded_error".to_owned(),
            message: "busy".to_owned(),
        }),
        ..Default::default()
    });
    let (stream, text) = ask(&fixture).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.header("x-gateway-target"), "", "nobody knew yet");
    assert!(
        text.starts_with(": keep-alive\n\n: keep-alive\n\n"),
        "{text}"
    );
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.contains("\"content\":\"second\""), "{text}");
    // What goes wrong now is said in the stream.
    second.set_behaviour(Behaviour {
        head_delay: Duration::from_millis(100),
        ..Behaviour::status(400)
    });
    first.stop().await;
    let (stream, text) = ask(&fixture).await;
    assert_eq!(stream.status, 200);
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("data: {\"error\""), "{text}");
    assert!(!text.contains("[DONE]"), "{text}");
    second.stop().await;
    let (stream, _) = ask(&fixture).await;
    assert_eq!(
        stream.status, 502,
        "who need not wait is told by the status"
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_it_hears_comments_takes_the_request_with_it() {
    let (first, _second, fixture) = rig(json!({ "keep_alive": "20ms" })).await;
    first.set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
    let client = fixture.client();
    let body = chat_stream();
    let asked = client.stream("/v1/chat/completions", &body);
    let mut stream = asked.await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(fixture.health()[0].in_flight, 1);
    drop(stream);
    while fixture.health()[0].in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert!(fixture.health()[0].last_failure.is_none());
}

#[tokio::test]
async fn a_waiting_client_of_anthropics_dialect_gets_its_own_error_event() {
    let stand_in = Provider::anthropic().start().await.unwrap();
    let fixture = Fixture::with_upstream(json!({
        "targets": [anthropic_target(&stand_in, 1)],
        "stream": { "keep_alive": "20ms" },
        "retry": { "attempts": 1 },
    }))
    .await;
    for status in [500, 400] {
        stand_in.set_behaviour(Behaviour {
            head_delay: Duration::from_millis(80),
            ..Behaviour::status(status)
        });
        let client = fixture.client();
        let body = messages(true);
        let asked = client.stream("/v1/messages", &body);
        let text = asked.await.unwrap().rest().await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.starts_with("event: error\ndata: "), "{status}: {text}");
    }
}
