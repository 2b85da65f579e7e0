//! What was acknowledged is there after `kill -9` and a restart.

use std::path::Path;
use std::time::Duration;

use ai_gateway_testkit::{Client, Program, Provider, StandIn};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(20);
const UPSTREAMS: &str = "/api/v1/gateways/default/upstreams";

/// A server of its own process, on ports of its own.
struct Running {
    program: Program,
    admin: Client,
    proxy: Client,
}

async fn start(data_dir: &Path, openai: &StandIn) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-server"));
    command
        .args([
            "--admin-listen",
            "127.0.0.1:0",
            "--proxy-listen",
            "127.0.0.1:0",
        ])
        .arg("--data-dir")
        .arg(data_dir)
        .args(["--provider-base-url", &format!("openai={}", openai.url())]);
    let program = Program::start(command).unwrap();
    let admin = address_in(&program.line_with("Admin API", SOON).await.unwrap());
    let proxy = address_in(&program.line_with("Proxy", SOON).await.unwrap());
    Running {
        program,
        admin: Client::new(&admin).unwrap(),
        proxy: Client::new(&proxy).unwrap(),
    }
}

fn address_in(line: &str) -> String {
    line.split_whitespace().last().unwrap().to_owned()
}

fn upstream(name: &str) -> Value {
    json!({
        "name": name,
        "targets": [{
            "provider": "openai",
            "default_model": "gpt-4o-mini",
            "credentials": {"header_name": "Authorization", "header_value": "Bearer sk-right"},
        }],
    })
}

#[track_caller]
fn made(answer: &ai_gateway_testkit::Answered) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// Makes what a request needs and answers the application's key.
async fn configure(admin: &Client) -> String {
    let base = "/api/v1/gateways/default";
    let post = async |path: &str, body: Value| {
        made(&admin.post(&format!("{base}/{path}"), &body).await.unwrap())
    };
    post("upstreams", upstream("first")).await;
    post(
        "services",
        json!({"name": "chat", "type": "upstream", "upstream": "first"}),
    )
    .await;
    post(
        "rules",
        json!({"name": "all", "path": "/v1/*", "service": "chat"}),
    )
    .await;
    post("keys", json!({"name": "app"})).await["key"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn chat(proxy: &Client, key: &str) -> u16 {
    let client = proxy
        .clone()
        .header("authorization", &format!("Bearer {key}"));
    let request = json!({"messages": [{"role": "user", "content": "hello"}]});
    client
        .post("/v1/chat/completions", &request)
        .await
        .unwrap()
        .status
}

/// Writes upstreams from several callers until the server dies; answers those it acknowledged.
async fn write_until_it_dies(running: &mut Running, round: usize) -> Vec<String> {
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let admin = running.admin.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let name = format!("up-{round}-{writer}-{number}");
                match admin.post(UPSTREAMS, &upstream(&name)).await {
                    Ok(answer) if answer.status == 201 => acknowledged.push(name),
                    Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
                    Err(_) => break,
                }
            }
            acknowledged
        });
    }
    // Some writes have been acknowledged and others are under way when it dies.
    loop {
        let listed = running
            .admin
            .get(&format!("{UPSTREAMS}?limit=100"))
            .await
            .unwrap()
            .json();
        let written = listed["items"].as_array().unwrap().iter();
        let prefix = format!("up-{round}-");
        let written = written.filter(|up| up["name"].as_str().unwrap().starts_with(&prefix));
        if written.count() >= 8 {
            break;
        }
    }
    running.program.kill().await.unwrap();
    writers.join_all().await.concat()
}

#[tokio::test]
async fn every_acknowledged_write_survives_kill_9() {
    let data_dir = TempDir::new().unwrap();
    let openai = Provider::openai().key("sk-right").start().await.unwrap();
    let mut running = start(data_dir.path(), &openai).await;
    let key = configure(&running.admin).await;
    let first = running
        .admin
        .get(&format!("{UPSTREAMS}/first"))
        .await
        .unwrap()
        .json();
    let mut acknowledged = vec!["first".to_owned()];
    for round in 0..3 {
        assert_eq!(chat(&running.proxy, &key).await, 200);
        acknowledged.extend(write_until_it_dies(&mut running, round).await);
        running = start(data_dir.path(), &openai).await;
        for name in &acknowledged {
            let answer = running
                .admin
                .get(&format!("{UPSTREAMS}/{name}"))
                .await
                .unwrap();
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
    }
    assert!(acknowledged.len() > 24);
    // Whole, and with its sealed credential: the stand-in lets in nobody else.
    let again = running
        .admin
        .get(&format!("{UPSTREAMS}/first"))
        .await
        .unwrap()
        .json();
    assert_eq!(again, first);
    assert_eq!(chat(&running.proxy, &key).await, 200);
}

#[tokio::test]
async fn a_target_taken_out_stays_out_after_a_restart() {
    let data_dir = TempDir::new().unwrap();
    let openai = Provider::openai().start().await.unwrap();
    let mut running = start(data_dir.path(), &openai).await;
    let key = configure(&running.admin).await;
    let upstream = running
        .admin
        .get(&format!("{UPSTREAMS}/first"))
        .await
        .unwrap()
        .json();
    let target = upstream["targets"][0]["name"].as_str().unwrap();
    let disable = format!("{UPSTREAMS}/first/targets/{target}/disable");
    let answer = running
        .admin
        .send(Method::POST, &disable, "{}".into())
        .await
        .unwrap();
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    assert_eq!(chat(&running.proxy, &key).await, 503);
    running.program.kill().await.unwrap();

    running = start(data_dir.path(), &openai).await;
    assert_eq!(chat(&running.proxy, &key).await, 503);
    assert!(openai.requests().is_empty());
}
