//! A server that runs out of something: file descriptors, room on the disk, readers.

use std::path::Path;
use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Client, Gateway, Provider, StandIn};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

const BINARY: &str = env!("CARGO_BIN_EXE_gateway-server");
const UPSTREAM: &str = "/api/v1/gateways/default/upstreams/up";
const SOON: Duration = Duration::from_secs(20);

/// A server behind `shell`, a few words of a shell that take something away from it.
async fn start(shell: &str, data: &Path, flags: &[&str]) -> Gateway {
    let gateway = Gateway::command(Path::new(BINARY), data);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell}; exec \"$@\""), "sh", BINARY]);
    command.args(gateway.as_std().get_args()).args(flags);
    Gateway::run(command).await.unwrap()
}

fn upstream(stand_in: &StandIn, description: &str) -> Value {
    json!({
        "name": "up", "description": description,
        "targets": [{ "name": "one", "base_url": stand_in.url() }],
    })
}

fn proxy(gateway: &Gateway) -> Client {
    Client::new(&format!("http://{}", gateway.proxy)).unwrap()
}

fn chat(is_stream: bool) -> Value {
    json!({
        "model": "m", "stream": is_stream, "messages": [{ "role": "user", "content": "hello" }],
    })
}

/// The processor's time that the process has taken, in hundredths of a second.
fn ticks(gateway: &Gateway) -> u64 {
    let id = gateway.program.id().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<u64> = fields
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    fields[11] + fields[12]
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn out_of_file_descriptors_it_waits_and_serves_what_it_has() {
    let data = TempDir::new().unwrap();
    let stand_in = Provider::openai().start().await.unwrap();
    let most = ["--max-connections=1000", "--max-connections-per-ip=1000"];
    let gateway = start("ulimit -n 90", data.path(), &most).await;
    gateway.route("up", &upstream(&stand_in, "")).await.unwrap();
    stand_in.set_behaviour(Behaviour {
        event_gap: Duration::from_millis(100),
        say: Some("word ".repeat(60)),
        ..Default::default()
    });
    let client = proxy(&gateway);
    let path = "/up/v1/chat/completions";
    let mut stream = client.stream(path, &chat(true)).await.unwrap();

    let mut crowd = Vec::new();
    for _ in 0..150 {
        crowd.push(TcpStream::connect(gateway.proxy).await.unwrap());
    }
    let patience = Instant::now() + SOON;
    while gateway.open_files() < 90 {
        assert!(Instant::now() < patience, "{} files", gateway.open_files());
        sleep(Duration::from_millis(20)).await;
    }
    let tries = |gateway: &Gateway| {
        let output = gateway.program.output();
        output.matches("connection not accepted").count()
    };
    let (before, tried) = (ticks(&gateway), tries(&gateway));
    let began = Instant::now();
    sleep(Duration::from_secs(2)).await;
    let (spent, tried) = (ticks(&gateway) - before, tries(&gateway) - tried);
    let waits = began.elapsed().as_millis() / 100;
    assert!(tried > 0 && tried as u128 <= waits + 2, "{tried} tries");
    assert!(spent < 20, "{spent} hundredths of a second in two seconds");
    let rest = stream.rest().await.unwrap();
    assert!(rest.ends_with(b"data: [DONE]\n\n"));

    drop(crowd);
    stand_in.set_behaviour(Behaviour::default());
    let answer = client.post(path, &chat(false)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_disk_without_room_refuses_changes_and_no_request() {
    let data = TempDir::new().unwrap();
    let stand_in = Provider::openai().start().await.unwrap();
    // Files may grow to so many blocks of 512 bytes; a write beyond fails, as on a full disk.
    let mut gateway = start("trap '' XFSZ; ulimit -f 1000", data.path(), &[]).await;
    gateway
        .route("up", &upstream(&stand_in, "0"))
        .await
        .unwrap();
    let client = proxy(&gateway);
    let mut acknowledged = 0;
    let refused = loop {
        let next = acknowledged + 1;
        let document = upstream(&stand_in, &format!("{next} {}", "x".repeat(900)));
        let body = document.to_string().into();
        let put = gateway.admin.send(Method::PUT, UPSTREAM, body).await;
        let put = put.unwrap();
        let answer = client.post("/up/v1/chat/completions", &chat(false)).await;
        assert_eq!(answer.unwrap().status, 200, "after write {next}");
        if put.status != 200 {
            break put;
        }
        acknowledged = next;
        assert!(next < 2_000, "the disk does not fill");
    };
    assert!(acknowledged > 5, "{acknowledged}: {}", refused.text());
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.json()["code"], "store_unavailable");
    assert!(
        refused.text().contains("nothing was changed"),
        "{}",
        refused.text()
    );
    let is_last = |shown: Value| {
        let shown = shown["description"].as_str().unwrap_or_default().to_owned();
        assert!(
            shown.starts_with(&format!("{acknowledged} ")),
            "{shown:.20}"
        );
    };
    is_last(gateway.admin.get(UPSTREAM).await.unwrap().json());
    gateway.program.kill().await.unwrap();

    let gateway = start("true", data.path(), &[]).await;
    is_last(gateway.admin.get(UPSTREAM).await.unwrap().json());
    let document = upstream(&stand_in, "there is room again")
        .to_string()
        .into();
    let put = gateway.admin.send(Method::PUT, UPSTREAM, document).await;
    assert_eq!(put.unwrap().status, 200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stream_whose_window_is_shut_costs_little() {
    let data = TempDir::new().unwrap();
    let stand_in = Provider::openai().start().await.unwrap();
    stand_in.set_behaviour(Behaviour {
        say: Some("word ".repeat(800)),
        ..Default::default()
    });
    let gateway = start("true", data.path(), &["--log=warn"]).await;
    gateway.route("up", &upstream(&stand_in, "")).await.unwrap();
    for _ in 0..5 {
        let whole = proxy(&gateway)
            .post("/up/v1/chat/completions", &chat(true))
            .await;
        assert_eq!(whole.unwrap().status, 200);
    }
    let before = gateway.memory_kib();
    let mut stuck = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(gateway.proxy).await.unwrap();
        let requests = http2_requests(STREAMS, &chat(true).to_string());
        stream.write_all(&requests).await.unwrap();
        stuck.push(stream);
    }
    let under_way = "aigw_requests_inflight";
    let patience = Instant::now() + SOON;
    let all = CONNECTIONS * STREAMS;
    while gateway.metric(under_way).await.unwrap() != Some(f64::from(all)) {
        assert!(Instant::now() < patience, "not all are under way");
        sleep(Duration::from_millis(50)).await;
    }
    // Until what flows has come to rest.
    sleep(Duration::from_secs(1)).await;
    let each = gateway.memory_kib().saturating_sub(before) / u64::from(all);
    assert!(each <= 64, "{each} KiB a stream");
    drop(stuck);
    while gateway.metric(under_way).await.unwrap() != Some(0.0) {
        assert!(Instant::now() < patience + SOON, "they are not given up");
        sleep(Duration::from_millis(50)).await;
    }
}

const CONNECTIONS: u32 = 5;
const STREAMS: u32 = 20;

/// A preface whose settings leave every window shut, and so many requests.
fn http2_requests(streams: u32, body: &str) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let [_, length @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        bytes.extend(length);
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
    };
    frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let mut head = vec![0x83, 0x86];
    for (name, value) in [
        (":path", "/up/v1/chat/completions"),
        (":authority", "localhost"),
    ] {
        head.push(0);
        for text in [name, value] {
            head.push(u8::try_from(text.len()).unwrap());
            head.extend(text.as_bytes());
        }
    }
    for stream in 0..streams {
        frame(1, 4, 2 * stream + 1, &head);
        frame(0, 1, 2 * stream + 1, body.as_bytes());
    }
    bytes
}
