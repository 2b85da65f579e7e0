//! Streams end whole, or say that they do not; and nobody works for a client that left.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Cut, Fault, Provider, Served, StandIn};
use serde_json::{Value, json};

use crate::fixture::{Fixture, anthropic_target, chat, chat_stream, messages, target};

async fn over(stand_in: StandIn, target: Value) -> (StandIn, Fixture) {
    let fixture = Fixture::with_upstream(json!({
        "targets": [target],
        "timeouts": { "stream_idle": 0.3, "first_token": 2 },
    }))
    .await;
    (stand_in, fixture)
}

async fn over_openai() -> (StandIn, Fixture) {
    let stand_in = Provider::openai().start().await.unwrap();
    let target = target(&stand_in, 1);
    over(stand_in, target).await
}

async fn over_anthropic() -> (StandIn, Fixture) {
    let stand_in = Provider::anthropic().start().await.unwrap();
    let target = anthropic_target(&stand_in, 1);
    over(stand_in, target).await
}

/// What both kinds of client get, streamed, over a target that does `fault`.
async fn both_clients(stand_in: &StandIn, fixture: &Fixture, fault: Option<Fault>) -> [String; 2] {
    // With a pause between events, those before a reset are read before it comes.
    stand_in.set_behaviour(Behaviour {
        event_gap: Duration::from_millis(5),
        fault: fault.clone(),
        ..Default::default()
    });
    let mut texts = Vec::new();
    for (path, body) in [
        ("/v1/chat/completions", chat_stream()),
        ("/v1/messages", messages(true)),
    ] {
        let mut stream = fixture.client().stream(path, &body).await.unwrap();
        assert_eq!(stream.status, 200, "{path} {fault:?}");
        assert_eq!(
            stream.header("content-type").split(';').next(),
            Some("text/event-stream")
        );
        assert_eq!(stream.header("x-accel-buffering"), "no");
        texts.push(String::from_utf8(stream.rest().await.unwrap().to_vec()).unwrap());
    }
    texts.try_into().unwrap()
}

#[track_caller]
fn assert_whole([openai, anthropic]: &[String; 2]) {
    assert!(openai.ends_with("data: [DONE]\n\n"), "{openai}");
    assert_eq!(openai.matches("[DONE]").count(), 1);
    assert!(anthropic.contains("event: message_stop"), "{anthropic}");
    assert!(!anthropic.contains("event: error"), "{anthropic}");
}

#[track_caller]
fn assert_broken([openai, anthropic]: &[String; 2]) {
    assert!(!openai.contains("[DONE]"), "{openai}");
    let last = openai.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("data: {\"error\""), "{openai}");
    assert!(!anthropic.contains("message_stop"), "{anthropic}");
    let last = anthropic.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: error\ndata: "), "{anthropic}");
}

/// Ways in which a stream can break after so many events, and be told to have broken.
fn breaks(events: usize) -> Vec<Fault> {
    vec![
        Fault::CutAfterEvents {
            events,
            how: Cut::Close,
        },
        Fault::CutAfterEvents {
            events,
            how: Cut::Reset,
        },
        Fault::HangAfterEvents { events },
        Fault::MalformedEvent {
            after_events: events,
        },
        Fault::ErrorEvent {
            after_events: events,
            error_type: "overloaded_error".to_owned(),
            message: "busy".to_owned(),
        },
    ]
}

#[tokio::test]
async fn a_stream_from_either_dialect_ends_whole_in_the_clients() {
    let (stand_in, fixture) = over_openai().await;
    assert_whole(&both_clients(&stand_in, &fixture, None).await);
    let (stand_in, fixture) = over_anthropic().await;
    assert_whole(&both_clients(&stand_in, &fixture, None).await);
}

#[tokio::test]
async fn a_stream_that_comes_byte_by_byte_is_the_same() {
    let (stand_in, fixture) = over_anthropic().await;
    let whole = both_clients(&stand_in, &fixture, None).await;
    let drip = both_clients(&stand_in, &fixture, Some(Fault::Drip { gap: 0 })).await;
    let content = |text: &str| text.matches("delta").count();
    assert_whole(&drip);
    for (drip, whole) in drip.iter().zip(&whole) {
        assert_eq!(content(drip), content(whole));
    }
}

#[tokio::test]
async fn a_broken_stream_never_looks_whole() {
    // Anthropic's first token comes behind the start of the message and of its first block.
    let (openai, anthropic) = (breaks(3), breaks(5));
    for (of_openai, of_anthropic) in openai.into_iter().zip(anthropic) {
        let (stand_in, fixture) = over_openai().await;
        assert_broken(&both_clients(&stand_in, &fixture, Some(of_openai)).await);
        let (stand_in, fixture) = over_anthropic().await;
        assert_broken(&both_clients(&stand_in, &fixture, Some(of_anthropic)).await);
    }
}

#[tokio::test]
async fn a_malformed_event_is_not_passed_on() {
    let (stand_in, fixture) = over_openai().await;
    let [openai, _] = both_clients(
        &stand_in,
        &fixture,
        Some(Fault::MalformedEvent { after_events: 3 }),
    )
    .await;
    for event in openai.split("\n\n").filter(|event| !event.is_empty()) {
        let data = event.strip_prefix("data: ").unwrap();
        assert!(serde_json::from_str::<Value>(data).is_ok(), "{event}");
    }
}

#[tokio::test]
async fn a_missing_done_after_the_finish_is_supplied() {
    let (stand_in, fixture) = over_openai().await;
    assert_whole(&both_clients(&stand_in, &fixture, Some(Fault::MissingEnd)).await);
    assert!(fixture.health().first().unwrap().last_failure.is_none());
}

#[tokio::test]
async fn nobody_waits_long_for_what_follows_the_proof_of_wholeness() {
    let (stand_in, fixture) = over_openai().await;
    stand_in.set_behaviour(Behaviour {
        say: Some("one".to_owned()),
        // The role, the word, the reason for the end; then neither usage nor terminator.
        fault: Some(Fault::HangAfterEvents { events: 3 }),
        ..Default::default()
    });
    let mut stream = fixture
        .client()
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    let text = String::from_utf8(stream.rest().await.unwrap().to_vec()).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.contains("\"finish_reason\":\"stop\""), "{text}");
    assert!(fixture.health().first().unwrap().last_failure.is_none());
}

#[tokio::test]
async fn a_stream_counts_as_in_flight_to_its_end() {
    let (stand_in, fixture) = over_openai().await;
    stand_in.set_behaviour(Behaviour {
        event_gap: Duration::from_millis(20),
        ..Default::default()
    });
    let mut stream = fixture
        .client()
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert_eq!(fixture.health().first().unwrap().in_flight, 1);
    stream.rest().await.unwrap();
    while fixture.health().first().unwrap().in_flight > 0 {
        tokio::task::yield_now().await;
    }
}

/// Lets the client leave while the target does `behaviour`, and waits for the target to notice.
async fn check_cancelled(behaviour: Behaviour, body: Value, read_first: bool) {
    let (stand_in, fixture) = over_openai().await;
    stand_in.set_behaviour(behaviour);
    let client = fixture.client();
    if read_first {
        let mut stream = client.stream("/v1/chat/completions", &body).await.unwrap();
        assert!(stream.chunk().await.unwrap().is_some());
    } else {
        let asked = async { client.stream("/v1/chat/completions", &body).await };
        let reached = stand_in.wait_until(|all| !all.is_empty(), WAIT);
        tokio::select! {
            _ = asked => panic!("there was to be no answer"),
            reached = reached => assert!(reached),
        }
    }
    let cancelled = stand_in.wait_until(
        |all| all.iter().all(|one| one.served == Served::Cancelled),
        WAIT,
    );
    assert!(cancelled.await, "{:?}", stand_in.requests());
    while fixture.health().first().unwrap().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert!(
        fixture.health().first().unwrap().last_failure.is_none(),
        "nobody is to blame"
    );
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_targets_request_with_it() {
    let hang = Behaviour::failing(Fault::HangBeforeHead);
    check_cancelled(hang.clone(), chat(), false).await;
    check_cancelled(hang, chat_stream(), false).await;
    let silent = Behaviour::failing(Fault::HangAfterEvents { events: 1 });
    check_cancelled(silent, chat_stream(), false).await;
    let slow = Behaviour {
        event_gap: Duration::from_millis(100),
        ..Default::default()
    };
    check_cancelled(slow, chat_stream(), true).await;
}

#[tokio::test]
async fn usage_comes_with_the_stream_only_when_asked_for() {
    let (_stand_in, fixture) = over_openai().await;
    let text = |body: Value| {
        let client = fixture.client();
        async move {
            let mut stream = client.stream("/v1/chat/completions", &body).await.unwrap();
            String::from_utf8(stream.rest().await.unwrap().to_vec()).unwrap()
        }
    };
    assert!(!text(chat_stream()).await.contains("\"usage\":{"));
    let mut asked = chat_stream();
    asked["stream_options"] = json!({ "include_usage": true });
    assert!(text(asked).await.contains("\"usage\":{"));
    // Whether the client asked or not, the gateway counted both.
    let counted = fixture.telemetry.render();
    let tokens = counted.lines().find(|line| {
        line.starts_with("aigw_tokens_total") && line.contains("output") && !line.ends_with(" 0")
    });
    assert!(tokens.is_some(), "{counted}");
}

#[tokio::test]
async fn what_a_broken_stream_used_is_counted_as_far_as_it_came() {
    let (stand_in, fixture) = over_openai().await;
    // The role, then three pieces of the text.
    let fault = Fault::CutAfterEvents {
        events: 4,
        how: Cut::Close,
    };
    both_clients(&stand_in, &fixture, Some(fault)).await;
    let counted = fixture.telemetry.render();
    let is_output = |line: &&str| line.starts_with("aigw_tokens_total") && line.contains("output");
    let tokens: Vec<_> = counted.lines().filter(is_output).collect();
    assert!(tokens.iter().any(|line| line.ends_with(" 6")), "{tokens:?}");
}

const WAIT: Duration = Duration::from_secs(5);
