//! Secrets go in and never come out.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::kit::{Api, SEED, UPSTREAMS, seed};

const CANARY: &str = "canary-7f3a";

/// Every path that could show an upstream, a service or a key.
const PLACES: [&str; 8] = [
    "/api/v1/gateways",
    "/api/v1/gateways/main/upstreams",
    "/api/v1/gateways/main/upstreams/u",
    "/api/v1/gateways/main/upstreams/u/targets",
    "/api/v1/gateways/main/upstreams/u/targets/openai-0",
    "/api/v1/gateways/main/upstreams/u/health",
    "/api/v1/gateways/main/services",
    "/metrics",
];

fn upstream(value: &str) -> Value {
    json!({ "name": "u", "targets": [{
        "provider": "openai",
        "credentials": { "header_name": "Authorization", "header_value": value },
    }]})
}

#[tokio::test]
async fn no_answer_shows_a_secret() {
    let api = Api::with_gateway().await;
    let created = api.post(UPSTREAMS, &upstream(CANARY)).await;
    assert!(!created.text.contains(CANARY));
    let endpoint = json!({ "name": "e", "type": "endpoint", "target": {
        "host": "h",
        "credentials": { "param_name": "key", "param_value": CANARY, "param_location": "query" },
    }});
    let created = api.post("/api/v1/gateways/main/services", &endpoint).await;
    assert!(!created.text.contains(CANARY));
    for place in PLACES {
        let answer = api.get(place).await;
        assert_eq!(answer.status, 200, "{place}");
        assert!(!answer.text.contains(CANARY), "{place}");
    }
    let mut bad = upstream(CANARY);
    bad["algorithm"] = json!("X");
    let refused = api.post(UPSTREAMS, &bad).await;
    assert!(!refused.text.contains(CANARY) && refused.status == 422);
    let broken = upstream(&format!("{CANARY}\r\nx: y"));
    let refused = api.post(UPSTREAMS, &broken).await;
    assert!(!refused.text.contains(CANARY) && refused.status == 422);
    let folder = api.stop().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        let is_there = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!is_there, "{}", path.display());
    }
}

#[tokio::test]
async fn a_key_is_shown_once() {
    let api = Api::with_gateway().await;
    let keys = "/api/v1/gateways/main/keys";
    let created = api.post(keys, &json!({ "name": "k" })).await.expect(201);
    let key = created["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), "aigw_".len() + 43);
    let other = api.post(keys, &json!({ "name": "k2" })).await.expect(201);
    assert_ne!(other["key"], created["key"]);
    for path in [keys.to_owned(), format!("{keys}/k")] {
        assert!(!api.get(&path).await.text.contains(&key));
    }
    let shown = api.get(&format!("{keys}/k")).await.expect(200);
    let patched = api
        .patch(&format!("{keys}/k"), &json!({ "description": "d" }))
        .await
        .expect(200);
    assert_eq!(shown["fingerprint"], patched["fingerprint"]);
    let hash = ai_gateway_model::KeyHash::of(&key);
    let configuration = api.store.current();
    assert_eq!(&**configuration.key_by_hash(hash).unwrap().1.name(), "k");
    assert_eq!(shown["fingerprint"], hash.fingerprint());
    api.stop().await;
}

/// Reads what the store has as the first target's secret.
fn stored(api: &Api) -> String {
    let configuration = api.store.current();
    let gateway = configuration.gateway("main").unwrap().id();
    let id = configuration.upstream(gateway, "u").unwrap().id();
    let record = configuration
        .record(ai_gateway_model::Kind::Upstream, id)
        .unwrap();
    let mut secrets = record.secrets.values();
    secrets
        .next()
        .map(|secret| secret.expose().to_owned())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_mask_keeps_the_secret_and_a_new_value_replaces_it() {
    let api = Api::with_gateway().await;
    let path = format!("{UPSTREAMS}/u");
    api.post(UPSTREAMS, &upstream("one")).await.expect(201);
    api.put(&path, &upstream("***")).await.expect(200);
    assert_eq!(stored(&api), "one");
    api.patch(&path, &json!({ "description": "d" }))
        .await
        .expect(200);
    assert_eq!(stored(&api), "one");
    api.put(&path, &upstream("two")).await.expect(200);
    assert_eq!(stored(&api), "two");
    api.post(&format!("{path}/targets/openai-0/disable"), &json!({}))
        .await
        .expect(200);
    assert_eq!(stored(&api), "two");
    api.stop().await;
}

#[tokio::test]
async fn a_mask_does_not_send_the_secret_to_another_host() {
    let api = Api::with_gateway().await;
    let path = format!("{UPSTREAMS}/u");
    api.post(UPSTREAMS, &upstream("one")).await.expect(201);
    let target = format!("{path}/targets/openai-0");
    let evil = json!({ "base_url": "https://evil.example" });
    let problem = api.patch(&target, &evil).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/credentials/header_value");
    let mut whole = api.get(&path).await.expect(200);
    whole["targets"][0]["provider"] = json!("anthropic");
    api.put(&path, &whole).await.problem(422, "invalid");
    assert_eq!(stored(&api), "one");
    api.stop().await;
}

#[tokio::test]
async fn references_to_the_outside_are_shown_as_written() {
    let api = Api::with_gateway().await;
    let created = api
        .post(UPSTREAMS, &upstream("${env:OPENAI_API_KEY}"))
        .await
        .expect(201);
    let credentials = &created["targets"][0]["credentials"];
    assert_eq!(credentials["header_value"], "${env:OPENAI_API_KEY}");
    assert!(credentials.get("fingerprint").is_none());
    api.stop().await;
}

fn any_patch() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        Just(("algorithm", json!("weighted"))),
        Just(("algorithm", Value::Null)),
        Just(("description", json!("x"))),
        Just(("model_fallback", json!("reject"))),
        Just((
            "health_checks",
            json!({ "active": true, "threshold": null })
        )),
        Just(("health_checks", Value::Null)),
        Just(("timeouts", json!({ "total": "90s" }))),
        Just(("tags", json!(["a"]))),
        Just(("name", json!("ai-providers-upstream"))),
        Just((
            "targets",
            json!([{ "name": "openai-0", "provider": "openai", "credentials": {
                "header_name": "Authorization", "header_value": "***",
            }}])
        )),
    ];
    prop::collection::vec(field, 0..5).prop_map(|fields| {
        Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_patched_writing_what_is_read_changes_nothing(
        patches in prop::collection::vec(any_patch(), 1..4)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = Api::with_seed().await;
            for patch in &patches {
                let once = api.patch(SEED, patch).await.expect(200);
                let twice = api.patch(SEED, patch).await.expect(200);
                assert_eq!(once, twice, "a patch made again changes nothing");
                let before = api.store.current();
                let shown = api.get(SEED).await.expect(200);
                let put = api.put(SEED, &shown).await.expect(200);
                assert_eq!(shown, put);
                assert_eq!(before.revision(), api.store.current().revision());
            }
            api.put(SEED, &seed()).await.expect(200);
            api.stop().await;
        });
    }
}
