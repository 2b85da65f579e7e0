//! What a caller must show and send, what travels on, and what a refusal says.

use ai_gateway_model::Kind;
use ai_gateway_proxy::{BodyLimits, ProxySettings};
use ai_gateway_testkit::{Behaviour, Provider};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::fixture::{Fixture, chat, messages, target};

/// A gateway that needs a key, with one upstream and the key `secret`.
async fn keyed(key: Value) -> (ai_gateway_testkit::StandIn, Fixture, Uuid) {
    let stand_in = Provider::openai().start().await.unwrap();
    let mut fixture = Fixture::start(ProxySettings::default()).await;
    let gateway = fixture.put(Kind::Gateway, None, &json!({ "name": "gw" }));
    let upstream = json!({ "name": "up", "targets": [target(&stand_in, 1)] });
    fixture.put(Kind::Upstream, Some(gateway), &upstream);
    let mut written = key;
    written["name"] = json!("app");
    fixture.put_key(gateway, &written, "secret");
    (stand_in, fixture, gateway)
}

#[tokio::test]
async fn a_key_is_taken_in_each_clients_way() {
    let (_stand_in, fixture, _) = keyed(json!({})).await;
    for (name, value) in [
        ("authorization", "Bearer secret"),
        ("authorization", "bearer secret"),
        ("x-api-key", "secret"),
        ("x-goog-api-key", "secret"),
    ] {
        let client = fixture.client().header(name, value);
        let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
        assert_eq!(answer.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_missing_wrong_or_expired_key_is_refused_in_the_clients_dialect() {
    let (stand_in, fixture, _) = keyed(json!({ "expires_at": "2020-01-01T00:00:00Z" })).await;
    for key in [None, Some("wrong"), Some("secret")] {
        let mut client = fixture.client();
        if let Some(key) = key {
            client = client.header("x-api-key", key);
        }
        let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
        assert!(!answer.text().contains("wrong") && !answer.text().contains("secret"));
        let answer = client.post("/v1/messages", &messages(false)).await.unwrap();
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
    }
    assert_eq!(stand_in.requests().len(), 0);
}

#[tokio::test]
async fn no_header_of_the_client_reaches_a_target_but_those_allowed() {
    let (stand_in, fixture, _) = keyed(json!({})).await;
    let mut client = fixture.client().header("x-api-key", "secret");
    let private = [
        ("authorization", "Bearer secret"),
        ("api-key", "k"),
        ("x-goog-api-key", "k"),
        ("openai-organization", "org"),
        ("cookie", "c=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("proxy-authorization", "Basic x"),
        ("x-anything", "1"),
        ("te", "trailers"),
    ];
    for (name, value) in private {
        client = client.header(name, value);
    }
    client = client
        .header("traceparent", "00-1-2-01")
        .header("openai-beta", "x=v1");
    client.post("/v1/chat/completions", &chat()).await.unwrap();
    let request = stand_in.requests().remove(0);
    let mut names: Vec<&str> = request
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept-encoding",
            "content-length",
            "content-type",
            "host",
            "openai-beta",
            "traceparent",
            "user-agent",
        ]
    );
}

#[tokio::test]
async fn the_targets_own_credential_is_the_only_one_sent() {
    let stand_in = Provider::openai().key("sk-target").start().await.unwrap();
    let mut with_credentials = target(&stand_in, 1);
    with_credentials["credentials"] =
        json!({ "header_name": "Authorization", "header_value": "Bearer sk-target" });
    let fixture = Fixture::with_upstream(json!({ "targets": [with_credentials] })).await;
    let client = fixture
        .client()
        .header("authorization", "Bearer of-the-client");
    let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        stand_in.requests().remove(0).header("authorization"),
        Some("Bearer sk-target")
    );
}

#[tokio::test]
async fn the_body_passes_through_untouched_but_for_the_model() {
    let stand_in = Provider::openai().start().await.unwrap();
    let mut mapped = target(&stand_in, 1);
    mapped["models"] = json!(["nick"]);
    mapped["model_map"] = json!({ "nick": "gpt-4o" });
    let fixture = Fixture::with_upstream(json!({ "targets": [mapped] })).await;
    let body = "{ \"beta\":[1.50, {\"é\":null}],\"model\" :\"nick\",\n\t\"messages\":[{\"role\":\
                \"user\",\"content\":\"\\u00e9\"}] }";
    let answer = fixture
        .client()
        .send(
            http::Method::POST,
            "/v1/chat/completions",
            bytes::Bytes::from(body),
        )
        .await
        .unwrap();
    assert_eq!(answer.header("x-gateway-model"), "gpt-4o");
    assert_eq!(
        answer.header("x-gateway-model-substituted"),
        "nick; served=gpt-4o"
    );
    let received = stand_in.requests().remove(0);
    assert_eq!(
        String::from_utf8_lossy(&received.body),
        body.replace("nick", "gpt-4o")
    );
}

#[tokio::test]
async fn a_body_that_is_not_what_it_should_be_says_so() {
    let (stand_in, fixture, _) = keyed(json!({})).await;
    let client = fixture.client().header("x-api-key", "secret");
    for (body, code) in [
        ("{\"model\": ", "invalid_json"),
        ("[1]", "invalid_json"),
        ("", "invalid_json"),
        ("{\"model\": 5}", "invalid_field"),
        ("{\"model\": \"a\", \"model\": \"b\"}", "invalid_field"),
    ] {
        let body = bytes::Bytes::from(body.to_owned());
        let answer = client
            .send(http::Method::POST, "/v1/chat/completions", body)
            .await
            .unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["code"], code, "{}", answer.text());
    }
    assert_eq!(stand_in.requests().len(), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let bodies = BodyLimits {
        request_bytes: 100,
        ..BodyLimits::default()
    };
    let mut fixture = Fixture::start(ProxySettings {
        bodies,
        ..Default::default()
    })
    .await;
    let stand_in = Provider::openai().start().await.unwrap();
    let gateway = fixture.put(
        Kind::Gateway,
        None,
        &json!({ "name": "gw", "require_key": false }),
    );
    let upstream = json!({ "name": "up", "targets": [target(&stand_in, 1)] });
    fixture.put(Kind::Upstream, Some(gateway), &upstream);
    let answer = raw(
        &fixture,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 101\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request_too_large"), "{answer}");
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n65\r\n{}\r\n",
        "x".repeat(101)
    );
    assert!(raw(&fixture, &chunked).await.starts_with("HTTP/1.1 413"));
}

/// Sends `request` as it is and reads until the proxy closes or has answered.
async fn raw(fixture: &Fixture, request: &str) -> String {
    let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let (stand_in, fixture, _) = keyed(json!({})).await;
    for (request, status) in [
        ("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n", 200),
        ("GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n", 200),
        ("POST /v1/../admin HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("POST /v1/x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("POST /v1/x HTTP/1.1\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", 405),
        (
            "POST /v1/x HTTP/1.1\r\nhost: a\r\ncontent-encoding: gzip\r\n\r\n",
            415,
        ),
        (
            "POST /v1/x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            400,
        ),
    ] {
        let answer = raw(&fixture, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {answer}"
        );
    }
    assert_eq!(stand_in.requests().len(), 0);
}

#[tokio::test]
async fn limits_of_a_key_are_kept() {
    let (stand_in, fixture, _) = keyed(json!({ "limits": { "requests_per_minute": 2 } })).await;
    let client = fixture.client().header("x-api-key", "secret");
    for _ in 0..2 {
        let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((25..=30).contains(&wait), "{wait}");
    assert_eq!(stand_in.requests().len(), 2);
}

#[tokio::test]
async fn token_limits_stop_the_request_after_the_one_that_used_them_up() {
    let (stand_in, fixture, _) = keyed(json!({ "limits": { "tokens_per_minute": 5 } })).await;
    stand_in.set_behaviour(Behaviour {
        say: Some("one two three four".into()),
        ..Default::default()
    });
    let client = fixture.client().header("x-api-key", "secret");
    assert_eq!(
        client
            .post("/v1/chat/completions", &chat())
            .await
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        client
            .post("/v1/chat/completions", &chat())
            .await
            .unwrap()
            .status,
        429
    );
}
