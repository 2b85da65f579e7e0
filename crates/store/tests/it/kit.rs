//! What the tests of this crate share.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ai_gateway_model::{Change, Kind, Record, Secret};
use ai_gateway_store::{Clock, CommitError, Committed, Store, StoreOptions};
use sqlx::Connection as _;
use uuid::Uuid;

/// What no file of a store may hold in plain text.
pub(crate) const CANARY: &str = "sk-canary-0123456789";

/// Opens the store in `dir`, so that the last good configuration is never held back.
pub(crate) async fn open(dir: &Path) -> Store {
    Store::open(options(dir)).await.unwrap()
}

pub(crate) fn options(dir: &Path) -> StoreOptions {
    StoreOptions::new(dir).last_good_interval(Duration::ZERO)
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Hands(Arc<AtomicU64>);

impl Hands {
    pub(crate) fn at(now_ms: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_ms)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub(crate) fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::new(move || hands.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn gateway(id: u128, name: &str) -> Record {
    Record {
        kind: Kind::Gateway,
        id: Uuid::from_u128(id),
        gateway: None,
        name: name.to_owned(),
        spec: serde_json::json!({ "name": name }),
        secrets: BTreeMap::new(),
        revision: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

/// An upstream with one target, whose credential is `secret`.
pub(crate) fn upstream(id: u128, gateway: u128, name: &str, secret: &str) -> Record {
    Record {
        kind: Kind::Upstream,
        id: Uuid::from_u128(id),
        gateway: Some(Uuid::from_u128(gateway)),
        name: name.to_owned(),
        spec: serde_json::json!({
            "name": name,
            "targets": [{
                "name": "openai-0",
                "provider": "openai",
                "credentials": { "header_name": "Authorization", "header_value": Secret::MASK },
            }],
        }),
        secrets: BTreeMap::from([(SLOT.to_owned(), Secret::new(secret))]),
        revision: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

/// The same without a credential.
pub(crate) fn bare_upstream(id: u128, gateway: u128, name: &str) -> Record {
    let mut record = upstream(id, gateway, name, "");
    record.secrets.clear();
    if let Some(target) = record.spec["targets"][0].as_object_mut() {
        target.remove("credentials");
    }
    record
}

pub(crate) const SLOT: &str = "targets/openai-0/credentials/header_value";

pub(crate) async fn try_put(
    store: &Store,
    records: &[Record],
) -> Result<Committed, CommitError<()>> {
    store
        .commit("test", |_| {
            Ok(records.iter().cloned().map(Change::Put).collect())
        })
        .await
}

pub(crate) async fn put(store: &Store, records: &[Record]) -> Committed {
    try_put(store, records).await.unwrap()
}

/// One object: what it is, its JSON, and its secret.
pub(crate) type Listed = (Kind, Uuid, String, Option<String>);

/// Everything that is configured, without the times of writing.
pub(crate) fn listing(store: &Store) -> Vec<Listed> {
    store
        .current()
        .all_records()
        .map(|record| {
            let secret = record.secrets.get(SLOT);
            (
                record.kind,
                record.id,
                record.spec.to_string(),
                secret.map(|secret| secret.expose().to_owned()),
            )
        })
        .collect()
}

/// Looks for `needle` in every file under `dir`.
pub(crate) fn found_in_files(dir: &Path, needle: &str) -> Vec<String> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            // A file that is about to be renamed is read under its new name, or at the next look.
            let contents = std::fs::read(entry.path()).unwrap_or_default();
            contents
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A small generator, seeded, so that a failure can be seen again.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// Runs SQL on the store's file behind the gateway's back.
pub(crate) async fn tamper(dir: &Path, sql: &'static str) {
    let path = dir.join("gateway.db");
    let mut connection = sqlx::SqliteConnection::connect(path.to_str().unwrap())
        .await
        .unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Returns how many rounds to go: what the environment says, or `default`.
pub(crate) fn rounds(variable: &str, default: usize) -> usize {
    std::env::var_os(variable)
        .and_then(|rounds| rounds.to_str()?.parse().ok())
        .unwrap_or(default)
}
