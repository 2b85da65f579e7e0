//! Commits: seen whole or not at all, and still there after a restart.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use ai_gateway_model::{Change, Configuration, Kind};
use ai_gateway_store::{CommitError, Condition, OpenError, Store};
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
use uuid::Uuid;

use crate::kit::{
    CANARY, Hands, SLOT, bare_upstream, found_in_files, gateway, listing, open, options, put,
    try_put, upstream,
};

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g"), upstream(2, 1, "u", CANARY)]).await;
    put(&store, &[upstream(3, 1, "v", "other")]).await;
    let before = listing(&store);
    store.close().await;

    let store = open(dir.path()).await;
    assert_eq!(store.current().revision(), 2);
    assert_eq!(listing(&store), before);
    assert_eq!(before.len(), 3);
}

#[tokio::test]
async fn no_file_holds_a_secret_in_plain_text_and_all_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let store = open(&data_dir).await;
    put(
        &store,
        &[gateway(1, "canary-name"), upstream(2, 1, "u", CANARY)],
    )
    .await;
    // Before the write-ahead log is emptied, and after.
    assert_eq!(found_in_files(&data_dir, CANARY), [] as [String; 0]);
    store.close().await;
    assert_eq!(found_in_files(&data_dir, CANARY), [] as [String; 0]);
    let mut holders_of_the_name = found_in_files(&data_dir, "canary-name");
    holders_of_the_name.sort();
    assert_eq!(holders_of_the_name, ["gateway.db", "last-good.json"]);

    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data_dir), 0o700);
    for entry in std::fs::read_dir(&data_dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_watcher_sees_the_revision_that_the_commit_answered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut watch = store.watch();
    let committed = put(&store, &[gateway(1, "g")]).await;
    watch.changed().await.unwrap();
    assert_eq!(watch.borrow().revision(), committed.revision);
    assert_eq!(committed.configuration.revision(), 1);
    assert_eq!(store.current().revision(), 1);
}

#[tokio::test]
async fn a_change_that_is_refused_or_invalid_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g")]).await;
    let refused = store.commit("test", |_| Err("no")).await;
    assert!(matches!(refused, Err(CommitError::Rejected("no"))));
    // One good record and one whose gateway does not exist: all or nothing.
    let invalid = try_put(&store, &[gateway(2, "h"), upstream(3, 9, "u", "s")]).await;
    assert!(matches!(invalid, Err(CommitError::Invalid(faults)) if faults.len() == 1));
    let nothing = store.commit("test", |_| Ok::<_, ()>(Vec::new())).await;
    assert_eq!(nothing.unwrap().revision, 1);
    store.close().await;

    let store = open(dir.path()).await;
    assert_eq!(store.current().revision(), 1);
    assert_eq!(listing(&store).len(), 1);
}

#[tokio::test]
async fn deleting_a_gateway_removes_what_it_held_from_the_disk_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(
        &store,
        &[
            gateway(1, "g"),
            gateway(4, "h"),
            upstream(2, 1, "u", CANARY),
        ],
    )
    .await;
    let id = Uuid::from_u128(1);
    store
        .commit("test", |_| {
            Ok::<_, ()>(vec![Change::Delete {
                kind: Kind::Gateway,
                id,
            }])
        })
        .await
        .unwrap();
    store.close().await;

    let store = open(dir.path()).await;
    let left: Vec<_> = listing(&store)
        .into_iter()
        .map(|it| it.1.as_u128())
        .collect();
    assert_eq!(left, [4]);
}

#[tokio::test]
async fn secrets_can_be_replaced_and_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g"), upstream(2, 1, "u", "first")]).await;
    put(&store, &[upstream(2, 1, "u", "second")]).await;
    let mut bare = upstream(3, 1, "v", "third");
    put(&store, std::slice::from_ref(&bare)).await;
    bare.secrets.clear();
    bare.spec["targets"][0]
        .as_object_mut()
        .unwrap()
        .remove("credentials");
    put(&store, &[bare]).await;
    store.close().await;

    let store = open(dir.path()).await;
    let secrets: Vec<_> = listing(&store).into_iter().map(|it| it.3).collect();
    assert_eq!(secrets, [None, Some("second".to_owned()), None]);
}

#[tokio::test]
async fn a_record_keeps_when_it_was_made_and_shows_when_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let hands = Hands::at(1_000);
    let store = Store::open(options(dir.path()).clock(hands.clock()))
        .await
        .unwrap();
    put(&store, &[gateway(1, "g")]).await;
    hands.advance(Duration::from_secs(5));
    put(&store, &[gateway(1, "g")]).await;
    let current = store.current();
    let record = current.record(Kind::Gateway, Uuid::from_u128(1)).unwrap();
    assert_eq!((record.created_at_ms, record.updated_at_ms), (1_000, 6_000));
    assert_eq!(record.revision, 2);
}

#[tokio::test]
async fn writers_at_the_same_time_each_get_their_own_revision() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let mut writers = tokio::task::JoinSet::new();
    for id in 0..20 {
        let store = store.clone();
        writers.spawn(async move {
            put(&store, &[gateway(id, &format!("g{id}"))])
                .await
                .revision
        });
    }
    let mut revisions = writers.join_all().await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=20).collect::<Vec<_>>());
    assert_eq!(listing(&store).len(), 20);
}

#[tokio::test]
async fn a_commit_whose_caller_goes_away_is_made_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    // Dropped after ever more polls: before it had its turn, in the midst of it, near the end.
    for polls in 0..12_u128 {
        let records = [
            gateway(polls * 2, &format!("a{polls}")),
            gateway(polls * 2 + 1, &format!("b{polls}")),
        ];
        let mut commit = Box::pin(try_put(&store, &records));
        for _ in 0..polls {
            if futures_poll(&mut commit).await {
                break;
            }
        }
        drop(commit);
        put(&store, &[gateway(1_000, "after")]).await;
        let revision = store.current().revision();
        let names: Vec<_> = store
            .current()
            .all_records()
            .map(|it| it.name.clone())
            .collect();
        assert_eq!(
            names.contains(&format!("a{polls}")),
            names.contains(&format!("b{polls}")),
            "half of a commit at revision {revision}"
        );
    }
    let before = listing(&store);
    store.close().await;
    assert_eq!(listing(&open(dir.path()).await), before);
}

/// Polls once and lets other tasks run; says whether the future is done.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let mut is_done = false;
    std::future::poll_fn(|context| {
        is_done = std::pin::Pin::new(&mut *future).poll(context).is_ready();
        std::task::Poll::Ready(())
    })
    .await;
    tokio::task::yield_now().await;
    is_done
}

#[tokio::test]
async fn a_second_store_on_the_same_folder_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let second = Store::open(options(dir.path())).await.unwrap_err();
    let OpenError::InUse { holder, .. } = &second else {
        panic!("{second}");
    };
    assert_eq!(*holder, Some(std::process::id()));
    assert!(second.to_string().contains("--data-dir"), "{second}");
    store.close().await;
    drop(store);
    open(dir.path()).await;
}

#[tokio::test]
async fn a_store_elsewhere_is_locked_for_every_data_folder() {
    use ai_gateway_store::Location;
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = Location::Sqlite(dir.path().join("shared.db"));
    let at = |name: &str| options(&dir.path().join(name)).location(elsewhere.clone());
    let _store = Store::open(at("a")).await.unwrap();
    let second = Store::open(at("b")).await.unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
}

#[tokio::test]
async fn a_closed_store_takes_no_change_and_still_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g")]).await;
    store.close().await;
    let late = try_put(&store, &[gateway(2, "h")]).await;
    assert!(matches!(late, Err(CommitError::Closed)));
    assert_eq!(store.current().revision(), 1);
}

#[tokio::test]
async fn the_change_log_tells_who_changed_what_without_secrets() {
    use sqlx::{Connection as _, Row as _};
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g"), upstream(2, 1, "u", CANARY)]).await;
    put(&store, &[upstream(2, 1, "renamed", CANARY)]).await;
    store.close().await;

    let path = dir.path().join("gateway.db");
    let mut connection = sqlx::SqliteConnection::connect(path.to_str().unwrap())
        .await
        .unwrap();
    let rows = sqlx::query(
        "SELECT revision || ' ' || op || ' ' || kind || ' ' || name || ' ' || author || ' ' || secret_slots, \
         coalesce(before, '') || coalesce(after, '') FROM changelog ORDER BY revision, seq",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let entries: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        entries,
        [
            "1 create gateway g test []".to_owned(),
            format!("1 create upstream u test [\"{SLOT}\"]"),
            "2 update upstream renamed test []".to_owned(),
        ]
    );
    let documents: Vec<String> = rows.iter().map(|row| row.get(1)).collect();
    assert!(documents[2].contains("\"renamed\""), "{documents:?}");
    assert!(!documents.concat().contains(CANARY));
}

#[tokio::test]
async fn the_change_log_keeps_as_many_revisions_as_it_was_told() {
    use sqlx::Connection as _;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(options(dir.path()).history_revisions(3))
        .await
        .unwrap();
    for id in 0..10 {
        put(&store, &[gateway(id, &format!("g{id}"))]).await;
    }
    store.close().await;
    let path = dir.path().join("gateway.db");
    let mut connection = sqlx::SqliteConnection::connect(path.to_str().unwrap())
        .await
        .unwrap();
    let revisions: Vec<i64> =
        sqlx::query_scalar("SELECT revision FROM changelog ORDER BY revision")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert_eq!(revisions, [8, 9, 10]);
}

/// One step of a script: put the object of this number, with a secret or without, or delete it.
#[derive(Clone, Debug)]
enum Act {
    Put(u128, Option<String>),
    Delete(u128),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0_u128..6, proptest::option::of("[a-z\"\\\\\u{e9}]{1,8}")).prop_map(|(id, secret)| Act::Put(id, secret)),
        1 => (0_u128..6).prop_map(Act::Delete),
    ]
}

impl Act {
    fn change(&self, current: &Configuration) -> Option<Change> {
        match self {
            Self::Put(id, secret) => {
                let name = format!("u{id}");
                Some(Change::Put(match secret {
                    Some(secret) => upstream(id + 10, 1, &name, secret),
                    None => bare_upstream(id + 10, 1, &name),
                }))
            }
            Self::Delete(id) => {
                let (kind, id) = (Kind::Upstream, Uuid::from_u128(id + 10));
                current
                    .record(kind, id)
                    .map(|_| Change::Delete { kind, id })
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is put and deleted, in however many commits: what is read back is what was there.
    #[test]
    fn any_script_of_changes_is_read_back_as_it_was(script in proptest::collection::vec((act(), any::<bool>()), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut store = open(dir.path()).await;
            put(&store, &[gateway(1, "g")]).await;
            for (act, restart) in script {
                store
                    .commit("test", |current| Ok::<_, ()>(act.change(current).into_iter().collect()))
                    .await
                    .unwrap();
                if restart {
                    let before = (store.current().revision(), listing(&store));
                    store.close().await;
                    drop(store);
                    store = open(dir.path()).await;
                    assert!(matches!(store.condition(), Condition::Ready), "{store:?}");
                    assert_eq!((store.current().revision(), listing(&store)), before);
                }
            }
        });
    }
}
