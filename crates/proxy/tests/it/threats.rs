//! What an attacker would try: credentials that travel on, targets where none may be, bodies that
//! are larger than they look.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ai_gateway_proxy::{Connections, ProxySettings, Reach};
use ai_gateway_testkit::{Provider, RawCue, RawServer, RawStep};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, chat, target};

/// Names under which clients send credentials, and what tells who or where they are.
const PRIVATE: [&str; 34] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-apikey",
    "x-goog-api-key",
    "x-goog-user-project",
    "x-amz-security-token",
    "x-amz-date",
    "x-auth-token",
    "x-access-token",
    "x-session-token",
    "x-csrf-token",
    "xi-api-key",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "x-rapidapi-key",
    "openai-organization",
    "openai-project",
    "helicone-auth",
    "x-portkey-api-key",
    "x-portkey-custom-host",
    "x-litellm-api-key",
    "cf-aig-authorization",
    "cf-access-jwt-assertion",
    "cookie",
    "cookie2",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "x-gateway-target",
    "x-original-url",
];

/// What a target may hear; it is sent by the gateway itself, or passed on.
const HEARD: [&str; 10] = [
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "openai-beta",
    "anthropic-beta",
    "anthropic-version",
    "traceparent",
    "user-agent",
];

/// A header of one of the names, spelled somehow, or of any name at all.
fn header() -> impl Strategy<Value = (String, String)> {
    let spelled = (
        prop::sample::select(&PRIVATE[..]),
        any::<u32>(),
        any::<bool>(),
    )
        .prop_map(|(name, upper, is_underscored)| {
            let letters = name.chars().enumerate().map(|(place, letter)| {
                let is_upper = upper >> (place % 32) & 1 == 1;
                let letter = if is_upper {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                };
                if is_underscored && letter == '-' {
                    '_'
                } else {
                    letter
                }
            });
            letters.collect::<String>()
        });
    let any_name = "[a-z][a-z0-9-]{0,20}".prop_filter("it frames the body", |name| {
        !matches!(
            name.as_str(),
            "host"
                | "content-length"
                | "transfer-encoding"
                | "expect"
                | "connection"
                | "content-encoding"
        )
    });
    let passed = prop::sample::select(vec!["traceparent", "openai-beta", "accept"]);
    let name = prop_oneof![4 => spelled, 2 => any_name, 1 => passed.prop_map(str::to_owned)];
    (name, "[a-z0-9]{6,12}")
}

#[test]
fn no_header_reaches_a_target_but_those_allowed_whatever_a_client_sends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stand_in, fixture) = runtime.block_on(async {
        let stand_in = Provider::openai().start().await.unwrap();
        let upstream = json!({ "targets": [target(&stand_in, 1)] });
        let fixture = Fixture::with_upstream(upstream).await;
        (stand_in, fixture)
    });
    let served = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(300));
    let headers = prop::collection::vec(header(), 0..12);
    let checked = runner.run(&headers, |headers| {
        let (status, heard) = runtime.block_on(async {
            let before = stand_in.requests().len();
            let status = send(&fixture, &headers).await;
            (status, stand_in.requests().split_off(before))
        });
        prop_assert!(matches!(status, 200 | 400), "{}", status);
        prop_assert_eq!(heard.len(), usize::from(status == 200));
        for request in heard {
            served.set(served.get() + 1);
            for name in request.headers.keys() {
                prop_assert!(HEARD.contains(&name.as_str()), "{} was passed on", name);
            }
            let head = String::from_utf8_lossy(&request.head).to_ascii_lowercase();
            for (name, value) in &headers {
                let is_passed = HEARD.contains(&name.to_ascii_lowercase().as_str());
                prop_assert!(is_passed || !head.contains(value.as_str()), "{}", head);
            }
        }
        Ok(())
    });
    checked.unwrap();
    assert!(served.get() > 50, "{} requests were served", served.get());
}

/// Sends a chat with these headers; answers the status.
async fn send(fixture: &Fixture, headers: &[(String, String)]) -> u16 {
    let body = chat().to_string();
    let mut request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(&body);
    let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.get(9..12).unwrap_or_default().parse().unwrap()
}

/// How this machine can be spelled in a URL; `PORT` stands for the port.
const LOOPBACK: [&str; 36] = [
    "http://127.0.0.1:PORT",
    "http://127.0.0.1.:PORT",
    "http://127.1:PORT",
    "http://127.0.1:PORT",
    "http://2130706433:PORT",
    "http://0x7f000001:PORT",
    "http://0X7F000001:PORT",
    "http://0x7f.0.0.1:PORT",
    "http://0x7f.1:PORT",
    "http://017700000001:PORT",
    "http://0177.0.0.1:PORT",
    "http://0177.0.0.01:PORT",
    "http://00000177.0.0.1:PORT",
    "http://127.0.0.0x1:PORT",
    "http://127.000.000.001:PORT",
    "http://127.255.255.254:PORT",
    "http://0.0.0.0:PORT",
    "http://0:PORT",
    "http://localhost:PORT",
    "http://LOCALHOST:PORT",
    "http://localhost.:PORT",
    "http://[::1]:PORT",
    "http://[0:0:0:0:0:0:0:1]:PORT",
    "http://[0000::0001]:PORT",
    "http://[::ffff:127.0.0.1]:PORT",
    "http://[::ffff:7f00:1]:PORT",
    "http://[::FFFF:7F00:0001]:PORT",
    "http://[0:0:0:0:0:ffff:7f00:1]:PORT",
    "http://[::127.0.0.1]:PORT",
    "http://[64:ff9b::127.0.0.1]:PORT",
    "http://[64:ff9b::7f00:1]:PORT",
    "http://[2002:7f00:1::]:PORT",
    "http://[::]:PORT",
    "http://%31%32%37.0.0.1:PORT",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT",
    "http://\u{2460}\u{2461}\u{2466}.0.0.1:PORT",
];

/// Spellings that look like another host than they are.
const DISGUISED: [&str; 8] = [
    "http://example.com@127.0.0.1:PORT",
    "http://user:pass@127.0.0.1:PORT",
    "http://127.0.0.1:PORT#@example.com",
    "http://127.0.0.1:PORT?@example.com",
    "http://127.0.0.1:PORT\\@example.com",
    "http://example.com\\@127.0.0.1:PORT",
    "http:\\\\127.0.0.1:PORT",
    "http:127.0.0.1:PORT",
];

/// Machines' credentials and what else no provider has, as hosts.
const NOBODYS: [&str; 24] = [
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "169.16689662",
    "169.254.43518",
    "169.254.0xa9fe",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::a9fe:a9fe]",
    "100.100.100.200",
    "192.0.0.192",
    "0.0.0.0",
    "[::]",
    "224.0.0.1",
    "255.255.255.255",
];

#[tokio::test]
async fn this_machine_is_out_of_reach_however_it_is_spelled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let reached = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reached);
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let spelled = LOOPBACK.iter().chain(&DISGUISED);
    let mut dialled = 0;
    for url in spelled.map(|url| url.replace("PORT", &port)) {
        dialled += usize::from(asked(&url, Reach::Public).await.is_some());
        assert_eq!(reached.load(Ordering::SeqCst), 0, "{url} was reached");
    }
    // The rest was refused as it was written.
    assert!(dialled > 20, "{dialled} could be written");
    // Where it may be reached, it is: the port is the right one.
    asked(&format!("http://127.1:{port}"), Reach::Private).await;
    assert_eq!(reached.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobodys_addresses_are_out_of_reach_however_they_are_spelled() {
    for host in NOBODYS {
        let status = asked(&format!("http://{host}"), Reach::Private).await;
        assert!(matches!(status, None | Some(502)), "{host}: {status:?}");
    }
}

/// Asks a target at that URL; answers the status, or `None` when no such target can be written.
async fn asked(url: &str, reach: Reach) -> Option<u16> {
    let upstream = json!({
        "name": "up", "targets": [{ "name": "t", "base_url": url }],
        "timeouts": { "connect": 2 }, "retry": { "attempts": 1 },
    });
    let connections = Connections::new().reach(reach);
    let mut fixture = Fixture::with_upstream_over(
        connections,
        json!({ "targets": [{ "name": "t", "base_url": "http://127.0.0.1:9" }] }),
    )
    .await;
    let gateway = fixture.gateway();
    fixture.try_upstream(gateway, &upstream).ok()?;
    let begin = tokio::time::Instant::now();
    let client = fixture.client();
    let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
    let took = begin.elapsed();
    // What is not dialled is refused at once, not after a timeout of the network.
    let is_at_once = took < std::time::Duration::from_millis(1_500);
    assert!(
        reach == Reach::Private && answer.status == 502 || is_at_once,
        "{url}: {took:?}"
    );
    Some(answer.status)
}

#[tokio::test]
async fn a_body_that_is_packed_is_refused_before_it_is_unpacked() {
    let stand_in = Provider::openai().start().await.unwrap();
    let fixture = Fixture::with_upstream(json!({ "targets": [target(&stand_in, 1)] })).await;
    for coding in [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "gzip, gzip",
        "x-gzip",
        "compress",
    ] {
        let client = fixture.client().header("content-encoding", coding);
        let body = Bytes::from_static(BOMB);
        let answer = client
            .send(http::Method::POST, "/v1/chat/completions", body)
            .await
            .unwrap();
        assert_eq!(answer.status, 415, "{coding}: {}", answer.text());
    }
    assert!(stand_in.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_packed_is_no_answer() {
    // Targets are asked for `identity`; one that packs all the same is not unpacked.
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        BOMB.len()
    );
    let steps = vec![RawStep::send(head), RawStep::Send(Bytes::from_static(BOMB))];
    let packed = RawServer::start(RawCue::Asked, steps).await.unwrap();
    let good = Provider::openai().name("good").start().await.unwrap();
    let upstream = json!({ "targets": [
        { "name": "packed", "base_url": format!("http://{}", packed.address()) },
        target(&good, 2),
    ] });
    let fixture = Fixture::with_upstream(upstream).await;
    let client = fixture.client();
    let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-gateway-target"), "good");
    assert_eq!(good.requests().len(), 1);
    assert!(packed.requests() >= 1);
    assert_eq!(
        good.requests().remove(0).header("accept-encoding"),
        Some("identity")
    );
}

/// The beginning of something packed. It is never unpacked, whatever it would become.
const BOMB: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0xec, 0xc1, 0x01, 0x01, 0x00, 0x00,
];

/// A chat whose messages are nested so deeply, if one can call them that.
fn nested(open: &str, close: &str, deep: usize) -> String {
    let (open, close) = (open.repeat(deep), close.repeat(deep));
    format!(r#"{{"model":"m","messages":{open}{close}}}"#)
}

#[tokio::test]
async fn json_that_is_nested_deeply_costs_no_stack() {
    let stand_in = Provider::openai().start().await.unwrap();
    let fixture = Fixture::with_upstream(json!({ "targets": [target(&stand_in, 1)] })).await;
    // It is skipped where it passes through, for the target to refuse, and refused here where it
    // would have to be read.
    let arrays = nested("[", "]", 100_000);
    let objects = nested(r#"{"a":"#, "}", 100_000).replace(r#""a":}"#, r#""a":1}"#);
    for (path, passed_on) in [("/v1/chat/completions", 1), ("/v1/messages", 0)] {
        for body in [&arrays, &objects] {
            let before = stand_in.requests().len();
            let body = Bytes::from(body.clone());
            let client = fixture.client();
            let answer = client.send(http::Method::POST, path, body).await.unwrap();
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
            assert_eq!(stand_in.requests().len() - before, passed_on, "{path}");
        }
    }
}

#[tokio::test]
async fn json_that_two_readers_read_differently_or_that_grows_is_refused() {
    let stand_in = Provider::openai().start().await.unwrap();
    let fixture = Fixture::with_settings(
        ProxySettings::default(),
        json!({ "targets": [target(&stand_in, 1)] }),
    )
    .await;
    let with = |more: &str| {
        format!(r#"{{"model":"m",{more}"messages":[{{"role":"user","content":"x"}}]}}"#)
    };
    for (name, body) in [
        ("arrays that do not end", nested("[", "", 1_000_000)),
        ("two models", with(r#""model":"other","#)),
        ("two models, one escaped", with(r#""mod\u0065l":"other","#)),
        ("two streams", with(r#""stream":true,"stream":false,"#)),
        ("NaN", with(r#""temperature":NaN,"#)),
        ("infinity", with(r#""temperature":-Infinity,"#)),
        ("a number with a leading zero", with(r#""temperature":01,"#)),
        ("a comment", with("/* hello */")),
        ("a comma too many", with(r#""a":1,,"#)),
        ("a control character", with("\"a\":\"\u{1}\",")),
        ("something behind the end", with("") + "{}"),
        ("a byte order mark", format!("\u{feff}{}", with(""))),
    ] {
        let client = fixture.client();
        let body = Bytes::from(body);
        let answer = client
            .send(http::Method::POST, "/v1/chat/completions", body)
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert_eq!(stand_in.requests().len(), 0, "{name} was passed on");
        let message = answer.json()["error"]["message"].clone();
        assert!(
            message.as_str().is_some_and(|text| text.len() < 500),
            "{name}: {message}"
        );
    }
    assert!(stand_in.requests().is_empty());
    // What is long and no trouble is served.
    let mut long: Value = chat();
    long["messages"][0]["content"] = json!("x".repeat(10 * 1024 * 1024));
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &long)
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}
