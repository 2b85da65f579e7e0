//! The end of a proxy: what is under way finishes, or hears why not.

use std::time::Duration;

use ai_gateway_proxy::ProxySettings;
use ai_gateway_testkit::{Behaviour, Provider, StandIn};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fixture::{Fixture, anthropic_target, chat, chat_stream, messages, target};

const DRAIN: Duration = Duration::from_millis(300);

async fn start(behaviour: Behaviour) -> (StandIn, Fixture) {
    let stand_in = Provider::openai()
        .behaviour(behaviour)
        .start()
        .await
        .unwrap();
    let mut settings = ProxySettings::default();
    settings.connections.drain = DRAIN;
    let upstream = json!({ "targets": [target(&stand_in, 1)] });
    let fixture = Fixture::with_settings(settings, upstream).await;
    (stand_in, fixture)
}

fn endless() -> Behaviour {
    Behaviour {
        event_gap: Duration::from_millis(20),
        say: Some("word ".repeat(10_000)),
        ..Default::default()
    }
}

fn last_event(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.next_back().unwrap()).unwrap()
}

#[tokio::test]
async fn a_stream_that_ends_in_time_ends_whole() {
    let (_stand_in, fixture) = start(Behaviour {
        event_gap: Duration::from_millis(20),
        ..Default::default()
    })
    .await;
    let client = fixture.client();
    let mut stream = client
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    stream.chunk().await.unwrap();
    fixture.drain();
    let rest = stream.rest().await.unwrap();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_stream_past_the_deadline_hears_of_it_in_its_dialect() {
    let (_stand_in, fixture) = start(endless()).await;
    let client = fixture.client();
    let mut stream = client
        .stream("/v1/chat/completions", &chat_stream())
        .await
        .unwrap();
    stream.chunk().await.unwrap();
    let begin = Instant::now();
    fixture.drain();
    let rest = stream.rest().await.unwrap();
    assert_eq!(last_event(&rest)["error"]["code"], "gateway_stopping");
    assert!(begin.elapsed() >= DRAIN);
    assert!(fixture.health()[0].last_failure.is_none());
}

#[tokio::test]
async fn so_does_a_stream_of_anthropics_dialect() {
    let stand_in = Provider::anthropic()
        .behaviour(endless())
        .start()
        .await
        .unwrap();
    let mut settings = ProxySettings::default();
    settings.connections.drain = DRAIN;
    let upstream = json!({ "targets": [anthropic_target(&stand_in, 1)] });
    let fixture = Fixture::with_settings(settings, upstream).await;
    let mut stream = fixture
        .client()
        .stream("/v1/messages", &messages(true))
        .await
        .unwrap();
    stream.chunk().await.unwrap();
    fixture.drain();
    let rest = stream.rest().await.unwrap();
    assert_eq!(last_event(&rest)["type"], "error");
}

#[tokio::test]
async fn a_request_that_waits_past_the_deadline_is_answered() {
    let (stand_in, fixture) = start(Behaviour {
        head_delay: Duration::from_secs(60),
        ..Default::default()
    })
    .await;
    let client = fixture.client();
    let asked = chat();
    let drain = async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while fixture.health()[0].in_flight == 0 {
            looks.tick().await;
        }
        fixture.drain();
    };
    let (answer, ()) = tokio::join!(client.post("/v1/chat/completions", &asked), drain);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "gateway_stopping");
    assert_eq!(answer.header("retry-after"), "1");
    drop(stand_in);
}

#[tokio::test]
async fn http2_streams_hear_of_it_too() {
    let (_stand_in, fixture) = start(endless()).await;
    let socket = TcpStream::connect(fixture.address()).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let ask = || {
        Request::post(format!("http://{}/v1/chat/completions", fixture.address()))
            .body(Full::new(Bytes::from(chat_stream().to_string())))
            .unwrap()
    };
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let answer = sender.send_request(ask()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        bodies.push(answer.into_body());
    }
    fixture.drain();
    for body in bodies {
        let whole = body.collect().await.unwrap().to_bytes();
        assert_eq!(last_event(&whole)["error"]["code"], "gateway_stopping");
    }
    // The connection ends in good order, and takes nothing more.
    driver.join_next().await.unwrap().unwrap().unwrap();
    assert!(sender.send_request(ask()).await.is_err());
}
