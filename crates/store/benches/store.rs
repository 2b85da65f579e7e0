//! How long a store takes to open and a change to be on the disk.
#![expect(
    clippy::expect_used,
    reason = "without its store there is nothing to measure"
)]

use std::{collections::BTreeMap, hint::black_box, path::Path};

use ai_gateway_model::{Change, Kind, Record, Secret};
use ai_gateway_store::{Store, StoreOptions};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use uuid::Uuid;

const OBJECTS: u128 = 10_000;

fn gateway() -> Record {
    Record {
        kind: Kind::Gateway,
        id: Uuid::from_u128(1),
        gateway: None,
        name: "default".to_owned(),
        spec: serde_json::json!({ "name": "default" }),
        secrets: BTreeMap::new(),
        revision: 0,
        created_at_ms: 0,
        updated_at_ms: 0,
    }
}

/// An upstream about as large as the one in the guide, with one credential.
fn upstream(number: u128) -> Record {
    let name = format!("upstream-{number}");
    Record {
        kind: Kind::Upstream,
        id: Uuid::from_u128(number + 2),
        gateway: Some(gateway().id),
        spec: serde_json::json!({
            "name": name,
            "algorithm": "round-robin",
            "targets": [{
                "name": "openai-0",
                "provider": "openai",
                "path": "/v1/chat/completions",
                "weight": 50,
                "priority": 1,
                "default_model": "gpt-4o-mini",
                "models": ["gpt-3.5-turbo", "gpt-4", "gpt-4o-mini"],
                "credentials": { "header_name": "Authorization", "header_value": Secret::MASK },
            }],
            "health_checks": { "passive": true, "threshold": 3, "interval": 60 },
        }),
        name,
        secrets: BTreeMap::from([(
            "targets/openai-0/credentials/header_value".to_owned(),
            Secret::new(format!("Bearer sk-{number}")),
        )]),
        ..gateway()
    }
}

async fn open(dir: &Path) -> Store {
    Store::open(StoreOptions::new(dir)).await.expect("a store")
}

async fn put(store: &Store, records: impl Iterator<Item = Record> + Clone) {
    store
        .commit("bench", |_| {
            Ok::<_, ()>(records.clone().map(Change::Put).collect())
        })
        .await
        .expect("a change");
}

fn store(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    criterion.bench_function("open a new store", |bench| {
        bench.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |dir| {
                runtime.block_on(async { black_box(open(dir.path()).await).close().await });
                dir
            },
            BatchSize::PerIteration,
        );
    });

    let dir = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let store = open(dir.path()).await;
        put(
            &store,
            std::iter::once(gateway()).chain((0..OBJECTS).map(upstream)),
        )
        .await;
        store.close().await;
    });
    criterion.bench_function("open a store of 10,000 objects", |bench| {
        bench.iter(|| runtime.block_on(async { black_box(open(dir.path()).await).close().await }));
    });

    let store = runtime.block_on(open(dir.path()));
    criterion.bench_function("change one object of 10,000", |bench| {
        bench.iter(|| runtime.block_on(put(&store, std::iter::once(upstream(7)))));
    });
    runtime.block_on(store.close());

    let dir = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(open(dir.path()));
    runtime.block_on(put(&store, std::iter::once(gateway())));
    criterion.bench_function("change one object of a few", |bench| {
        bench.iter(|| runtime.block_on(put(&store, std::iter::once(upstream(7)))));
    });
    runtime.block_on(store.close());
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = store
}
criterion_main!(benches);
