//! The gateway under test: the real program, and what is told it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ai_gateway_testkit::{Answered, Client, Program};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;

/// A running `gateway-server`. Dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) proxy: SocketAddr,
    admin: Client,
    program: Program,
}

impl Gateway {
    /// Starts `binary` with its data in `folder`, told `more` than that.
    pub(crate) async fn start(binary: &Path, folder: &Path, more: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(more);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        command.args(["--proxy-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(folder);
        let program = Program::start(command)?;
        let admin = program.line_with("Admin API", SOON).await?;
        let proxy = program.line_with("Proxy", SOON).await?;
        let last = |line: &str| {
            line.split_whitespace()
                .last()
                .unwrap_or_default()
                .to_owned()
        };
        let proxy = last(&proxy);
        let address = proxy.trim_start_matches("http://").parse();
        Ok(Self {
            proxy: address.with_context(|| format!("{proxy} is no address"))?,
            admin: Client::new(&last(&admin))?,
            program,
        })
    }

    /// Makes an upstream, and a way to it below `/{name}`.
    pub(crate) async fn route(&self, name: &str, upstream: &Value) -> Result<()> {
        let mut upstream = upstream.clone();
        if let Some(fields) = upstream.as_object_mut() {
            fields.insert("name".to_owned(), json!(name));
        }
        let service = json!({ "name": name, "type": "upstream", "upstream": name });
        let rule = json!({
            "name": name, "path": format!("/{name}/*"), "service": name,
            "public": true, "strip_path": true,
        });
        for (collection, written) in [
            ("upstreams", &upstream),
            ("services", &service),
            ("rules", &rule),
        ] {
            let path = format!("{BASE}/{collection}");
            let made = self.admin.post(&path, written).await?;
            ensure!(made.status == 201, "{collection} {name}: {}", made.text());
        }
        Ok(())
    }

    /// Takes away what [`route`](Self::route) made.
    pub(crate) async fn unroute(&self, name: &str) -> Result<()> {
        for collection in ["rules", "services", "upstreams"] {
            let path = format!("{BASE}/{collection}/{name}");
            let gone = self.admin.send(Method::DELETE, &path, Bytes::new()).await?;
            ensure!(gone.status == 204, "{collection} {name}: {}", gone.text());
        }
        Ok(())
    }

    /// The memory it holds, in KiB; 0 where the system does not tell.
    pub(crate) fn memory_kib(&self) -> u64 {
        let id = self.program.id().unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    }

    /// How many panics it has told of.
    pub(crate) fn panics(&self) -> usize {
        self.program.output().matches("panicked").count()
    }

    /// How the targets of an upstream are.
    pub(crate) async fn health(&self, name: &str) -> Result<Vec<Value>> {
        let path = format!("{BASE}/upstreams/{name}/health");
        let health: Answered = self.admin.get(&path).await?;
        let items = health.json().get("items").cloned().unwrap_or_default();
        Ok(items.as_array().cloned().unwrap_or_default())
    }
}

const BASE: &str = "/api/v1/gateways/default";
const SOON: Duration = Duration::from_secs(30);
