//! Fills a store with upstreams and keys that nobody asks for: `fill DATA-DIR UPSTREAMS KEYS`.
//!
//! `cargo xtask bench gateway --grown UPSTREAMS,KEYS` uses it to see what a request costs beside a large
//! configuration. The store must have been opened by a gateway before, and no gateway may have it open.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use ai_gateway_model::{Change, KeyHash, Kind, Record, Secret};
use ai_gateway_store::{Store, StoreOptions};
use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

/// Objects a transaction: the configuration is checked whole at the end of each.
const BATCH: usize = 10_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "write: fill DATA-DIR UPSTREAMS KEYS";
    let directory: PathBuf = arguments.next().context(usage)?.into();
    let upstreams: usize = number(arguments.next()).context(usage)?;
    let keys: usize = number(arguments.next()).context(usage)?;

    let store = Store::open(StoreOptions::new(&directory)).await?;
    let current = store.current();
    let gateway = current
        .records(Kind::Gateway, None)
        .next()
        .context("no gateway is in the store yet: start gateway-server on it once")?
        .id;
    drop(current);
    let bar = ProgressBar::new(u64::try_from(upstreams + keys)?).with_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} objects, {eta} to go")?,
    );
    let all = (0..upstreams)
        .map(|number| upstream(gateway, number))
        .chain((0..keys).map(|number| key(gateway, number)));
    let all: Vec<Record> = all.collect();
    for batch in all.chunks(BATCH) {
        let changes = |_: &_| {
            Ok::<_, std::convert::Infallible>(batch.iter().cloned().map(Change::Put).collect())
        };
        store.commit("fill", changes).await?;
        bar.inc(u64::try_from(batch.len())?);
    }
    bar.finish_and_clear();
    store.close().await;
    Ok(())
}

fn number<N: FromStr>(argument: Option<String>) -> anyhow::Result<N> {
    let text = argument.context("a number is missing")?;
    text.parse().map_err(|_| anyhow!("{text} is no number"))
}

/// An upstream about as large as the one in the guide, with one credential.
fn upstream(gateway: Uuid, number: usize) -> Record {
    let name = format!("other-{number}");
    let spec = serde_json::json!({
        "name": name,
        "algorithm": "round-robin",
        "targets": [{
            "name": "openai-0",
            "provider": "openai",
            "models": ["gpt-4o-mini"],
            "default_model": "gpt-4o-mini",
            "credentials": { "header_name": "Authorization", "header_value": Secret::MASK },
        }],
        "health_checks": { "passive": true, "threshold": 3, "interval": 60 },
    });
    let slot = "targets/openai-0/credentials/header_value".to_owned();
    let secret = Secret::new(format!("Bearer sk-{number}"));
    record(Kind::Upstream, gateway, name, spec, (slot, secret))
}

/// A key whose secret nobody has.
fn key(gateway: Uuid, number: usize) -> Record {
    let name = format!("other-{number}");
    let spec = serde_json::json!({ "name": name });
    let hash = KeyHash::of(&format!("nobody's {number}")).to_secret();
    record(
        Kind::Key,
        gateway,
        name,
        spec,
        (KeyHash::SLOT.to_owned(), hash),
    )
}

fn record(
    kind: Kind,
    gateway: Uuid,
    name: String,
    spec: serde_json::Value,
    secret: (String, Secret),
) -> Record {
    Record {
        kind,
        id: Uuid::now_v7(),
        gateway: Some(gateway),
        name,
        spec,
        secrets: BTreeMap::from([secret]),
        revision: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}
