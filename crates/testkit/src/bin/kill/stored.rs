//! What the gateway that is killed has stored.

use ai_gateway_testkit::{Client, Gateway};
use anyhow::{Context as _, Result, ensure};

use crate::slots::Stored;

/// Every upstream there is. Fails where the gateway says that it is not ready.
pub(crate) async fn stored(gateway: &Gateway) -> Result<Vec<Stored>> {
    let ready = Client::new(&format!("http://{}", gateway.proxy))?;
    let ready = ready.get("/readyz").await?;
    ensure!(ready.status == 200, "not ready: {}", ready.text());
    let path = format!("{UPSTREAMS}?limit={MOST}");
    let listed = gateway.admin.get(&path).await?;
    ensure!(listed.status == 200, "no list: {}", listed.text());
    let listed = listed.json();
    let items = listed.get("items").and_then(|items| items.as_array());
    let items = items.context("a list without items")?;
    ensure!(items.len() < MOST, "more upstreams than were ever written");
    Ok(items.iter().map(Stored::read).collect())
}

pub(crate) const UPSTREAMS: &str = "/api/v1/gateways/default/upstreams";
/// What one page of a list can hold.
const MOST: usize = 100;
