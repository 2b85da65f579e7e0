//! Every documented error, provoked.

use serde_json::{Value, json};

use crate::kit::{Api, Call, SEED, UPSTREAMS, seed};

/// Posts an upstream and compares `detail` and every pointer.
#[track_caller]
fn check(answer: crate::kit::Answer, detail: &str, pointers: &[&str]) {
    let problem = answer.problem(422, "invalid");
    assert_eq!(problem["detail"], detail);
    let found: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(found, pointers);
}

#[tokio::test]
async fn the_texts_that_older_callers_know() {
    let api = Api::with_gateway().await;
    let with = |field: &str, value: Value| {
        let mut document = seed();
        *document.pointer_mut(field).unwrap() = value;
        document
    };
    let target = |target: Value| json!({ "name": "u", "targets": [target] });
    for (document, detail, pointer) in [
        (with("/name", json!("")), "name is required", "/name"),
        (
            with("/targets", json!([])),
            "at least one target is required",
            "/targets",
        ),
        (
            with("/algorithm", json!("X")),
            "invalid algorithm: X",
            "/algorithm",
        ),
        (
            target(json!({})),
            "target must specify either provider or host",
            "/targets/0",
        ),
        (
            target(json!({ "provider": "openai", "host": "h" })),
            "provider-type target cannot have host/port configuration",
            "/targets/0/host",
        ),
        (
            with("/targets/0/default_model", json!("x")),
            "default model must be in the models list",
            "/targets/0/default_model",
        ),
        (
            target(json!({ "host": "h", "port": 0 })),
            "invalid port number",
            "/targets/0/port",
        ),
        (
            target(json!({ "host": "h", "protocol": "tcp" })),
            "invalid protocol: must be http or https",
            "/targets/0/protocol",
        ),
        (
            with("/health_checks/interval", json!(0)),
            "health check interval must be positive",
            "/health_checks/interval",
        ),
        (
            with("/health_checks/threshold", json!(0)),
            "health check threshold must be positive",
            "/health_checks/threshold",
        ),
    ] {
        check(api.post(UPSTREAMS, &document).await, detail, &[pointer]);
    }
    assert_eq!(api.store.current().revision(), 1, "nothing changed");
    api.stop().await;
}

#[tokio::test]
async fn bad_values_say_where_they_are() {
    let api = Api::with_gateway().await;
    for weight in [json!(0), json!(101), json!("1"), json!(-1), json!(1.5)] {
        let document =
            json!({ "name": "u", "targets": [{ "provider": "openai", "weight": weight }] });
        let problem = api.post(UPSTREAMS, &document).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/targets/0/weight");
    }
    let document = json!({ "name": "u", "targets": [{ "provider": "openai", "wieght": 1 }] });
    let problem = api.post(UPSTREAMS, &document).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["suggestion"], "did you mean weight?");
    assert_eq!(problem["detail"], "unknown field wieght");
    api.stop().await;
}

#[tokio::test]
async fn all_faults_come_at_once() {
    let api = Api::with_gateway().await;
    let document = json!({ "algorithm": "X", "targets": [{}, { "provider": "opnai", "port": 1 }] });
    let problem = api.post(UPSTREAMS, &document).await.problem(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 5, "{problem}");
    api.stop().await;
}

#[tokio::test]
async fn bodies_that_are_no_documents() {
    let api = Api::with_gateway().await;
    let send = |body: &str, content_type: &str| {
        Call::new("POST", UPSTREAMS)
            .body(body)
            .header("content-type", content_type)
    };
    for body in ["", "{", "{\"name\": }", "[]", "7", "\u{0}"] {
        api.send(send(body, "application/json"))
            .await
            .problem(400, "invalid_json");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        api.send(send("{}", content_type))
            .await
            .problem(415, "unsupported_media_type");
    }
    api.send(Call::new("POST", UPSTREAMS).body("{}"))
        .await
        .problem(415, "unsupported_media_type");
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(65 * 1024));
    api.send(send(&long, "application/json"))
        .await
        .problem(413, "body_too_large");
    assert_eq!(api.store.current().revision(), 1);
    api.stop().await;
}

#[tokio::test]
async fn a_key_given_twice_is_refused_where_it_is() {
    let api = Api::with_seed().await;
    let before = api.store.current().revision();
    let target = r#"{"provider": "openai", "weight": 1, "weight": 99}"#;
    for (method, path, body, detail, pointers) in [
        (
            "POST",
            UPSTREAMS.to_owned(),
            format!(r#"{{"name": "u", "targets": [{target}], "name": "v"}}"#),
            "weight is given twice; name is given twice",
            &["/targets/0/weight", "/name"][..],
        ),
        (
            "PUT",
            SEED.to_owned(),
            r#"{"targets": [], "targets": [{"provider": "openai"}]}"#.to_owned(),
            "targets is given twice",
            &["/targets"],
        ),
        (
            "PATCH",
            SEED.to_owned(),
            r#"{"description": "a", "description": "a"}"#.to_owned(),
            "description is given twice",
            &["/description"],
        ),
        (
            "POST",
            format!("{SEED}/targets"),
            target.to_owned(),
            "weight is given twice",
            &["/weight"],
        ),
        (
            "POST",
            format!("{SEED}/targets/openai-0/drain"),
            r#"{"deadline_seconds": 1, "deadline_seconds": 9}"#.to_owned(),
            "deadline_seconds is given twice",
            &["/deadline_seconds"],
        ),
    ] {
        let call = Call::new(method, &path)
            .body(&body)
            .header("content-type", "application/json");
        check(api.send(call).await, detail, pointers);
    }
    assert_eq!(api.store.current().revision(), before, "nothing changed");
    api.stop().await;
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let api = Api::with_gateway().await;
    for path in [
        "/",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v1/gateways/",
        "/api/v2/gateways",
    ] {
        api.get(path).await.problem(404, "not_found");
    }
    let answer = api.delete("/api/v1/gateways").await;
    assert_eq!(answer.header("allow"), "GET, POST, HEAD");
    answer.problem(405, "method_not_allowed");
    api.send(Call::new("TRACE", SEED))
        .await
        .problem(405, "method_not_allowed");
    for path in [
        "/api/v1/gateways/none/upstreams",
        "/api/v1/gateways/main/upstreams/none",
        "/api/v1/gateways/main/services/00000000-0000-0000-0000-000000000000",
        "/api/v1/gateways/main/upstreams/none/health",
        "/api/v1/gateways/main/upstreams/none/targets/x",
    ] {
        api.get(path).await.problem(404, "not_found");
    }
    api.post("/api/v1/gateways/none/upstreams", &seed())
        .await
        .problem(404, "not_found");
    api.stop().await;
}

#[tokio::test]
async fn a_name_in_a_path_is_utf_8() {
    let api = Api::with_seed().await;
    for path in [
        "/api/v1/gateways/%FF".to_owned(),
        format!("{UPSTREAMS}/%c3%28"),
        format!("{SEED}/targets/openai-0%ed%a0%80"),
    ] {
        api.get(&path).await.problem(400, "invalid_path");
        api.delete(&path).await.problem(400, "invalid_path");
    }
    api.get(&format!("{UPSTREAMS}/%C3%A4"))
        .await
        .problem(404, "not_found");
    api.stop().await;
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let api = Api::with_seed().await;
    let problem = api
        .post(UPSTREAMS, &seed())
        .await
        .problem(409, "name_taken");
    assert_eq!(
        problem["detail"],
        "upstream name ai-providers-upstream is taken"
    );
    let mut other = seed();
    other["name"] = json!("other");
    api.post(UPSTREAMS, &other).await.expect(201);
    let rename = json!({ "name": "ai-providers-upstream" });
    let path = format!("{UPSTREAMS}/other");
    api.patch(&path, &rename).await.problem(409, "name_taken");
    api.post("/api/v1/gateways", &json!({ "name": "main" }))
        .await
        .problem(409, "name_taken");
    api.stop().await;
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let api = Api::with_seed().await;
    for name in ["a", "b"] {
        let service =
            json!({ "name": name, "type": "upstream", "upstream": "ai-providers-upstream" });
        api.post("/api/v1/gateways/main/services", &service)
            .await
            .expect(201);
    }
    let problem = api.delete(SEED).await.problem(409, "in_use");
    assert_eq!(
        problem["detail"],
        "upstream is being used by 2 services: a, b"
    );
    assert_eq!(problem["error"], problem["detail"]);
    let problem = api
        .delete("/api/v1/gateways/main")
        .await
        .problem(409, "in_use");
    assert_eq!(
        problem["detail"],
        "gateway is being used by 1 upstream: ai-providers-upstream; 2 services: a, b"
    );
    api.delete("/api/v1/gateways/main?cascade=maybe")
        .await
        .problem(400, "invalid_parameter");
    api.delete(&format!("{SEED}?cascade=true"))
        .await
        .problem(400, "invalid_parameter");
    api.get(SEED).await.expect(200);
    api.delete("/api/v1/gateways/main?cascade=true")
        .await
        .expect(204);
    api.get(SEED).await.problem(404, "not_found");
    api.stop().await;
}

#[tokio::test]
async fn references_to_nothing_and_rules_alike_are_refused() {
    let api = Api::with_seed().await;
    let services = "/api/v1/gateways/main/services";
    let lost = json!({ "name": "s", "type": "upstream", "upstream": "ai-provider-upstream" });
    let problem = api.post(services, &lost).await.problem(422, "invalid");
    assert_eq!(problem["detail"], "no upstream named ai-provider-upstream");
    assert_eq!(
        problem["errors"][0]["suggestion"],
        "did you mean ai-providers-upstream?"
    );
    let service = json!({ "name": "s", "type": "upstream", "upstream": "ai-providers-upstream" });
    api.post(services, &service).await.expect(201);
    let rules = "/api/v1/gateways/main/rules";
    let rule = |name: &str| json!({ "name": name, "path": "/v1/*", "service": "s" });
    api.post(rules, &rule("one")).await.expect(201);
    let problem = api.post(rules, &rule("two")).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/path");
    assert!(
        problem["detail"].as_str().unwrap().contains("rule one"),
        "{problem}"
    );
    api.stop().await;
}

#[tokio::test]
async fn another_gateway_s_objects_cannot_be_reached() {
    let api = Api::with_seed().await;
    api.post("/api/v1/gateways", &json!({ "name": "other" }))
        .await
        .expect(201);
    let id = api.get(SEED).await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stranger = format!("/api/v1/gateways/other/upstreams/{id}");
    api.get(&stranger).await.problem(404, "not_found");
    api.put(&stranger, &seed()).await.problem(404, "not_found");
    api.delete(&stranger).await.problem(404, "not_found");
    api.get(&format!("{stranger}/health"))
        .await
        .problem(404, "not_found");
    api.post(&format!("{stranger}/targets/openai-0/disable"), &json!({}))
        .await
        .problem(404, "not_found");
    let service = json!({ "name": "s", "type": "upstream", "upstream": id });
    api.post("/api/v1/gateways/other/services", &service)
        .await
        .problem(422, "invalid");
    api.stop().await;
}

#[tokio::test]
async fn ids_are_the_gateway_s_to_give() {
    let api = Api::with_seed().await;
    let mut document = seed();
    document["name"] = json!("mine");
    document["id"] = json!("0193a5b0-7e3c-7b2a-9c0e-3f5d2e1a4b6c");
    let problem = api.post(UPSTREAMS, &document).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/id");
    api.put(SEED, &document).await.problem(422, "invalid");
    api.stop().await;
}

#[tokio::test]
async fn a_store_that_is_closed_says_that_nothing_was_changed() {
    let api = Api::with_gateway().await;
    api.store.close().await;
    api.post(UPSTREAMS, &seed())
        .await
        .problem(503, "store_unavailable");
    api.get("/api/v1/gateways/main").await.expect(200);
    api.stop().await;
}

#[test]
fn the_documentation_names_every_route_and_every_code() {
    let page = include_str!("../../../../docs/admin-api.md");
    for (method, path) in ai_gateway_admin::routes() {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{path}` |")));
        assert!(
            row.is_some_and(|row| row.contains(&format!("`{method}`"))),
            "{method} {path}"
        );
    }
    for (code, status) in ai_gateway_admin::problem_codes() {
        let start = format!("| {} |", status.as_str());
        let mut rows = page.lines().filter(|line| line.starts_with(&start));
        let name = format!("`{code}`");
        assert!(rows.any(|row| row.contains(&name)), "{code} {status}");
    }
}
