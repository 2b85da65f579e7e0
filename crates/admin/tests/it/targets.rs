//! Targets one by one, their states and their health.

use ai_gateway_registry::{Lease, Outcome};
use serde_json::{Value, json};

use crate::kit::{Api, Call, SEED};

fn target(name: &str) -> String {
    format!("{SEED}/targets/{name}")
}

/// Reads the states in the health answer, in the order of the configuration.
async fn states(api: &Api) -> Vec<String> {
    let health = api.get(&format!("{SEED}/health")).await.expect(200);
    let items = health["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["state"].as_str().unwrap().to_owned())
        .collect()
}

/// Begins a request on a target.
async fn lease(api: &Api, name: &str) -> Lease<()> {
    let id = api.get(SEED).await.expect(200)["id"].clone();
    let live = api.fleet.live();
    let upstream = live
        .upstream(id.as_str().unwrap().parse().unwrap())
        .unwrap();
    let mut attempts = upstream.attempts(None, None).unwrap();
    // Within one request each pick is another target.
    let leases = [attempts.pick().unwrap(), attempts.pick().unwrap()];
    leases
        .into_iter()
        .find(|lease| lease.target_id() == name)
        .unwrap()
}

#[tokio::test]
async fn a_target_lives_in_its_upstream() {
    let api = Api::with_seed().await;
    let targets = format!("{SEED}/targets");
    let created = api
        .post(&targets, &json!({ "provider": "mistral", "weight": 10 }))
        .await;
    let location = created.header("location").to_owned();
    let created = created.expect(201);
    assert_eq!(created["name"], "mistral-2");
    assert_eq!(api.get(&location).await.expect(200), created);
    let listed = api.get(&targets).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    let page = api.get(&format!("{targets}?limit=2")).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = api
        .get(&format!("{targets}?limit=2&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);

    let shown = api.get(&target("openai-0")).await;
    let tag = shown.header("etag").to_owned();
    let shown = shown.expect(200);
    assert_eq!(
        api.put(&target("openai-0"), &shown).await.header("etag"),
        tag
    );
    let patched = api
        .patch(&target("openai-0"), &json!({ "weight": 70 }))
        .await
        .expect(200);
    assert_eq!(
        (&patched["weight"], &patched["id"]),
        (&json!(70), &shown["id"])
    );
    let replaced = json!({ "provider": "mistral", "models": ["m"] });
    let replaced = api.put(&target("mistral-2"), &replaced).await.expect(200);
    assert_eq!(
        (&replaced["name"], &replaced["weight"]),
        (&json!("mistral-2"), &json!(1))
    );

    api.delete(&target("mistral-2")).await.expect(204);
    api.get(&target("mistral-2"))
        .await
        .problem(404, "not_found");
    api.delete(&target("openai-0")).await.expect(204);
    let problem = api
        .delete(&target("anthropic-1"))
        .await
        .problem(422, "invalid");
    assert_eq!(problem["detail"], "at least one target is required");
    api.stop().await;
}

#[tokio::test]
async fn a_target_s_faults_point_into_the_target() {
    let api = Api::with_seed().await;
    let problem = api
        .patch(&target("anthropic-1"), &json!({ "weight": 0 }))
        .await;
    let problem = problem.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/weight");
    let again = json!({ "name": "openai-0", "provider": "openai" });
    api.post(&format!("{SEED}/targets"), &again)
        .await
        .problem(409, "name_taken");
    let stale = Call::new("POST", &format!("{SEED}/targets")).header("if-match", "\"rev-0\"");
    let mistral = json!({ "provider": "mistral" });
    api.send(stale.json(&mistral))
        .await
        .problem(412, "revision_mismatch");
    let stale = Call::new("PATCH", &target("openai-0")).header("if-match", "\"rev-0\"");
    api.send(stale.json(&json!({ "weight": 2 })))
        .await
        .problem(412, "revision_mismatch");
    api.stop().await;
}

#[tokio::test]
async fn states_are_set_shown_and_kept_over_a_restart() {
    let api = Api::with_seed().await;
    assert_eq!(states(&api).await, ["healthy", "healthy"]);
    let lease = lease(&api, "openai-0").await;
    let drain = format!("{}/drain", target("openai-0"));
    let drained = api
        .post(&drain, &json!({ "deadline_seconds": 30 }))
        .await
        .expect(200);
    assert_eq!(
        (&drained["state"], &drained["drain_deadline"]),
        (&json!("draining"), &json!(30))
    );
    assert_eq!(states(&api).await, ["draining", "healthy"]);
    let revision = api.store.current().revision();
    api.post(&drain, &json!({ "deadline_seconds": 30 }))
        .await
        .expect(200);
    assert_eq!(
        api.store.current().revision(),
        revision,
        "again changes nothing"
    );

    lease.finish(Outcome::Success);
    assert_eq!(
        states(&api).await,
        ["disabled", "healthy"],
        "nothing is left on it"
    );

    let call = |verb: &str| Call::new("POST", &format!("{}/{verb}", target("openai-0")));
    api.send(call("disable")).await.expect(200);
    assert_eq!(states(&api).await, ["disabled", "healthy"]);
    let api = api.restart().await;
    assert_eq!(states(&api).await, ["disabled", "healthy"]);
    let enabled = api.send(call("enable")).await.expect(200);
    assert!(enabled.get("drain_deadline").is_none());
    assert_eq!(states(&api).await, ["healthy", "healthy"]);

    for body in [
        json!({ "deadline_seconds": 0 }),
        json!({ "deadline": 1 }),
        json!({ "deadline_seconds": "x" }),
    ] {
        api.post(&drain, &body).await.problem(422, "invalid");
    }
    api.post(&format!("{}/drain", target("none")), &json!({}))
        .await
        .problem(404, "not_found");
    api.stop().await;
}

#[tokio::test]
async fn health_shows_shares_against_weights() {
    let api = Api::with_seed().await;
    api.patch(&target("openai-0"), &json!({ "weight": 75 }))
        .await
        .expect(200);
    api.patch(&target("anthropic-1"), &json!({ "weight": 25 }))
        .await
        .expect(200);
    let weighted = json!({ "algorithm": "weighted" });
    let id = api.patch(SEED, &weighted).await.expect(200)["id"].clone();
    let idle = api.get(&format!("{SEED}/health")).await.expect(200);
    assert_eq!(idle["items"][0]["share"], Value::Null);
    let live = api.fleet.live();
    let upstream = live
        .upstream(id.as_str().unwrap().parse().unwrap())
        .unwrap();
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(upstream.attempts(None, None).unwrap().pick().unwrap());
    }
    leases.pop().unwrap().finish(Outcome::Success);
    let health = api.get(&format!("{SEED}/health")).await.expect(200);
    assert_eq!(health["algorithm"], "weighted");
    let first = &health["items"][0];
    assert_eq!(
        (&first["share"], &first["weight_share"]),
        (&json!(0.75), &json!(0.75))
    );
    let in_flight = |index: usize| health["items"][index]["in_flight"].as_u64().unwrap();
    assert_eq!(in_flight(0) + in_flight(1), 3);
    let shown = api.get(&target("openai-0")).await.expect(200);
    assert_eq!(first["id"], shown["id"]);
    for field in [
        "reason",
        "since",
        "next_probe_at",
        "in_flight",
        "max_in_flight",
        "ramp",
        "cooling_until",
        "ejections",
        "picks",
        "priority",
        "models",
        "provider",
    ] {
        assert!(first.get(field).is_some(), "{field}");
    }
    api.stop().await;
}

#[tokio::test]
async fn what_could_not_be_made_ready_is_a_warning() {
    let api = Api::with_seed().await;
    let unready = json!({ "headers": { "x-unready": "1" } });
    let patched = api.patch(&target("openai-0"), &unready).await.expect(200);
    let warning = json!([{ "target": "openai-0", "message": "not ready" }]);
    assert_eq!(patched["warnings"], warning);
    let shown: Value = api
        .patch(SEED, &json!({ "description": "d" }))
        .await
        .expect(200);
    assert_eq!(shown["warnings"], warning);
    api.put(SEED, &shown).await.expect(200);
    api.stop().await;
}
