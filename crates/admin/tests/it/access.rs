//! Who may call, on the wire.

use ai_gateway_model::Secret;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::kit::{Api, Call, UPSTREAMS, Wire, seed};

#[tokio::test]
async fn probes_and_metrics_answer() {
    let api = Api::with_seed().await;
    for path in ["/livez", "/readyz", "/startupz", "/health"] {
        assert_eq!(api.get(path).await.expect(200)["status"], "ok", "{path}");
    }
    let metrics = api.get("/metrics").await;
    assert!(metrics.header("content-type").contains("openmetrics-text"));
    assert!(
        metrics.text.contains("# EOF") && metrics.text.contains("aigw_"),
        "{}",
        metrics.text
    );
    api.stop().await;
}

#[tokio::test]
async fn a_name_that_is_not_loopback_and_a_foreign_page_are_kept_out() {
    let api = Api::with_gateway().await;
    for (name, value) in [
        ("host", "rebound.example"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        for path in ["/api/v1/gateways", "/metrics", "/nothing"] {
            api.send(Call::new("GET", path).header(name, value))
                .await
                .problem(403, "forbidden");
        }
        let write = Call::new("POST", UPSTREAMS)
            .json(&seed())
            .header(name, value);
        api.send(write).await.problem(403, "forbidden");
    }
    assert_eq!(api.store.current().revision(), 1);
    api.stop().await;
}

#[tokio::test]
async fn without_a_token_a_call_names_one_host() {
    let api = Api::with_gateway().await;
    for hosts in [
        "",
        "host:\r\n",
        "host: localhost\r\nhost: localhost\r\n",
        "host: me@localhost\r\n",
        "host: localhost/api\r\n",
        "host: localh\u{f6}st\r\n",
    ] {
        let mut wire = Wire::open(&api).await;
        wire.say(&format!(
            "GET /api/v1/gateways HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"
        ))
        .await;
        wire.answer().await.problem(400, "invalid_host");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_preflight_is_not_granted() {
    let api = Api::with_gateway().await;
    let preflight = Call::new("OPTIONS", UPSTREAMS)
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST");
    let answer = api.send(preflight).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    api.stop().await;
}

#[tokio::test]
async fn with_a_token_every_call_needs_it() {
    let token = Secret::new("s3cret");
    let api = Api::start_in(tempfile::tempdir().unwrap(), Some(&token)).await;
    let gateways = "/api/v1/gateways";
    let answer = api.get(gateways).await;
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    answer.problem(401, "unauthorized");
    let wrong = Call::new("GET", gateways).header("authorization", "Bearer s3cre");
    api.send(wrong).await.problem(401, "unauthorized");
    let right = Call::new("POST", gateways)
        .header("authorization", "Bearer s3cret")
        .header("host", "gateway.internal")
        .json(&json!({ "name": "main" }));
    api.send(right).await.expect(201);
    api.get("/metrics").await.problem(401, "unauthorized");
    api.get("/nothing").await.problem(401, "unauthorized");
    api.delete(gateways).await.problem(401, "unauthorized");
    assert_eq!(api.get("/readyz").await.status, 200);
    api.stop().await;
}

#[tokio::test]
async fn every_route_but_the_probes_is_guarded_and_reached() {
    let token = Secret::new("s3cret");
    let api = Api::start_in(tempfile::tempdir().unwrap(), Some(&token)).await;
    let mut open = Vec::new();
    for (method, path) in ai_gateway_admin::routes() {
        let place = path.replace(['{', '}'], "");
        for credential in [None, Some("Bearer wrong"), Some("Basic s3cret")] {
            let mut call = Call::new(method.as_str(), &place).json(&json!({}));
            if let Some(credential) = credential {
                call = call.header("authorization", credential);
            }
            let answer = api.send(call).await;
            if credential.is_none() && answer.status == 200 {
                open.push(path);
            } else if !open.contains(&path) {
                answer.problem(401, "unauthorized");
            }
        }
        let call = Call::new(method.as_str(), &place).header("authorization", "Bearer s3cret");
        let answer = api.send(call.json(&json!({}))).await;
        let is_answered = matches!(answer.status, 200 | 404 | 422);
        assert!(
            is_answered,
            "{method} {path}: {} {}",
            answer.status, answer.text
        );
        assert!(!answer.text.contains("nothing is at"), "{method} {path}");
    }
    open.sort_unstable();
    assert_eq!(open, ["/health", "/livez", "/readyz", "/startupz"]);
    assert_eq!(api.store.current().revision(), 0);
    api.stop().await;
}

#[tokio::test]
async fn a_refused_call_is_refused_before_its_body_is_read() {
    let token = Secret::new("s3cret");
    let api = Api::start_in(tempfile::tempdir().unwrap(), Some(&token)).await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    // The body is announced and never sent.
    let head = "POST /api/v1/gateways HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    drop(stream);
    api.stop().await;
}

#[tokio::test]
async fn a_request_id_is_kept_or_made() {
    let api = Api::with_gateway().await;
    let call = Call::new("GET", "/api/v1/gateways").header("x-request-id", "abc-1");
    assert_eq!(api.send(call).await.header("x-request-id"), "abc-1");
    let call = Call::new("GET", "/api/v1/gateways").header("x-request-id", "a b");
    assert_eq!(api.send(call).await.header("x-request-id").len(), 36);
    api.stop().await;
}

#[tokio::test]
async fn stopping_closes_connections_that_rest() {
    let api = Api::with_gateway().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 1024];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    api.stop().await;
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up() {
    let api = Api::with_gateway().await;
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    let mut answer = Vec::new();
    tokio::time::pause();
    let waiting = stream.read_to_end(&mut answer);
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting)
        .await
        .unwrap()
        .unwrap();
    tokio::time::resume();
    api.stop().await;
}
