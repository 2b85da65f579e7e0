//! The bounds of the client side: who is cut or refused, when, and that no target is blamed.

use std::time::Duration;

use ai_gateway_proxy::ProxySettings;
use ai_gateway_testkit::{Behaviour, Provider, StandIn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::fixture::{Fixture, chat, chat_stream, closed, target};

const SHORT: Duration = Duration::from_millis(200);
const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;

async fn start(change: impl FnOnce(&mut ProxySettings)) -> (StandIn, Fixture) {
    let stand_in = Provider::openai().start().await.unwrap();
    let mut settings = ProxySettings::default();
    change(&mut settings);
    let upstream = json!({ "targets": [target(&stand_in, 1)] });
    let fixture = Fixture::with_settings(settings, upstream).await;
    (stand_in, fixture)
}

async fn connect(fixture: &Fixture) -> TcpStream {
    TcpStream::connect(fixture.address()).await.unwrap()
}

/// Reads until the proxy closes the connection; answers what came and how long it took.
async fn read_to_end(stream: &mut TcpStream) -> (String, Duration) {
    let begin = Instant::now();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    (
        String::from_utf8_lossy(&answer).into_owned(),
        begin.elapsed(),
    )
}

fn head(length: usize) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

#[track_caller]
fn check_cut(name: &str, (answer, took): (String, Duration), expected: &str) {
    assert!(answer.starts_with(expected), "{name}: {answer}");
    assert_eq!(answer.is_empty(), expected.is_empty(), "{name}: {answer}");
    assert!(took >= SHORT / 2 && took < SHORT * 20, "{name}: {took:?}");
}

#[tokio::test]
async fn whoever_is_silent_where_it_must_speak_is_cut() {
    let (stand_in, fixture) = start(|settings| {
        settings.connections.first_byte = SHORT;
        settings.connections.head = SHORT;
        settings.bodies.request_idle = SHORT;
    })
    .await;
    for (name, sent, expected) in [
        ("nothing", "", ""),
        ("two bytes", "PR", ""),
        // The first frame of HTTP/2, which the server sends at once.
        ("half a preface", "PRI * HT", "\0\0"),
        (
            "half a head",
            "POST /v1/chat/completions HTTP/1.1\r\nhost",
            "",
        ),
        ("half a body", &*(head(100) + "{"), "HTTP/1.1 408"),
    ] {
        let mut stream = connect(&fixture).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        check_cut(name, read_to_end(&mut stream).await, expected);
    }
    assert!(stand_in.requests().is_empty());
    assert!(fixture.health()[0].last_failure.is_none());
}

#[tokio::test]
async fn a_head_that_drips_is_cut_as_well() {
    let (_stand_in, fixture) = start(|settings| settings.connections.head = SHORT).await;
    let stream = connect(&fixture).await;
    let (mut read, mut write) = stream.into_split();
    let begin = Instant::now();
    let drip = async {
        let mut pause = tokio::time::interval(SHORT / 10);
        while write.write_all(b"x").await.is_ok() {
            pause.tick().await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = read.read_to_end(&mut answer) => {}
    }
    assert!(answer.is_empty());
    assert!((SHORT..SHORT * 20).contains(&begin.elapsed()));
}

#[tokio::test]
async fn a_body_that_drips_is_refused_once_its_grace_is_over() {
    let (stand_in, fixture) = start(|settings| {
        settings.bodies.request_grace = SHORT;
        settings.bodies.request_rate = 1_000_000;
    })
    .await;
    let (mut read, mut write) = connect(&fixture).await.into_split();
    write.write_all(head(1_000_000).as_bytes()).await.unwrap();
    let drip = async {
        let mut pause = tokio::time::interval(SHORT / 10);
        while write.write_all(b"x").await.is_ok() {
            pause.tick().await;
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        () = drip => panic!("closed without an answer"),
        read = read.read_exact(&mut answer) => { read.unwrap(); }
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(stand_in.requests().is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let (stand_in, fixture) = start(|settings| {
        settings.connections.keep_alive = SHORT;
        settings.connections.head = SHORT;
        settings.connections.first_byte = SHORT;
    })
    .await;
    stand_in.set_behaviour(Behaviour {
        head_delay: SHORT * 5,
        ..Default::default()
    });
    let mut stream = connect(&fixture).await;
    let request = head(BODY.len()) + BODY;
    stream.write_all(request.as_bytes()).await.unwrap();
    let (answer, took) = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!((SHORT * 6..SHORT * 30).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_connection_that_rests_between_requests_serves_them_all() {
    let (stand_in, fixture) = start(|settings| {
        settings.connections.rest_after = Duration::ZERO;
        settings.connections.max_requests = 40;
    })
    .await;
    let mut connection = connect(&fixture).await;
    let request = format!("{}{BODY}", head(BODY.len()));
    let mut asked = 0;
    let mut ask = async |pieces: &[&str], count: usize| {
        for piece in pieces {
            connection.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        for _ in 0..count {
            asked += 1;
            let answer = read_answer(&mut connection).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{asked}: {answer}");
        }
    };
    for _ in 0..10 {
        ask(&[&request], 1).await;
        let (start, end) = request.split_at(request.len() / 3);
        ask(&[start, end], 1).await;
        // Two at once, the second of them in two pieces.
        let two = format!("{request}{request}");
        let (start, end) = two.split_at(two.len() - 20);
        ask(&[start, end], 2).await;
    }
    // Not one was counted twice: the last that may be is said to be the last.
    assert_eq!(asked, 40);
    assert_eq!(stand_in.requests().len(), 40);
    assert!(read_to_end(&mut connection).await.0.is_empty());
}

#[tokio::test]
async fn a_resting_connection_is_closed_by_its_client_by_silence_and_by_age() {
    let (_stand_in, fixture) = start(|settings| {
        settings.connections.rest_after = Duration::ZERO;
        settings.connections.keep_alive = SHORT;
    })
    .await;
    let mut silent = connect(&fixture).await;
    silent
        .write_all(format!("{}{BODY}", head(BODY.len())).as_bytes())
        .await
        .unwrap();
    read_answer(&mut silent).await;
    check_cut("silence", read_to_end(&mut silent).await, "");

    let (_stand_in, fixture) = start(|settings| {
        settings.connections.rest_after = Duration::ZERO;
        settings.connections.max_age = SHORT;
    })
    .await;
    let mut old = connect(&fixture).await;
    old.write_all(format!("{}{BODY}", head(BODY.len())).as_bytes())
        .await
        .unwrap();
    read_answer(&mut old).await;
    check_cut("age", read_to_end(&mut old).await, "");
}

/// Reads one answer with a length.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse::<usize>().ok());
            if length.is_some_and(|length| body.len() >= length) {
                return text;
            }
        }
        let byte = stream.read_u8().await;
        answer.push(byte.unwrap_or_else(|error| panic!("{error} after {text:?}")));
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_last_request_or_with_age() {
    let (_stand_in, fixture) = start(|settings| settings.connections.max_requests = 2).await;
    let mut stream = connect(&fixture).await;
    let requests = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n".repeat(3);
    stream.write_all(requests.as_bytes()).await.unwrap();
    let (answer, _) = read_to_end(&mut stream).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");

    let (_stand_in, fixture) = start(|settings| settings.connections.max_age = SHORT).await;
    let mut stream = connect(&fixture).await;
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let (answer, took) = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!((SHORT / 2..SHORT * 20).contains(&took), "{took:?}");
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_its_share() {
    let (_stand_in, fixture) =
        start(|settings| settings.connections.max_connections_per_ip = 2).await;
    let kept = [connect(&fixture).await, connect(&fixture).await];
    let (answer, _) = read_to_end(&mut connect(&fixture).await).await;
    assert!(answer.is_empty());
    assert_eq!(closed(&fixture, "address_full", 1).await, 1);
    drop(kept);
    // The places come back when the proxy has seen the connections end.
    loop {
        let mut stream = connect(&fixture).await;
        let asked = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        if stream.write_all(asked).await.is_ok()
            && read_to_end(&mut stream).await.0.starts_with("HTTP/1.1 200")
        {
            break;
        }
    }
}

#[tokio::test]
async fn why_a_connection_was_closed_is_counted() {
    let (_stand_in, fixture) = start(|settings| {
        settings.connections.first_byte = SHORT;
        settings.connections.head = SHORT;
        settings.connections.keep_alive = SHORT;
        settings.connections.max_headers = 20;
    })
    .await;
    let request = "GET /livez HTTP/1.1\r\nhost: a\r\n";
    let many = "x: y\r\n".repeat(30);
    let large = "y".repeat(40_000);
    for (reason, sent, expected) in [
        ("first_byte_timeout", String::new(), ""),
        ("head_timeout", request.to_owned(), ""),
        ("head_timeout", "PRI * HTTP/2.0\r\n".to_owned(), "\0\0"),
        ("idle", format!("{request}\r\n"), "HTTP/1.1 200"),
        (
            "malformed",
            "no HTTP at all\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        (
            "malformed",
            format!("{request}a b: c\r\n\r\n"),
            "HTTP/1.1 400",
        ),
        (
            "head_too_large",
            format!("{request}{many}\r\n"),
            "HTTP/1.1 431",
        ),
        (
            "head_too_large",
            format!("{request}x: {large}\r\n\r\n"),
            "HTTP/1.1 431",
        ),
    ] {
        let before = closed(&fixture, reason, 0).await;
        let mut stream = connect(&fixture).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let (answer, _) = read_to_end(&mut stream).await;
        assert!(answer.starts_with(expected), "{reason}: {answer}");
        assert_eq!(
            closed(&fixture, reason, before + 1).await,
            before + 1,
            "{reason}"
        );
    }
    // A client that leaves by itself is none of them.
    let all = |metrics: String| {
        let lines = metrics.lines().filter_map(|line| {
            let line = line.strip_prefix("aigw_connections_closed_total")?;
            line.rsplit(' ').next()?.parse::<usize>().ok()
        });
        lines.sum::<usize>()
    };
    let before = all(fixture.telemetry.render());
    let answer = fixture.client().get("/livez").await.unwrap();
    assert_eq!(answer.status, 200);
    tokio::time::sleep(SHORT).await;
    assert_eq!(all(fixture.telemetry.render()), before);
}

#[tokio::test]
async fn bodies_have_a_memory_of_their_own() {
    let (stand_in, fixture) = start(|settings| settings.bodies.memory_bytes = 64 * 1024).await;
    let mut large = chat();
    large["messages"][0]["content"] = json!("x".repeat(80 * 1024));
    let client = fixture.client();
    let answer = client.post("/v1/chat/completions", &large).await.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "gateway_overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    // What was refused, and what was served, has given its part back.
    large["messages"][0]["content"] = json!("x".repeat(40 * 1024));
    for _ in 0..3 {
        let answer = client.post("/v1/chat/completions", &large).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(stand_in.requests().len(), 3);
    assert!(fixture.health()[0].last_failure.is_none());
}

#[tokio::test]
async fn whoever_does_not_read_is_cut() {
    let (stand_in, fixture) = start(|settings| settings.connections.write_stall = SHORT).await;
    stand_in.set_behaviour(Behaviour {
        say: Some(format!("{} ", "word".repeat(10_000)).repeat(600)),
        ..Default::default()
    });
    let mut stream = connect(&fixture).await;
    let body = chat_stream().to_string();
    let request = head(body.len()) + &body;
    stream.write_all(request.as_bytes()).await.unwrap();
    // Nothing is read until the proxy has given up, which its count of requests shows.
    let target = || fixture.health().remove(0);
    let mut looks = tokio::time::interval(SHORT / 20);
    while target().in_flight == 0 {
        looks.tick().await;
    }
    let begin = Instant::now();
    while target().in_flight > 0 {
        looks.tick().await;
    }
    assert!(begin.elapsed() >= SHORT, "{:?}", begin.elapsed());
    assert!(target().last_failure.is_none());
}
