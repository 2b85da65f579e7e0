//! The gateway that is killed: the real program on the same data, over and over.

use std::path::Path;
use std::time::Duration;

use ai_gateway_testkit::{Client, Program};
use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::time::Instant;

use crate::slots::Stored;

/// A running `gateway-server`. Dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) admin: Client,
    /// From the start of the program to "ready".
    pub(crate) took: Duration,
    program: Program,
}

impl Gateway {
    /// Starts `binary` with its data in `folder`, and waits until it says that it is ready.
    pub(crate) async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        command.args(["--proxy-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(folder);
        let began = Instant::now();
        let program = Program::start(command)?;
        let admin = address(&program.line_with("Admin API", SOON).await?)?;
        let proxy = address(&program.line_with("Proxy", SOON).await?)?;
        let ready = proxy.get("/readyz").await?;
        ensure!(ready.status == 200, "not ready: {}", ready.text());
        Ok(Self {
            admin,
            took: began.elapsed(),
            program,
        })
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.program.kill().await?)
    }

    /// Every upstream there is.
    pub(crate) async fn stored(&self) -> Result<Vec<Stored>> {
        let path = format!("{UPSTREAMS}?limit={MOST}");
        let listed = self.admin.get(&path).await?;
        ensure!(listed.status == 200, "no list: {}", listed.text());
        let listed = listed.json();
        let items = listed.get("items").and_then(|items| items.as_array());
        let items = items.context("a list without items")?;
        ensure!(items.len() < MOST, "more upstreams than were ever written");
        Ok(items.iter().map(Stored::read).collect())
    }
}

fn address(line: &str) -> Result<Client> {
    let url = line.split_whitespace().last().unwrap_or_default();
    Ok(Client::new(url)?)
}

pub(crate) const UPSTREAMS: &str = "/api/v1/gateways/default/upstreams";
/// What one page of a list can hold.
const MOST: usize = 100;
const SOON: Duration = Duration::from_secs(30);
