//! This repository's gateway, with all that it does by default: a key to check, a rule, a service,
//! an upstream with health checks, counting, and its store behind it.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::{
    Peer, SAME_MODEL, Setup, TRANSLATED_MODEL, bearer, free_address, own_directory, version_of,
};
use crate::{
    clock,
    http1::Wire,
    load,
    process::{Core, Group},
};

/// How much is configured beside what the requests use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Upstreams that no request asks for.
    pub(crate) upstreams: usize,
    /// Keys that no request has.
    pub(crate) keys: usize,
}

/// Sets the gateway up through its Admin API, once; every start then finds its store.
///
/// # Errors
///
/// When it is not built, does not start or refuses its configuration.
pub(super) fn prepare(setup: &Setup) -> anyhow::Result<Peer> {
    prepare_sized(setup, "gateway", None)
}

/// The same under another name, with more in its store, of which no request asks for anything.
///
/// # Errors
///
/// As for [`prepare`].
pub(super) fn prepare_sized(setup: &Setup, name: &str, size: Option<Size>) -> anyhow::Result<Peer> {
    let program = setup.binaries.join("gateway-server");
    if !program.exists() {
        bail!("{} is not built", program.display());
    }
    let directory = own_directory(setup, name)?;
    let (admin, address) = (free_address()?, free_address()?);
    let provider = setup.provider;
    let mut command = vec![program.display().to_string()];
    command.extend([
        format!("--admin-listen={admin}"),
        format!("--proxy-listen={address}"),
        format!("--data-dir={}", directory.join("data").display()),
        format!("--provider-base-url=openai=http://{provider}"),
        format!("--provider-base-url=anthropic=http://{provider}"),
        "--log-format=json".to_owned(),
    ]);
    let group = Group::start(&command, Core::Any, &directory.join("setup.log"))?;
    let key = configure(admin).with_context(|| {
        let log = fs::read_to_string(directory.join("setup.log")).unwrap_or_default();
        format!(
            "setting up {name}; its log: {}",
            log.get(..log.len().min(2000)).unwrap_or("")
        )
    })?;
    drop(group);
    if let Some(size) = size {
        fill(setup, &directory.join("data"), size)?;
    }
    Ok(Peer {
        name: name.to_owned(),
        version: version_of(Command::new(&program).arg("--version")),
        command,
        address,
        same: bearer(&key),
        translated: Some(bearer(&key)),
        footprint: Some(program),
        keeps_bytes: true,
        can_stream: true,
    })
}

/// Writes the configuration and returns the key that requests carry.
fn configure(admin: SocketAddr) -> anyhow::Result<String> {
    load::run(SETUP_LIMIT, async {
        let mut api = Api::connect(admin).await?;
        // A new store has this gateway.
        let base = "/api/v1/gateways/default";
        let upstreams = [
            upstream("openai-pool", "openai", SAME_MODEL),
            upstream("anthropic-pool", "anthropic", TRANSLATED_MODEL),
        ];
        let both = json!({
            "name": "pool",
            "algorithm": "round-robin",
            "targets": upstreams.iter().filter_map(|one| one.pointer("/targets/0")).collect::<Vec<_>>(),
            "health_checks": {"passive": true, "threshold": 3, "interval": 60},
        });
        api.post(&format!("{base}/upstreams"), &both).await?;
        let service = json!({"name": "chat", "type": "upstream", "upstream": "pool"});
        api.post(&format!("{base}/services"), &service).await?;
        let rule = json!({"name": "chat", "path": "/v1/*", "service": "chat"});
        api.post(&format!("{base}/rules"), &rule).await?;
        let created = api
            .post(&format!("{base}/keys"), &json!({"name": "client"}))
            .await?;
        let key = created
            .get("key")
            .and_then(Value::as_str)
            .context("no key was returned")?;
        Ok(key.to_owned())
    })
}

/// Writes what no request asks for into the store at `data`, thousands of objects a transaction.
fn fill(setup: &Setup, data: &Path, size: Size) -> anyhow::Result<()> {
    let mut fill = Command::new(setup.binaries.join("examples/fill"));
    fill.arg(data).arg(size.upstreams.to_string());
    let status = fill.arg(size.keys.to_string()).status();
    let status = status.context("fill is not built")?;
    ensure!(status.success(), "the store could not be filled");
    Ok(())
}

fn upstream(name: &str, provider: &str, model: &str) -> Value {
    let credentials = match provider {
        "anthropic" => json!({"header_name": "x-api-key", "header_value": "sk-provider"}),
        _ => json!({"header_name": "authorization", "header_value": "Bearer sk-provider"}),
    };
    json!({
        "name": name,
        "algorithm": "round-robin",
        "targets": [{
            "provider": provider, "models": [model], "default_model": model,
            "credentials": credentials,
        }],
        "health_checks": {"passive": true, "threshold": 3, "interval": 60},
    })
}

const SETUP_LIMIT: Duration = Duration::from_secs(60);

/// The Admin API over one connection.
struct Api {
    wire: Wire,
    address: SocketAddr,
}

impl Api {
    /// Waits for the server to listen.
    async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let start = clock::now();
        loop {
            match Wire::connect(address).await {
                Ok(wire) => return Ok(Self { wire, address }),
                Err(_) if start.elapsed() < Duration::from_secs(10) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(refused) => return Err(refused),
            }
        }
    }

    /// Creates `body` in the collection at `path` and returns the answer.
    async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.wire.write((head + &body).as_bytes()).await?;
        let mut answer = Vec::new();
        let head = self
            .wire
            .read(|piece| answer.extend_from_slice(piece))
            .await?;
        let status = head.context("closed before an answer")?.status;
        let text = String::from_utf8_lossy(&answer);
        ensure!(
            (200..300).contains(&status),
            "POST {path}: status {status}: {text}"
        );
        Ok(serde_json::from_slice(&answer)?)
    }
}
