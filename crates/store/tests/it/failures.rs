//! Writes that fail: nothing changes, and the store finds its way back, or says that it can't.

use ai_gateway_store::{Broken, CommitError, Condition, Damage};

use crate::kit::{gateway, listing, open, put, tamper, try_put};

#[tokio::test]
async fn after_a_failed_write_the_next_one_opens_the_store_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g")]).await;
    // The database refuses in the midst of a commit, after the object was written.
    tamper(
        dir.path(),
        "CREATE TRIGGER refuse BEFORE INSERT ON changelog BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .await;
    let before = listing(&store);
    for _ in 0..2 {
        let failed = try_put(&store, &[gateway(2, "h")]).await;
        assert!(
            matches!(&failed, Err(error @ CommitError::Unavailable(_)) if error.is_retryable()),
            "{failed:?}"
        );
        assert!(
            matches!(store.condition(), Condition::WritesFail(_)),
            "{store:?}"
        );
        assert_eq!(
            (store.current().revision(), listing(&store)),
            (1, before.clone())
        );
    }
    tamper(dir.path(), "DROP TRIGGER refuse").await;
    assert_eq!(put(&store, &[gateway(2, "h")]).await.revision, 2);
    assert!(matches!(store.condition(), Condition::Ready), "{store:?}");
    store.close().await;
    drop(store);
    assert_eq!(listing(&open(dir.path()).await).len(), 2);
}

#[tokio::test]
async fn a_store_that_is_altered_under_a_running_process_takes_no_change_and_goes_on_serving() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g")]).await;
    tamper(dir.path(), "UPDATE meta SET revision = 9").await;
    let failed = try_put(&store, &[gateway(2, "h")]).await;
    assert!(
        matches!(failed, Err(CommitError::Unavailable(_))),
        "{failed:?}"
    );
    let broken = try_put(&store, &[gateway(2, "h")]).await;
    let Err(CommitError::Broken(Broken::Damaged { damage, .. })) = broken else {
        panic!("{broken:?}");
    };
    assert!(
        matches!(damage, Damage::Altered { table: "meta", .. }),
        "{damage}"
    );
    assert_eq!(store.current().revision(), 1);
    assert!(
        matches!(store.condition(), Condition::WritesFail(_)),
        "{store:?}"
    );
}

#[tokio::test]
async fn a_store_that_goes_back_under_a_running_process_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.db");
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g")]).await;
    store.close().await;
    drop(store);
    let older = std::fs::read(&file).unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(2, "h")]).await;
    // Revision 2 is remembered before the files change.
    let last_good = dir.path().join("last-good.json");
    while !std::fs::read_to_string(&last_good).is_ok_and(|it| it.contains("\"revision\":2,")) {
        tokio::task::yield_now().await;
    }
    for leftover in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        std::fs::remove_file(dir.path().join(leftover)).ok();
    }
    std::fs::write(&file, older).unwrap();
    // The connection still writes to the files that are gone. The next process notices by the last
    // good configuration, which the older file must not have replaced.
    put(&store, &[gateway(3, "i")]).await;
    store.close().await;
    drop(store);
    let store = open(dir.path()).await;
    let Condition::ReadOnly(reason) = store.condition() else {
        panic!("{store:?}");
    };
    assert!(
        matches!(
            *reason,
            Broken::RolledBack {
                revision: 1,
                served: 2,
                ..
            }
        ),
        "{reason}"
    );
    assert_eq!(store.current().revision(), 2);
}
