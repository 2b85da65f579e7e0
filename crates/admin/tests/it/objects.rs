//! Every verb on every kind.

use ai_gateway_model::Secret;
use serde_json::{Value, json};

use crate::kit::{Api, Call, SEED, UPSTREAMS, seed};

#[tokio::test]
async fn the_seed_is_accepted_shown_and_survives_a_restart() {
    let api = Api::with_seed().await;
    let shown = api.get(SEED).await.expect(200);
    let mut expected = seed();
    for (index, (name, secret)) in [
        ("openai-0", "Bearer your-openai-key"),
        ("anthropic-1", "your-anthropic-key"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = &mut expected["targets"][index];
        target["id"] = shown["targets"][index]["id"].clone();
        target["name"] = json!(name);
        target["state"] = json!("enabled");
        target["credentials"]["header_value"] = json!("***");
        target["credentials"]["fingerprint"] = json!(Secret::new(secret).fingerprint());
    }
    for field in ["id", "gateway_id", "revision", "created_at", "updated_at"] {
        assert!(!shown[field].is_null(), "{field}");
        expected[field] = shown[field].clone();
    }
    assert_eq!(shown, expected);
    let api = api.restart().await;
    assert_eq!(api.get(SEED).await.expect(200), shown);
    api.stop().await;
}

/// Walks one object through its life.
async fn live(api: &Api, collection: &str, document: &Value, patch: &Value) {
    let created = api.post(collection, document).await;
    let location = created.header("location").to_owned();
    let tag = created.header("etag").to_owned();
    let mut created = created.expect(201);
    created.as_object_mut().unwrap().shift_remove("key");
    let by_name = format!("{collection}/{}", created["name"].as_str().unwrap());
    let by_id = format!("{collection}/{}", created["id"].as_str().unwrap());
    assert!(
        location.ends_with(created["id"].as_str().unwrap()),
        "{location}"
    );
    for path in [&by_name.replace(' ', "%20"), &by_id, &location] {
        let read = api.get(path).await;
        assert_eq!(read.header("etag"), tag);
        assert_eq!(read.expect(200), created);
    }
    let listed = api.get(collection).await.expect(200);
    assert!(listed["items"].as_array().unwrap().contains(&created));
    change(api, &by_id, &tag, patch).await;
    api.put(&by_id, document).await.expect(200);
    api.delete(&by_id).await.expect(204);
    api.get(&by_id).await.problem(404, "not_found");
    api.delete(&by_id).await.problem(404, "not_found");
}

/// Writes an object as it is, then with `patch`.
async fn change(api: &Api, path: &str, tag: &str, patch: &Value) {
    let shown = api.get(path).await.expect(200);
    let same = api.put(path, &shown).await;
    assert_eq!(
        same.header("etag"),
        tag,
        "writing what was read changes nothing"
    );
    assert_eq!(same.expect(200), shown);
    let patched = api.patch(path, patch).await;
    assert_ne!(patched.header("etag"), tag);
    let patched = patched.expect(200);
    for (field, value) in patch.as_object().unwrap() {
        assert_eq!(&patched[field], value, "{field}");
    }
    assert_eq!(patched["created_at"], shown["created_at"]);
}

#[tokio::test]
async fn each_kind_lives_from_creation_to_deletion() {
    let api = Api::with_seed().await;
    let described = json!({ "description": "ours", "tags": ["a", "b"] });
    live(
        &api,
        "/api/v1/gateways",
        &json!({ "name": "g 2" }),
        &described,
    )
    .await;
    let mut upstream = seed();
    upstream["name"] = json!("other");
    live(
        &api,
        UPSTREAMS,
        &upstream,
        &json!({ "algorithm": "weighted" }),
    )
    .await;
    let services = "/api/v1/gateways/main/services";
    let service = json!({ "name": "s", "type": "upstream", "upstream": "ai-providers-upstream" });
    live(&api, services, &service, &described).await;
    let endpoint = json!({ "name": "e", "type": "endpoint", "target": {
        "host": "h", "credentials": { "header_name": "x", "header_value": "y" },
    }});
    live(&api, services, &endpoint, &json!({ "retries": 2 })).await;
    api.post(services, &service).await.expect(201);
    let rules = "/api/v1/gateways/main/rules";
    let rule = json!({ "name": "r", "path": "/v1/*", "service_id": "s" });
    live(
        &api,
        rules,
        &rule,
        &json!({ "active": false, "methods": ["GET"] }),
    )
    .await;
    api.post(rules, &rule).await.expect(201);
    let keys = "/api/v1/gateways/main/keys";
    let key = json!({ "name": "k", "rules": ["r"] });
    live(
        &api,
        keys,
        &key,
        &json!({ "expires_at": "2030-01-01T00:00:00Z" }),
    )
    .await;
    api.stop().await;
}

#[tokio::test]
async fn references_are_shown_by_name_and_id() {
    let api = Api::with_seed().await;
    let upstream = api.get(SEED).await.expect(200);
    let service = json!({ "name": "s", "type": "upstream", "upstream_id": upstream["id"] });
    let shown = api
        .post("/api/v1/gateways/main/services", &service)
        .await
        .expect(201);
    assert_eq!(shown["upstream"], "ai-providers-upstream");
    assert_eq!(shown["upstream_id"], upstream["id"]);
    let mut other = seed();
    other["name"] = json!("other");
    let other = api.post(UPSTREAMS, &other).await.expect(201);
    let service = "/api/v1/gateways/main/services/s";
    for patch in [
        json!({ "upstream": "other" }),
        json!({ "upstream_id": other["id"] }),
    ] {
        let patched = api.patch(service, &patch).await.expect(200);
        assert_eq!(patched["upstream_id"], other["id"]);
        let back = json!({ "upstream": "ai-providers-upstream" });
        api.patch(service, &back).await.expect(200);
    }
    api.stop().await;
}

#[tokio::test]
async fn a_patch_takes_out_what_it_sets_to_null_and_keeps_the_rest() {
    let api = Api::with_seed().await;
    let patch = json!({ "health_checks": { "threshold": null, "interval": 5 }, "algorithm": null });
    let patched = api
        .send(Call::new("PATCH", SEED).body(&patch.to_string()).header(
            "content-type",
            "application/merge-patch+json; charset=utf-8",
        ))
        .await
        .expect(200);
    assert_eq!(
        patched["health_checks"],
        json!({ "passive": true, "interval": 5 })
    );
    assert_eq!(patched["algorithm"], "round-robin");
    assert_eq!(patched["targets"][0]["credentials"]["header_value"], "***");
    api.stop().await;
}

#[tokio::test]
async fn lists_come_in_pages_that_neither_repeat_nor_skip() {
    let api = Api::with_gateway().await;
    for number in 0..7 {
        let key = json!({ "name": format!("k{number}") });
        api.post("/api/v1/gateways/main/keys", &key)
            .await
            .expect(201);
    }
    let keys = "/api/v1/gateways/main/keys";
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut path = format!("{keys}?limit=3");
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let answer = api.get(&path).await;
        let link = answer.header("link").to_owned();
        let page = answer.expect(200);
        seen.extend(names(&page));
        pages += 1;
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{keys}?limit=3&cursor={cursor}");
        assert_eq!(link, format!("<{path}>; rel=\"next\""));
    }
    assert_eq!(
        (pages, seen),
        (3, (0..7).map(|number| format!("k{number}")).collect())
    );
    let page = api.get(&format!("{keys}?offset=5")).await.expect(200);
    assert_eq!(names(&page), ["k5", "k6"]);
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=!!",
        "offset=-1",
        "limt=1",
        "limit=1&limit=2",
    ] {
        api.get(&format!("{keys}?{query}"))
            .await
            .problem(400, "invalid_parameter");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_stale_revision_is_refused_and_a_known_one_not_sent_again() {
    let api = Api::with_seed().await;
    let tag = api.get(SEED).await.header("etag").to_owned();
    let with = |method: &str, name: &str, value: &str| {
        Call::new(method, SEED)
            .header(name, value)
            .json(&json!({ "algorithm": "weighted" }))
    };
    assert_eq!(
        api.send(with("GET", "if-none-match", &tag)).await.status,
        304
    );
    api.send(with("PATCH", "if-match", "\"rev-0\""))
        .await
        .problem(412, "revision_mismatch");
    api.send(with("PATCH", "if-match", &tag)).await.expect(200);
    for method in ["PATCH", "DELETE"] {
        api.send(with(method, "if-match", &tag))
            .await
            .problem(412, "revision_mismatch");
    }
    assert_eq!(
        api.send(with("GET", "if-none-match", &tag)).await.status,
        200
    );
    api.stop().await;
}

#[tokio::test]
async fn put_with_if_none_match_creates_and_only_that() {
    let api = Api::with_gateway().await;
    let create = |name: &str, body: &Value| {
        Call::new("PUT", &format!("{UPSTREAMS}/{name}"))
            .header("if-none-match", "*")
            .json(body)
    };
    let mut unnamed = seed();
    unnamed.as_object_mut().unwrap().shift_remove("name");
    let created = api.send(create("fresh", &unnamed)).await.expect(201);
    assert_eq!(created["name"], "fresh");
    api.send(create("fresh", &unnamed))
        .await
        .problem(412, "revision_mismatch");
    api.send(create("other", &seed()))
        .await
        .problem(400, "name_mismatch");
    api.put(&format!("{UPSTREAMS}/nowhere"), &seed())
        .await
        .problem(404, "not_found");
    api.stop().await;
}

#[tokio::test]
async fn a_call_that_comes_again_gets_the_same_answer() {
    let api = Api::with_gateway().await;
    let keys = "/api/v1/gateways/main/keys";
    let call = |key: &str, name: &str| {
        Call::new("POST", keys)
            .header("idempotency-key", key)
            .json(&json!({ "name": name }))
    };
    let first = api.send(call("one", "k")).await;
    let again = api.send(call("one", "k")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    for header in ["etag", "location", "content-type"] {
        assert_eq!(first.header(header), again.header(header));
    }
    let first = first.expect(201);
    assert!(first["key"].as_str().unwrap().starts_with("aigw_"));
    assert_eq!(first, again.expect(201), "the key itself included");
    api.send(call("one", "other"))
        .await
        .problem(422, "idempotency_key_reused");
    api.send(call("two", "k")).await.problem(409, "name_taken");
    api.send(call("two", "k2")).await.expect(201);
    api.send(call("", "k3"))
        .await
        .problem(400, "invalid_idempotency_key");
    let listed = api.get(keys).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    api.stop().await;
}

#[tokio::test]
async fn writers_at_the_same_time_lose_nothing() {
    let api = std::sync::Arc::new(Api::with_gateway().await);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let api = std::sync::Arc::clone(&api);
        writers.spawn(async move {
            let key = json!({ "name": format!("k{number}") });
            api.post("/api/v1/gateways/main/keys", &key)
                .await
                .expect(201);
        });
    }
    writers.join_all().await;
    let listed = api
        .get("/api/v1/gateways/main/keys?limit=100")
        .await
        .expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 16);
    std::sync::Arc::into_inner(api).unwrap().stop().await;
}

#[tokio::test]
async fn the_first_gateway_is_made_once() {
    let api = Api::start().await;
    let first = || ai_gateway_admin::first_gateway(&api.store, &Value::Null);
    assert!(first().await.is_err());
    let document = json!({ "name": "default" });
    for _ in 0..2 {
        let made = ai_gateway_admin::first_gateway(&api.store, &document)
            .await
            .unwrap();
        assert_eq!(made.revision, 1);
    }
    api.delete("/api/v1/gateways/default").await.expect(204);
    let left = ai_gateway_admin::first_gateway(&api.store, &document)
        .await
        .unwrap();
    assert_eq!(
        (left.revision, left.configuration.gateways().count()),
        (2, 0)
    );
    api.stop().await;
}
