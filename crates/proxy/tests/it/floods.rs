//! HTTP/2 written by hand: clients that flood, and clients that do not take what they asked for.

use std::time::Duration;

use ai_gateway_proxy::ProxySettings;
use ai_gateway_testkit::{Behaviour, Provider, StandIn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::fixture::{Fixture, chat, chat_stream, closed, target};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

async fn start(change: impl FnOnce(&mut ProxySettings)) -> (StandIn, Fixture) {
    let stand_in = Provider::openai().start().await.unwrap();
    let mut settings = ProxySettings::default();
    change(&mut settings);
    let upstream = json!({ "targets": [target(&stand_in, 1)] });
    let fixture = Fixture::with_settings(settings, upstream).await;
    (stand_in, fixture)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length.to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The preface and the client's settings: a window of that size for each stream.
fn preface(window: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let [a, b, c, d] = window.to_be_bytes();
    bytes.extend(frame(SETTINGS, 0, 0, &[0, 4, a, b, c, d]));
    bytes
}

/// A chat on that stream, whole.
fn request(stream: u32, body: &str) -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    for (name, value) in [
        (":path", "/v1/chat/completions"),
        (":authority", "localhost"),
        ("content-type", "application/json"),
    ] {
        head.push(0);
        for text in [name, value] {
            head.push(u8::try_from(text.len()).unwrap());
            head.extend(text.as_bytes());
        }
    }
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &head);
    bytes.extend(frame(DATA, END_STREAM, stream, body.as_bytes()));
    bytes
}

/// The kind, flags and stream of the next frame, and its payload; `None` at the end.
async fn next(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.ok()?;
    let [a, b, c, kind, flags, id @ ..] = header;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((kind, flags, u32::from_be_bytes(id), payload))
}

/// A frame without a request, of each kind that the `h2` crate does not bound by itself.
fn control_frames() -> [(&'static str, Vec<u8>); 5] {
    [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 5])),
        ("an unknown one", frame(0x77, 0, 0, b"what?")),
    ]
}

/// Whether the connection ends while `piece` is sent again and again. What is acknowledged widens
/// the bound a little; nothing widens it to a thousand times.
async fn is_cut(stream: TcpStream, piece: &[u8]) -> bool {
    let (mut reading, mut writing) = stream.into_split();
    writing.write_all(&preface(65_535)).await.unwrap();
    let write = async {
        let mut is_taken = true;
        for _ in 0..1_000 {
            is_taken = is_taken && writing.write_all(piece).await.is_ok();
        }
        !is_taken
    };
    let read = async {
        let mut answer = [0; 4096];
        while matches!(reading.read(&mut answer).await, Ok(1..)) {}
        true
    };
    tokio::select! { is_cut = write => is_cut, is_cut = read => is_cut }
}

#[tokio::test]
async fn a_flood_of_control_frames_ends_its_own_connection_only() {
    let (_stand_in, fixture) = start(|settings| {
        settings.connections.max_control_frames = 200;
    })
    .await;
    let client = fixture.client();
    for (kinds, (name, control)) in control_frames().into_iter().enumerate() {
        let stream = TcpStream::connect(fixture.address()).await.unwrap();
        let piece = control.repeat(100);
        let flood = Box::pin(timeout(LONG, is_cut(stream, &piece)));
        let is_cut = flood.await.unwrap_or(false);
        assert!(is_cut, "a flood of {name} goes on");
        let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(
            closed(&fixture, "control_frames", kinds + 1).await,
            kinds + 1,
            "{name}"
        );
    }
}

#[tokio::test]
async fn as_many_control_frames_as_may_be_are_answered() {
    let (_stand_in, fixture) = start(|settings| {
        settings.connections.max_control_frames = 200;
    })
    .await;
    let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
    stream.write_all(&preface(65_535)).await.unwrap();
    stream
        .write_all(&frame(PING, 0, 0, &[7; 8]).repeat(150))
        .await
        .unwrap();
    stream
        .write_all(&request(1, &chat().to_string()))
        .await
        .unwrap();
    let (mut acknowledged, mut is_answered) = (0, false);
    while acknowledged < 150 || !is_answered {
        let (kind, flags, id, _) = timeout(LONG, next(&mut stream)).await.unwrap().unwrap();
        acknowledged += usize::from(kind == PING && flags & ACK != 0);
        is_answered |= kind == DATA && id == 1 && flags & END_STREAM != 0;
    }
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_reset_and_its_target_freed() {
    let (stand_in, fixture) = start(|settings| settings.connections.write_stall = SHORT).await;
    stand_in.set_behaviour(Behaviour {
        say: Some("word ".repeat(50_000)),
        ..Default::default()
    });
    let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
    let begin = Instant::now();
    stream.write_all(&preface(0)).await.unwrap();
    stream
        .write_all(&request(1, &chat_stream().to_string()))
        .await
        .unwrap();
    loop {
        let (kind, _, id, _) = timeout(LONG, next(&mut stream)).await.unwrap().unwrap();
        assert_ne!(kind, DATA, "there is no window for it");
        if kind == RST_STREAM {
            assert_eq!(id, 1);
            break;
        }
    }
    assert!(begin.elapsed() >= SHORT, "{:?}", begin.elapsed());
    assert_eq!(closed(&fixture, "write_stall", 1).await, 1);
    let target = fixture.health().remove(0);
    assert_eq!(target.in_flight, 0);
    assert!(target.last_failure.is_none());
    // The connection goes on.
    stream.write_all(&frame(PING, 0, 0, &[9; 8])).await.unwrap();
    loop {
        let (kind, flags, _, payload) = timeout(LONG, next(&mut stream)).await.unwrap().unwrap();
        if kind == PING && flags & ACK != 0 {
            assert_eq!(payload, [9; 8]);
            break;
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
