//! Which gateway, rule, service, upstream and model a request gets.

use ai_gateway_model::Kind;
use ai_gateway_providers::Catalogue;
use ai_gateway_proxy::ProxySettings;
use ai_gateway_testkit::{Provider, StandIn};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, anthropic_target, chat, messages, target};

async fn stand_in(name: &str) -> StandIn {
    Provider::openai().name(name).start().await.unwrap()
}

/// Two gateways, `a` and `b`, each with an upstream over a stand-in of its name; no key needed.
async fn two_gateways() -> (Fixture, [StandIn; 2], [Uuid; 2]) {
    let settings = ProxySettings {
        base_domain: "ai.test".into(),
        ..Default::default()
    };
    let mut fixture = Fixture::start(settings).await;
    let stand_ins = [stand_in("a").await, stand_in("b").await];
    let mut ids = Vec::new();
    for stand_in in &stand_ins {
        let name = stand_in.name();
        let written =
            json!({ "name": name, "require_key": false, "hosts": [format!("{name}.host")] });
        let gateway = fixture.put(Kind::Gateway, None, &written);
        let upstream = json!({ "name": "up", "targets": [target(stand_in, 1)] });
        fixture.put(Kind::Upstream, Some(gateway), &upstream);
        ids.push(gateway);
    }
    (fixture, stand_ins, ids.try_into().unwrap())
}

#[tokio::test]
async fn a_gateway_is_found_by_host_then_by_key() {
    let (mut fixture, _stand_ins, [_, b]) = two_gateways().await;
    fixture.put_key(b, &json!({ "name": "app" }), "key-of-b");
    let served_by = |host: &'static str, key: &'static str| {
        let client = fixture
            .client()
            .header("host", host)
            .header("x-api-key", key);
        async move {
            let answer = client.post("/v1/chat/completions", &chat()).await.unwrap();
            (answer.status, answer.header("x-gateway-target").to_owned())
        }
    };
    let ok = |name: &str| (200, name.to_owned());
    assert_eq!(served_by("a.host:80", "none").await, ok("a"));
    assert_eq!(served_by("B.ai.test", "none").await, ok("b"));
    assert_eq!(served_by("else.where", "key-of-b").await, ok("b"));
    assert_eq!(
        served_by("else.where", "none").await.0,
        404,
        "two gateways, none the default"
    );
}

#[tokio::test]
async fn rules_lead_to_services_and_unmatched_paths_nowhere() {
    let (mut fixture, _stand_ins, [a, _]) = two_gateways().await;
    let other = stand_in("other").await;
    fixture.put(
        Kind::Service,
        Some(a),
        &json!({ "name": "up", "type": "upstream", "upstream": "up" }),
    );
    let mut endpoint = target(&other, 1);
    endpoint.as_object_mut().unwrap().remove("priority");
    fixture.put(
        Kind::Service,
        Some(a),
        &json!({ "name": "one", "type": "endpoint", "target": endpoint }),
    );
    let rule = |path: &str, service: &str| json!({ "name": path.replace(['/', '*'], "-"), "path": path, "service": service });
    fixture.put(Kind::Rule, Some(a), &rule("/v1/*", "up"));
    let mut team = rule("/team/*", "one");
    team["strip_path"] = json!(true);
    fixture.put(Kind::Rule, Some(a), &team);
    let client = fixture.client().header("host", "a.host");
    let post = |path: &'static str| {
        let client = &client;
        async move { client.post(path, &chat()).await.unwrap() }
    };
    assert_eq!(
        post("/v1/chat/completions")
            .await
            .header("x-gateway-target"),
        "a"
    );
    assert_eq!(
        post("/team/v1/chat/completions")
            .await
            .header("x-gateway-target"),
        "other"
    );
    assert_eq!(other.requests().remove(0).target, "/v1/chat/completions");
    let nowhere = post("/elsewhere").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.json()["error"]["code"], "route_not_found");
}

#[tokio::test]
async fn a_key_opens_only_its_rules_and_a_public_rule_needs_none() {
    let stand_in = stand_in("only").await;
    let mut fixture = Fixture::start(ProxySettings::default()).await;
    let gateway = fixture.put(Kind::Gateway, None, &json!({ "name": "gw" }));
    let upstream = json!({ "name": "up", "targets": [target(&stand_in, 1)] });
    fixture.put(Kind::Upstream, Some(gateway), &upstream);
    let service = json!({ "name": "s", "type": "upstream", "upstream": "up" });
    fixture.put(Kind::Service, Some(gateway), &service);
    let rule = |name: &str, path: &str, public: bool| json!({ "name": name, "path": path, "service": "s", "public": public });
    fixture.put(
        Kind::Rule,
        Some(gateway),
        &rule("chat", "/v1/chat/completions", false),
    );
    fixture.put(
        Kind::Rule,
        Some(gateway),
        &rule("embed", "/v1/embeddings", false),
    );
    fixture.put(
        Kind::Rule,
        Some(gateway),
        &rule("open", "/v1/completions", true),
    );
    fixture.put_key(
        gateway,
        &json!({ "name": "app", "rules": ["chat"] }),
        "secret",
    );
    let client = fixture.client().header("x-api-key", "secret");
    let status = |path: &'static str| {
        let client = &client;
        async move { client.post(path, &chat()).await.unwrap().status }
    };
    assert_eq!(status("/v1/chat/completions").await, 200);
    assert_eq!(status("/v1/embeddings").await, 403);
    let without = fixture
        .client()
        .post("/v1/completions", &chat())
        .await
        .unwrap();
    assert_ne!(without.status, 401);
    let without = fixture
        .client()
        .post("/v1/chat/completions", &chat())
        .await
        .unwrap();
    assert_eq!(without.status, 401);
}

/// Two targets with a model each, as in the guide.
async fn guide(more: Value) -> (StandIn, StandIn, Fixture) {
    let (openai, anthropic) = (
        stand_in("openai").await,
        Provider::anthropic().start().await.unwrap(),
    );
    let mut first = target(&openai, 1);
    first["models"] = json!(["gpt-4", "gpt-4o-mini"]);
    first["default_model"] = json!("gpt-4o-mini");
    let mut second = anthropic_target(&anthropic, 1);
    second["models"] = json!(["claude-3-5-sonnet-20241022"]);
    second["default_model"] = json!("claude-3-5-sonnet-20241022");
    let mut upstream = json!({ "targets": [first, second] });
    upstream
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    (openai, anthropic, Fixture::with_upstream(upstream).await)
}

fn ask(model: Option<&str>) -> Value {
    let mut chat = chat();
    match model {
        Some(model) => chat["model"] = json!(model),
        None => {
            chat.as_object_mut().unwrap().remove("model");
        }
    }
    chat
}

#[tokio::test]
async fn a_model_asked_for_by_name_goes_to_who_lists_it() {
    let (_openai, _anthropic, fixture) = guide(json!({})).await;
    for (model, target) in [
        ("gpt-4", "openai"),
        ("claude-3-5-sonnet-20241022", "anthropic"),
    ] {
        for _ in 0..3 {
            let answer = fixture
                .client()
                .post("/v1/chat/completions", &ask(Some(model)))
                .await
                .unwrap();
            assert_eq!(answer.header("x-gateway-target"), target);
            assert_eq!(answer.header("x-gateway-model"), model);
            assert_eq!(answer.header("x-gateway-model-substituted"), "");
        }
    }
}

#[tokio::test]
async fn without_a_model_each_target_serves_its_default_in_turn() {
    let (openai, anthropic, fixture) = guide(json!({})).await;
    for _ in 0..10 {
        let answer = fixture
            .client()
            .post("/v1/chat/completions", &ask(None))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(
        (openai.requests().len(), anthropic.requests().len()),
        (5, 5)
    );
    assert_eq!(openai.requests().remove(0).json()["model"], "gpt-4o-mini");
}

#[tokio::test]
async fn a_default_takes_the_place_of_a_model_nobody_can_serve_and_says_so() {
    let (openai, _anthropic, fixture) = guide(json!({})).await;
    openai.stop().await;
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &ask(Some("gpt-4")))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-gateway-attempts"), "3", "once more first");
    assert_eq!(
        answer.header("x-gateway-model-substituted"),
        "gpt-4; served=claude-3-5-sonnet-20241022"
    );
}

#[tokio::test]
async fn with_fallback_off_an_unknown_model_is_not_found() {
    let (openai, _anthropic, fixture) = guide(json!({ "model_fallback": "reject" })).await;
    let answer = fixture
        .client()
        .post("/v1/chat/completions", &ask(Some("gpt-9")))
        .await
        .unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["code"], "model_not_found");
    assert!(answer.text().contains("gpt-9"));
    assert_eq!(openai.requests().len(), 0);
}

#[tokio::test]
async fn models_lists_what_the_caller_may_use_in_its_dialect() {
    let (_openai, _anthropic, fixture) = guide(json!({})).await;
    let ids = |answer: Value| -> Vec<String> {
        let data = answer["data"].as_array().unwrap().clone();
        data.iter()
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let openai = fixture.client().get("/v1/models").await.unwrap();
    let all = ["claude-3-5-sonnet-20241022", "gpt-4", "gpt-4o-mini"];
    assert_eq!(openai.json()["object"], "list");
    assert_eq!(ids(openai.json()), all);
    let client = fixture.client().header("anthropic-version", "2023-06-01");
    let anthropic = client.get("/v1/models").await.unwrap();
    assert_eq!(anthropic.json()["has_more"], false);
    assert_eq!(ids(anthropic.json()), all);
}

#[tokio::test]
async fn one_model_is_told_in_the_caller_s_dialect_or_not_found_in_it() {
    let openai = stand_in("openai").await;
    let target = json!({ "provider": "openai", "base_url": openai.url(), "models": ["gpt-4"] });
    let fixture = Fixture::with_upstream(json!({ "targets": [target] })).await;
    let anthropic = || fixture.client().header("anthropic-version", "2023-06-01");
    let one = fixture.client().get("/v1/models/gpt-4").await.unwrap();
    assert_eq!(
        (one.status, one.json()["object"].as_str()),
        (200, Some("model"))
    );
    let one = anthropic().get("/v1/models/gpt-4").await.unwrap().json();
    assert_eq!(
        (&one["type"], &one["id"]),
        (&json!("model"), &json!("gpt-4"))
    );
    let one = fixture.client().get("/v1beta/models/gpt-4").await.unwrap();
    assert_eq!(one.json()["name"], "models/gpt-4");
    assert_eq!(one.json()["inputTokenLimit"], 8192);
    assert!(one.json()["outputTokenLimit"].is_u64());
    let google = fixture.client().header("x-goog-api-key", "any");
    let one = google.get("/v1/models/gpt-4").await.unwrap();
    assert_eq!(one.json()["name"], "models/gpt-4");

    let none = fixture.client().get("/v1/models/none").await.unwrap();
    assert_eq!(none.status, 404);
    assert_eq!(none.json()["error"]["code"], "model_not_found");
    let none = anthropic().get("/v1/models/none").await.unwrap();
    assert_eq!(none.status, 404);
    assert_eq!(none.json()["error"]["type"], "not_found_error");
    let none = fixture.client().get("/v1beta/models/none").await.unwrap();
    assert_eq!(none.status, 404);
    assert_eq!(none.json()["error"]["status"], "NOT_FOUND");
    assert!(openai.requests().is_empty());
}

#[tokio::test]
async fn a_path_that_is_not_understood_passes_through_to_its_dialect() {
    let stand_in = stand_in("openai").await;
    let fixture = Fixture::with_upstream(json!({ "targets": [target(&stand_in, 1)] })).await;
    let body = json!({ "model": "text-embedding-3-small", "input": "hello" });
    let answer = fixture
        .client()
        .post("/v1/embeddings?x=1", &body)
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["object"], "embedding");
    assert_eq!(stand_in.requests().remove(0).target, "/v1/embeddings?x=1");
}

#[tokio::test]
async fn clients_of_other_dialects_reach_the_same_targets() {
    let (openai, anthropic) = (
        stand_in("openai").await,
        Provider::anthropic().start().await.unwrap(),
    );
    for target in [target(&openai, 1), anthropic_target(&anthropic, 1)] {
        let fixture = Fixture::with_upstream(json!({ "targets": [target] })).await;
        let google = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }] });
        let client = fixture.client();
        let answer = client
            .post("/v1beta/models/m:generateContent", &google)
            .await
            .unwrap();
        let text = &answer.json()["candidates"][0]["content"]["parts"][0]["text"];
        assert!(
            text.as_str()
                .is_some_and(|text| text.contains("You said: hello")),
            "{}",
            answer.text()
        );
        assert_eq!(answer.header("x-gateway-model"), "m");
        let path = "/v1beta/models/m:streamGenerateContent?alt=sse";
        let mut stream = client.stream(path, &google).await.unwrap();
        let events = String::from_utf8(stream.rest().await.unwrap().to_vec()).unwrap();
        assert!(events.contains("\"finishReason\":\"STOP\""), "{events}");
        let asked = json!({ "model": "m", "input": "hello" });
        let answer = client.post("/v1/responses", &asked).await.unwrap();
        assert_eq!(answer.json()["status"], "completed", "{}", answer.text());
    }
}

#[tokio::test]
async fn without_a_key_only_the_models_of_public_rules_are_listed() {
    let stand_in = stand_in("only").await;
    let mut fixture = Fixture::start(ProxySettings::default()).await;
    let gateway = fixture.put(Kind::Gateway, None, &json!({ "name": "gw" }));
    for (name, public) in [("open", true), ("closed", false)] {
        let mut listed = target(&stand_in, 1);
        listed["models"] = json!([name]);
        let upstream = json!({ "name": name, "targets": [listed] });
        fixture.put(Kind::Upstream, Some(gateway), &upstream);
        let service = json!({ "name": name, "type": "upstream", "upstream": name });
        fixture.put(Kind::Service, Some(gateway), &service);
        let path = format!("/{name}/*");
        let rule = json!({ "name": name, "path": path, "service": name, "public": public });
        fixture.put(Kind::Rule, Some(gateway), &rule);
    }
    fixture.put_key(gateway, &json!({ "name": "app" }), "secret");
    let listed = |answer: Value| {
        let data = answer["data"].as_array().unwrap().clone();
        data.iter()
            .map(|model| model["id"].to_string())
            .collect::<Vec<_>>()
    };
    let client = fixture.client();
    assert_eq!(
        listed(client.get("/v1/models").await.unwrap().json()),
        ["\"open\""]
    );
    let client = fixture.client().header("x-api-key", "secret");
    let all = listed(client.get("/v1/models").await.unwrap().json());
    assert_eq!(all, ["\"closed\"", "\"open\""]);
}

#[tokio::test]
async fn the_lowest_cost_is_that_of_the_catalogue() {
    let (dear, cheap, unknown) = (
        stand_in("dear").await,
        stand_in("cheap").await,
        stand_in("unknown").await,
    );
    let of = |stand_in: &StandIn, name: &str| {
        let mut target = target(stand_in, 1);
        target["provider"] = json!("openai");
        target["path"] = json!("/v1/chat/completions");
        target["models"] = json!(["m"]);
        target["model_map"] = json!({ "m": name });
        target
    };
    let targets = json!([
        of(&dear, "gpt-4o"),
        of(&cheap, "gpt-4o-mini-2024-07-18"),
        of(&unknown, "gpt-0"),
    ]);
    let upstream = json!({ "algorithm": "lowest-cost", "targets": targets });
    let fixture = Fixture::with_upstream(upstream).await;
    for _ in 0..8 {
        let answer = fixture.client().post("/v1/chat/completions", &chat()).await;
        assert_eq!(answer.unwrap().header("x-gateway-target"), "cheap");
    }
}

#[tokio::test]
async fn the_lowest_cost_is_that_of_the_model_asked_for_and_the_operator_s_price_counts() {
    let (one, other) = (stand_in("one").await, stand_in("other").await);
    let of = |stand_in: &StandIn, big: &str, small: &str| {
        let mut target = target(stand_in, 1);
        target["provider"] = json!("openai");
        target["path"] = json!("/v1/chat/completions");
        target["models"] = json!(["big", "small"]);
        target["model_map"] = json!({ "big": big, "small": small });
        target
    };
    let targets = json!([
        of(&one, "gpt-4o", "gpt-4o-mini"),
        of(&other, "gpt-4.1", "gpt-4.1-mini"),
    ]);
    let upstream = json!({ "algorithm": "lowest-cost", "targets": targets });
    let builtin = Catalogue::builtin().clone();
    let discounted = r#"{"models":[{"provider":"openai","id":"gpt-4o","usd_per_million_tokens":{"input":1,"output":1}}]}"#;
    let own = builtin.clone().overlaid(discounted).unwrap();
    for (catalogue, big) in [(builtin, "other"), (own, "one")] {
        let fixture = Fixture::with_catalogue(catalogue, upstream.clone()).await;
        for _ in 0..4 {
            for (model, cheapest) in [("big", big), ("small", "one")] {
                let mut body = chat();
                body["model"] = json!(model);
                let answer = fixture.client().post("/v1/chat/completions", &body).await;
                assert_eq!(answer.unwrap().header("x-gateway-target"), cheapest);
            }
        }
    }
}

#[tokio::test]
async fn tokens_are_estimated_where_no_target_counts_them_and_said_to_be() {
    let stand_in = stand_in("only").await;
    let fixture = Fixture::with_upstream(json!({ "targets": [target(&stand_in, 1)] })).await;
    let (path, body) = ("/v1/messages/count_tokens", messages(false));
    let answer = fixture.client().post(path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-gateway-estimated"), "input_tokens");
    assert!(answer.json()["input_tokens"].as_u64().unwrap() > 0);
    assert!(stand_in.requests().is_empty());

    let counting = Provider::anthropic()
        .name("counting")
        .start()
        .await
        .unwrap();
    let targets = json!([target(&stand_in, 1), anthropic_target(&counting, 2)]);
    let fixture = Fixture::with_upstream(json!({ "targets": targets })).await;
    let answer = fixture.client().post(path, &body).await.unwrap();
    assert_eq!(answer.header("x-gateway-target"), "counting");
    assert_eq!(answer.header("x-gateway-estimated"), "");
}

#[tokio::test]
async fn google_s_clients_find_models_where_they_look_for_them() {
    let stand_in = stand_in("only").await;
    let mut listed = target(&stand_in, 1);
    listed["models"] = json!(["m"]);
    let fixture = Fixture::with_upstream(json!({ "targets": [listed] })).await;
    let answer = fixture.client().get("/v1beta/models").await.unwrap();
    assert_eq!(
        answer.json()["models"][0]["name"],
        "models/m",
        "{}",
        answer.text()
    );
}
