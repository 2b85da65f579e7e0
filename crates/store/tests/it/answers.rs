//! Answers kept for requests that come again.

use std::time::Duration;

use ai_gateway_store::{Answer, Store, Ticket};

use crate::kit::{CANARY, Hands, found_in_files, open, options};

async fn ticket(store: &Store, key: &str) -> Ticket {
    match store.idempotent_get(key, b"hash").await.unwrap() {
        Answer::New(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_that_comes_again_gets_its_first_answer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let first = ticket(&store, "k").await;
    store
        .idempotent_put(first, CANARY.as_bytes())
        .await
        .unwrap();
    let again = store.idempotent_get("k", b"hash").await.unwrap();
    assert!(matches!(again, Answer::Kept(answer) if answer == CANARY.as_bytes()));
    let other = store.idempotent_get("k", b"another hash").await.unwrap();
    assert!(matches!(other, Answer::OtherRequest));
    store.close().await;
    assert_eq!(found_in_files(dir.path(), CANARY), [] as [String; 0]);

    drop(store);
    let store = open(dir.path()).await;
    let restarted = store.idempotent_get("k", b"hash").await.unwrap();
    assert!(matches!(restarted, Answer::Kept(answer) if answer == CANARY.as_bytes()));
}

#[tokio::test]
async fn a_key_is_underway_until_its_ticket_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let held = ticket(&store, "k").await;
    let meanwhile = store.idempotent_get("k", b"hash").await.unwrap();
    assert!(matches!(meanwhile, Answer::Underway));
    ticket(&store, "another key").await;
    drop(held);
    ticket(&store, "k").await;
}

#[tokio::test]
async fn an_answer_is_forgotten_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let hands = Hands::at(1);
    let store = Store::open(options(dir.path()).clock(hands.clock()))
        .await
        .unwrap();
    let first = ticket(&store, "k").await;
    store.idempotent_put(first, b"answer").await.unwrap();
    hands.advance(Duration::from_secs(24 * 60 * 60 - 1));
    let within = store.idempotent_get("k", b"hash").await.unwrap();
    assert!(matches!(within, Answer::Kept(_)));
    hands.advance(Duration::from_secs(1));
    ticket(&store, "k").await;
}
