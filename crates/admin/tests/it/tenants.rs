//! Two gateways in one store: neither is to see, change or use what is the other's, by name or by id.

use serde_json::{Value, json};

use crate::kit::Api;

/// An object of each kind that belongs to a gateway, each using the one before.
fn objects(of: &str) -> [(&'static str, Value); 4] {
    let target = json!({ "name": "t", "base_url": format!("http://{of}.example") });
    [
        ("upstreams", json!({ "name": "thing", "targets": [target] })),
        (
            "services",
            json!({ "name": "thing", "type": "upstream", "upstream": "thing" }),
        ),
        (
            "rules",
            json!({ "name": "thing", "path": "/thing/*", "service": "thing" }),
        ),
        ("keys", json!({ "name": "thing", "rules": ["thing"] })),
    ]
}

fn path(gateway: &str, collection: &str, which: &str) -> String {
    format!("/api/v1/gateways/{gateway}/{collection}/{which}")
}

/// Two gateways with the same names, and the owner, kind and id of each object.
async fn two() -> (Api, Vec<(&'static str, &'static str, String)>) {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for gateway in ["mine", "yours"] {
        let made = api
            .post("/api/v1/gateways", &json!({ "name": gateway }))
            .await;
        made.expect(201);
        for (collection, object) in objects(gateway) {
            let path = format!("/api/v1/gateways/{gateway}/{collection}");
            let made = api.post(&path, &object).await.expect(201);
            ids.push((gateway, collection, made["id"].as_str().unwrap().to_owned()));
        }
    }
    (api, ids)
}

#[tokio::test]
async fn neither_of_two_gateways_reaches_what_is_the_others() {
    let (api, ids) = two().await;
    let mut tried = 0;
    for (owner, collection, id) in &ids {
        let stranger = if *owner == "mine" { "yours" } else { "mine" };
        let foreign = path(stranger, collection, id);
        let before = api.get(&path(owner, collection, id)).await.text;
        let (_, object) = objects(owner)
            .into_iter()
            .find(|(of, _)| of == collection)
            .unwrap();
        api.get(&foreign).await.problem(404, "not_found");
        api.put(&foreign, &object).await.problem(404, "not_found");
        let patch = json!({ "tags": ["changed"] });
        api.patch(&foreign, &patch).await.problem(404, "not_found");
        api.delete(&foreign).await.problem(404, "not_found");
        // A list has the gateway's own alone, and one name leads each to its own.
        let list = api
            .get(&format!("/api/v1/gateways/{stranger}/{collection}"))
            .await;
        assert!(
            !list.text.contains(id.as_str()),
            "{collection}: {}",
            list.text
        );
        let own = api.get(&path(owner, collection, "thing")).await.expect(200);
        assert_eq!(own["id"], json!(id), "{collection}");
        assert_eq!(api.get(&path(owner, collection, id)).await.text, before);
        tried += 1;
    }
    assert_eq!(tried, 8);
    // What one takes away is the other's still.
    for collection in ["keys", "rules", "services", "upstreams"] {
        let gone = api.delete(&path("mine", collection, "thing")).await;
        gone.expect(204);
        let left = api.get(&path("yours", collection, "thing")).await;
        left.expect(200);
    }
    api.stop().await;
}

#[tokio::test]
async fn neither_of_two_gateways_uses_what_is_the_others() {
    let (api, ids) = two().await;
    // What one uses must be its own, though it be named by its id.
    let id_of = |collection: &str| {
        let found = ids
            .iter()
            .find(|(of, kind, _)| *of == "yours" && *kind == collection);
        found.unwrap().2.clone()
    };
    for (collection, object) in [
        (
            "services",
            json!({ "name": "s", "type": "upstream", "upstream": id_of("upstreams") }),
        ),
        (
            "rules",
            json!({ "name": "r", "path": "/r", "service": id_of("services") }),
        ),
        ("keys", json!({ "name": "k", "rules": [id_of("rules")] })),
    ] {
        let path = format!("/api/v1/gateways/mine/{collection}");
        api.post(&path, &object).await.problem(422, "invalid");
    }
    api.stop().await;
}
