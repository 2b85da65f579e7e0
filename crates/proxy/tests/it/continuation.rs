//! When another target goes on with a stream that broke off, and what the client sees of it.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Cut, Fault, Provider, Received, Served, StandIn};
use serde_json::{Value, json};

use crate::fixture::{Fixture, anthropic_target, chat_stream, messages, target};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const WORDS: &str = "a stand-in here, serving m. You said: hello";
const SOON: Duration = Duration::from_secs(5);

async fn openai(name: &str) -> StandIn {
    Provider::openai().name(name).start().await.unwrap()
}

fn breaks(fault: Fault) -> Behaviour {
    Behaviour {
        event_gap: Duration::from_millis(2),
        fault: Some(fault),
        ..Default::default()
    }
}

/// Breaks off in the middle of the text.
fn cut() -> Behaviour {
    breaks(Fault::CutAfterEvents {
        events: 5,
        how: Cut::Reset,
    })
}

fn goes_on(mut target: Value) -> Value {
    target["prefill"] = json!("last_message");
    target
}

async fn fixture(targets: Vec<Value>) -> Fixture {
    let retry = json!({ "continue_stream": true, "backoff": false });
    Fixture::with_upstream(upstream(&targets, &retry)).await
}

fn upstream(targets: &[Value], retry: &Value) -> Value {
    json!({
        "targets": targets,
        "retry": retry,
        "timeouts": { "first_token": "400ms", "stream_idle": "400ms", "total": "5s" },
        "health_checks": { "passive": { "threshold": 100, "success_rate": false } },
    })
}

async fn ask(fixture: &Fixture, path: &str, body: &Value) -> String {
    let mut stream = fixture.client().stream(path, body).await.unwrap();
    assert_eq!(stream.header("x-gateway-target"), "a");
    String::from_utf8(stream.rest().await.unwrap().to_vec()).unwrap()
}

fn data(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

fn said(events: &[Value]) -> String {
    let content = |event: &Value| {
        let piece = event.pointer("/choices/0/delta/content");
        piece
            .or(event.pointer("/delta/text"))?
            .as_str()
            .map(str::to_owned)
    };
    events.iter().filter_map(content).collect()
}

#[track_caller]
fn assert_broken(text: &str) {
    assert!(
        !text.contains("[DONE]") && !text.contains("message_stop"),
        "{text}"
    );
    let last = data(text).pop().unwrap();
    assert!(last["error"].is_object(), "{text}");
    let said = said(&data(text));
    assert!(
        !said.is_empty() && WORDS.starts_with(&said) && said != WORDS,
        "{said}"
    );
}

/// It was given the text so far, and so much less room for the rest.
#[track_caller]
fn assert_asked_to_go_on(stand_in: &StandIn) {
    let asked: Value = serde_json::from_slice(&stand_in.requests()[0].body).unwrap();
    let last = &asked["messages"][1];
    let begun = last["content"].as_str().unwrap();
    assert!(WORDS.starts_with(begun), "{asked}");
    assert_eq!(last["role"], "assistant");
    let left = asked["max_tokens"].as_u64().unwrap();
    assert!((90..100).contains(&left), "{asked}");
}

fn counted(fixture: &Fixture, metric: &str) -> Option<u64> {
    let text = fixture.telemetry.render();
    let line = text.lines().find(|line| line.starts_with(metric))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn another_target_goes_on_from_exactly_what_was_sent() {
    for fault in [
        Fault::CutAfterEvents {
            events: 5,
            how: Cut::Reset,
        },
        Fault::CutAfterEvents {
            events: 5,
            how: Cut::Close,
        },
        Fault::HangAfterEvents { events: 5 },
        Fault::MalformedEvent { after_events: 5 },
        Fault::ErrorEvent {
            after_events: 5,
            error_type: "server_error".to_owned(),
            message: "gone".to_owned(),
        },
    ] {
        let (a, b) = (openai("a").await, openai("b").await);
        a.set_behaviour(breaks(fault.clone()));
        let fixture = fixture(vec![target(&a, 1), goes_on(target(&b, 2))]).await;
        let mut body = chat_stream();
        body["stream_options"] = json!({ "include_usage": true });
        body["max_tokens"] = json!(100);
        let text = ask(&fixture, CHAT, &body).await;
        let events = data(&text);
        assert_eq!(said(&events), WORDS, "{fault:?}: {text}");
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        assert_eq!(text.matches(": continued by b\n").count(), 1, "{text}");
        let id = &events[0]["id"];
        assert!(events.iter().all(|event| event["id"] == *id), "{text}");
        assert_eq!(text.matches("\"role\"").count(), 1, "one beginning: {text}");
        assert_eq!(
            text.matches("\"finish_reason\":\"stop\"").count(),
            1,
            "{text}"
        );

        assert_asked_to_go_on(&b);
        let usage = &events.last().unwrap()["usage"];
        let pieces = WORDS.split(' ').count() as u64;
        assert!(
            usage["completion_tokens"].as_u64().unwrap() >= pieces,
            "{text}"
        );

        assert_eq!(counted(&fixture, "aigw_streams_continued_total"), Some(1));
        let health = fixture.health();
        let kinds = health
            .iter()
            .map(|target| target.last_failure.as_ref().map(|(kind, _)| kind.as_str()));
        assert!(kinds.eq([Some("stream"), None]), "{fault:?}");
        assert!(health.iter().all(|target| target.in_flight == 0));
        let broken = |seen: &[Received]| seen[0].served != Served::Running;
        assert!(a.wait_until(broken, SOON).await, "{fault:?}");
    }
}

#[tokio::test]
async fn a_message_goes_on_in_its_own_block_whoever_goes_on() {
    let a = Provider::anthropic().name("a").start().await.unwrap();
    let b = Provider::anthropic().name("b").start().await.unwrap();
    let c = openai("c").await;
    a.set_behaviour(cut());
    b.set_behaviour(cut());
    let targets = vec![
        anthropic_target(&a, 1),
        goes_on(anthropic_target(&b, 2)),
        goes_on(target(&c, 3)),
    ];
    let fixture = fixture(targets).await;
    let text = ask(&fixture, MESSAGES, &messages(true)).await;
    let events = data(&text);
    assert_eq!(said(&events), WORDS, "{text}");
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    for kind in [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_stop",
    ] {
        assert_eq!(count(kind), 1, "{kind}: {text}");
    }
    let whose: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with(": cont"))
        .collect();
    assert_eq!(whose, [": continued by b", ": continued by c"]);
    assert_eq!(counted(&fixture, "aigw_streams_continued_total"), Some(2));
}

#[tokio::test]
async fn a_stream_stays_broken_where_nobody_is_known_to_go_on() {
    let off = json!({ "backoff": false });
    let on = json!({ "continue_stream": true, "backoff": false });
    for (retry, prefill, only_one) in [
        (&off, json!("last_message"), false),
        (&on, json!(null), false),
        (&on, json!(false), false),
        (&on, json!("last_message"), true),
    ] {
        let (a, b) = (openai("a").await, openai("b").await);
        a.set_behaviour(cut());
        let mut second = target(&b, 2);
        second["prefill"] = prefill.clone();
        let mut targets = vec![target(&a, 1), second];
        targets.truncate(if only_one { 1 } else { 2 });
        let fixture = Fixture::with_upstream(upstream(&targets, retry)).await;
        assert_broken(&ask(&fixture, CHAT, &chat_stream()).await);
        assert_eq!(b.requests().len(), 0, "{retry} {prefill}");
        assert_eq!(counted(&fixture, "aigw_streams_continued_total"), Some(0));
    }
}

#[tokio::test]
async fn what_is_not_plain_text_stays_broken() {
    let (a, b) = (openai("a").await, openai("b").await);
    a.set_behaviour(breaks(Fault::CutAfterEvents {
        events: 2,
        how: Cut::Reset,
    }));
    let fixture = fixture(vec![target(&a, 1), goes_on(target(&b, 2))]).await;
    let function = json!({ "name": "weather", "parameters": { "type": "object",
        "properties": { "city": { "type": "string" }, "day": { "type": "string" } } } });
    let mut calling = chat_stream();
    calling["tools"] = json!([{ "type": "function", "function": function }]);
    let mut formed = chat_stream();
    formed["response_format"] = json!({ "type": "json_object" });
    let mut several = chat_stream();
    several["logprobs"] = json!(true);
    for body in [calling, formed, several] {
        let text = ask(&fixture, CHAT, &body).await;
        assert!(
            !text.contains("[DONE]") && text.contains("upstream_failed"),
            "{text}"
        );
        assert_eq!(b.requests().len(), 0, "{body}");
    }
}

#[tokio::test]
async fn whoever_fails_to_go_on_is_passed_over_within_the_attempts() {
    let [a, b, c, d] = [
        openai("a").await,
        openai("b").await,
        openai("c").await,
        openai("d").await,
    ];
    a.set_behaviour(cut());
    b.set_behaviour(Behaviour::status(500));
    c.set_behaviour(Behaviour::status(400));
    let targets = || {
        vec![
            target(&a, 1),
            goes_on(target(&b, 2)),
            goes_on(target(&c, 3)),
            goes_on(target(&d, 4)),
        ]
    };
    let whole = fixture(targets()).await;
    let text = ask(&whole, CHAT, &chat_stream()).await;
    assert_eq!(said(&data(&text)), WORDS, "{text}");
    assert!(text.contains(": continued by d\n"), "{text}");

    let retry = json!({ "continue_stream": true, "backoff": false, "attempts": 2 });
    let bounded = Fixture::with_upstream(upstream(&targets(), &retry)).await;
    assert_broken(&ask(&bounded, CHAT, &chat_stream()).await);
    assert_eq!((b.requests().len(), d.requests().len()), (2, 1));
    assert_eq!(counted(&bounded, "aigw_streams_continued_total"), Some(0));
    let ends = r#"aigw_requests_total{"#;
    let text = bounded.telemetry.render();
    let told = text
        .lines()
        .filter(|line| line.starts_with(ends))
        .collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    assert!(told[0].contains("truncated"), "{told:?}");
}

#[tokio::test]
async fn a_client_that_leaves_while_others_are_asked_ends_that() {
    let (a, b) = (openai("a").await, openai("b").await);
    a.set_behaviour(cut());
    b.set_behaviour(Behaviour::failing(Fault::HangBeforeHead));
    let retry = json!({ "continue_stream": true, "backoff": false });
    let mut upstream = upstream(&[target(&a, 1), goes_on(target(&b, 2))], &retry);
    upstream["timeouts"] = json!({ "first_token": "60s", "stream_idle": "60s" });
    upstream["stream"] = json!({ "keep_alive": "50ms" });
    let fixture = Fixture::with_upstream(upstream).await;
    let mut stream = fixture.client().stream(CHAT, &chat_stream()).await.unwrap();
    assert!(b.wait_until(|seen| seen.len() == 1, SOON).await);
    let mut heard = String::new();
    while !heard.contains(": keep-alive") {
        let chunk = stream.chunk().await.unwrap().unwrap();
        heard.push_str(&String::from_utf8_lossy(&chunk));
    }
    drop(stream);
    let left = |seen: &[Received]| seen[0].served == Served::Cancelled;
    assert!(b.wait_until(left, SOON).await);
    let cancelled = async {
        while !fixture.telemetry.render().contains("cancelled") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, cancelled).await.unwrap();
    assert!(fixture.health().iter().all(|target| target.in_flight == 0));
}
