//! Stores that are damaged, swapped, lost or too new: never a panic, never silently wrong.

use std::{fs, io::Write as _, path::Path};

use ai_gateway_store::{Broken, CommitError, Condition, KeyError, OpenError, Store};

use crate::kit::{
    CANARY, Random, gateway, listing, open, options, put, rounds, tamper, try_put, upstream,
};

/// Makes a store with two revisions, closed, so that its last good configuration is the newest.
async fn filled() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(1, "g"), upstream(2, 1, "u", CANARY)]).await;
    put(&store, &[upstream(3, 1, "v", "second")]).await;
    store.close().await;
    dir
}

#[track_caller]
fn check_degraded(store: &Store, expected: impl Fn(&Broken) -> bool) {
    let Condition::ReadOnly(reason) = store.condition() else {
        panic!("taken for a good store: {store:?}");
    };
    assert!(expected(&reason), "{reason:?}");
    assert_eq!(store.current().revision(), 2);
    assert_eq!(listing(store).len(), 3);
    assert_eq!(listing(store)[1].3.as_deref(), Some(CANARY));
}

/// Opens a store that must be found broken: with the last good configuration in its stead, and,
/// without that, not at all.
async fn check(dir: &Path, expected: impl Fn(&Broken) -> bool) {
    check_serving(dir, &expected).await;
    fs::remove_file(dir.join("last-good.json")).unwrap();
    match Store::open(options(dir)).await {
        Err(OpenError::Broken(reason)) => assert!(expected(&reason), "{reason:?}"),
        other => panic!("{other:?}"),
    }
}

/// Opens a store that must be found broken, and served from the last good configuration.
async fn check_serving(dir: &Path, expected: impl Fn(&Broken) -> bool) {
    let store_before = fs::read(dir.join("gateway.db")).ok();
    let store = Store::open(options(dir)).await.unwrap();
    check_degraded(&store, &expected);
    let refused = try_put(&store, &[gateway(9, "new")]).await;
    assert!(matches!(refused, Err(CommitError::ReadOnly(_))));
    store.close().await;
    assert_eq!(
        fs::read(dir.join("gateway.db")).ok(),
        store_before,
        "the broken store was touched, and a person was to look at it"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let dir = filled().await;
    fs::write(
        dir.path().join("gateway.db"),
        "not a database at all".repeat(1000),
    )
    .unwrap();
    check(dir.path(), |reason| {
        matches!(reason, Broken::Damaged { .. })
    })
    .await;
}

#[tokio::test]
async fn a_file_of_zeros_is_damaged() {
    let dir = filled().await;
    let len = fs::metadata(dir.path().join("gateway.db")).unwrap().len();
    fs::write(
        dir.path().join("gateway.db"),
        vec![0; usize::try_from(len).unwrap()],
    )
    .unwrap();
    check(dir.path(), |reason| {
        matches!(reason, Broken::Damaged { .. })
    })
    .await;
}

#[tokio::test]
async fn the_database_of_another_program_is_foreign_and_left_alone() {
    let dir = filled().await;
    fs::remove_file(dir.path().join("gateway.db")).unwrap();
    fs::write(dir.path().join("gateway.db"), b"").unwrap();
    tamper(dir.path(), "CREATE TABLE songs (title TEXT)").await;
    check(dir.path(), |reason| {
        matches!(reason, Broken::Foreign { .. })
    })
    .await;
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_not_opened() {
    let dir = filled().await;
    tamper(
        dir.path(),
        "INSERT INTO _sqlx_migrations VALUES (999, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 0)",
    )
    .await;
    check(dir.path(), |reason| {
        matches!(
            reason,
            Broken::Newer {
                version: 999,
                known: 1,
                ..
            }
        )
    })
    .await;
}

#[tokio::test]
async fn any_row_that_was_altered_lost_or_added_is_noticed() {
    for sql in [
        "UPDATE objects SET spec = json_set(spec, '$.targets[0].host', 'evil.example') WHERE name = 'u'",
        "UPDATE objects SET name = 'w' WHERE name = 'u'",
        "UPDATE objects SET gateway_id = NULL WHERE name = 'u'",
        "UPDATE objects SET updated_at_ms = 0 WHERE name = 'u'",
        "UPDATE objects SET mac = x'00' WHERE name = 'u'",
        "DELETE FROM objects WHERE name = 'v'; DELETE FROM secrets WHERE object_id LIKE '%3'",
        "DELETE FROM secrets WHERE object_id LIKE '%3'",
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE object_id LIKE '%2') \
         WHERE object_id LIKE '%3'",
        "INSERT INTO secrets SELECT kind, object_id, slot || 'x', sealed FROM secrets",
        "INSERT INTO secrets SELECT 'key', object_id, slot, sealed FROM secrets",
        "UPDATE meta SET revision = 7",
        "UPDATE meta SET seal = x''",
        "UPDATE meta SET content_fold = x''",
        "UPDATE meta SET store_id = 'another'",
    ] {
        let dir = filled().await;
        tamper(dir.path(), sql).await;
        let store = Store::open(options(dir.path())).await.expect(sql);
        check_degraded(&store, |reason| matches!(reason, Broken::Damaged { .. }));
    }
}

#[tokio::test]
async fn a_store_that_has_vanished_is_not_taken_for_a_new_one() {
    let vanished = |reason: &Broken| matches!(reason, Broken::Missing { .. });
    let dir = filled().await;
    fs::remove_file(dir.path().join("gateway.db")).unwrap();
    check_serving(dir.path(), vanished).await;
    fs::write(dir.path().join("gateway.db"), b"").unwrap();
    check_serving(dir.path(), vanished).await;
    // Who removes both means it.
    fs::remove_file(dir.path().join("last-good.json")).unwrap();
    assert_eq!(open(dir.path()).await.current().revision(), 0);
}

#[tokio::test]
async fn a_store_older_than_what_was_served_is_not_opened() {
    let dir = filled().await;
    let older = fs::read(dir.path().join("gateway.db")).unwrap();
    let store = open(dir.path()).await;
    put(&store, &[gateway(4, "late")]).await;
    store.close().await;
    drop(store);
    fs::write(dir.path().join("gateway.db"), older).unwrap();
    let store = Store::open(options(dir.path())).await.unwrap();
    assert_eq!(store.current().revision(), 3);
    let Condition::ReadOnly(reason) = store.condition() else {
        panic!("{store:?}");
    };
    assert!(
        matches!(
            *reason,
            Broken::RolledBack {
                revision: 2,
                served: 3,
                ..
            }
        ),
        "{reason}"
    );
    store.close().await;
    drop(store);
    // Who removes the memory of the newer one means the older.
    fs::remove_file(dir.path().join("last-good.json")).unwrap();
    assert_eq!(open(dir.path()).await.current().revision(), 2);
}

#[tokio::test]
async fn a_damaged_last_good_file_does_not_hinder_a_good_store() {
    for damage in ["", "{}", "not json\n", "\u{0}\u{0}"] {
        let dir = filled().await;
        let last_good = dir.path().join("last-good.json");
        fs::write(&last_good, damage).unwrap();
        let store = open(dir.path()).await;
        assert!(matches!(store.condition(), Condition::Ready), "{damage:?}");
        assert_eq!(store.current().revision(), 2);
        store.close().await;
        assert!(
            fs::metadata(&last_good).unwrap().len() > 100,
            "written anew"
        );
    }
}

#[tokio::test]
async fn a_forged_last_good_file_is_believed_in_nothing() {
    let dir = filled().await;
    let last_good = dir.path().join("last-good.json");
    let text = fs::read_to_string(&last_good).unwrap();
    let newer = text.replacen("\"revision\":2", "\"revision\":9", 1);
    assert_ne!(newer, text);
    fs::write(&last_good, newer).unwrap();
    let store = open(dir.path()).await;
    assert!(matches!(store.condition(), Condition::Ready));
    store.close().await;
    drop(store);

    let renamed = text.replace("openai", "evil.example");
    assert_ne!(renamed, text);
    fs::write(&last_good, renamed).unwrap();
    fs::remove_file(dir.path().join("gateway.db")).unwrap();
    let opened = Store::open(options(dir.path())).await;
    assert!(matches!(opened, Err(OpenError::Broken(_))), "{opened:?}");
}

#[tokio::test]
async fn without_its_master_key_a_store_is_not_opened_and_no_key_is_made() {
    let dir = filled().await;
    let key = dir.path().join("master.key");
    let kept = dir.path().join("kept.key");
    fs::rename(&key, &kept).unwrap();
    let missing = Store::open(options(dir.path())).await;
    assert!(
        matches!(missing, Err(OpenError::Key(KeyError::Missing { .. }))),
        "{missing:?}"
    );
    assert!(!key.exists());

    let other = tempfile::tempdir().unwrap();
    open(other.path()).await.close().await;
    fs::copy(other.path().join("master.key"), &key).unwrap();
    let wrong = Store::open(options(dir.path())).await;
    assert!(
        matches!(wrong, Err(OpenError::Key(KeyError::Mismatch { .. }))),
        "{wrong:?}"
    );

    let elsewhere = Store::open(options(dir.path()).key_file(&kept))
        .await
        .unwrap();
    assert_eq!(listing(&elsewhere)[1].3.as_deref(), Some(CANARY));
}

/// How often to damage a store; set it for a longer run.
const DAMAGES: &str = "STORE_TEST_DAMAGES";

/// Cuts the file at many places and overwrites a part of it at many others. Whatever comes of it,
/// what is served is one of the two revisions that were committed, as it was.
#[tokio::test]
async fn no_damage_to_the_file_is_served_as_a_configuration() {
    let dir = filled().await;
    let (store_file, last_good) = (
        dir.path().join("gateway.db"),
        dir.path().join("last-good.json"),
    );
    let good = fs::read(&store_file).unwrap();
    let store = open(dir.path()).await;
    let expected = listing(&store);
    store.close().await;
    drop(store);
    // The damage itself must be found out: nothing else is there to serve.
    fs::remove_file(&last_good).unwrap();
    let mut random = Random(7);
    let (mut found, mut harmless) = (0, 0);
    let damages = rounds(DAMAGES, 300);
    for _ in 0..damages {
        let mut damaged = good.clone();
        let at = 1 + random.below(good.len() - 1);
        if random.below(3) == 0 {
            damaged.truncate(at);
        } else {
            let end = good.len().min(at + 1 + random.below(64));
            for byte in &mut damaged[at..end] {
                *byte = u8::try_from(random.below(256)).unwrap();
            }
        }
        for leftover in ["gateway.db-wal", "gateway.db-shm", "last-good.json"] {
            fs::remove_file(dir.path().join(leftover)).ok();
        }
        fs::write(&store_file, &damaged).unwrap();
        match Store::open(options(dir.path())).await {
            Ok(store) => {
                assert_eq!(listing(&store), expected, "damage at {at} was served");
                harmless += 1;
                store.close().await;
            }
            Err(OpenError::Broken(_)) => found += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    let summary = format!("{damages} damages, {found} found, {harmless} harmless\n");
    std::io::stdout().write_all(summary.as_bytes()).unwrap();
    // Much of a small file is free space, where damage does no harm.
    assert!(found > damages / 6, "{summary}");
}
