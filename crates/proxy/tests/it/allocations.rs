//! What a request costs in calls to the allocator: the one cost that is the same on every machine.

use std::sync::mpsc;
use std::thread;

use ai_gateway_testkit::{Client, Provider};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::fixture::{Fixture, chat, target};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The allocations of a proxy from its start to its end, with `requests` like `body` between.
///
/// It has a thread to itself, and the count is that thread's.
fn allocations(body: &Value, requests: u64) -> u64 {
    let outside = runtime();
    let stand_in = outside
        .block_on(Provider::openai().name("one").start())
        .unwrap();
    let upstream = json!({ "targets": [target(&stand_in, 1)] });
    let (started, address) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let proxy = thread::spawn(move || {
        allocation_counter::measure(|| {
            runtime().block_on(async {
                let fixture = Fixture::with_upstream(upstream).await;
                started.send(fixture.address()).unwrap();
                stopped.await.ok();
            });
        })
    });
    let client = Client::new(&format!("http://{}", address.recv().unwrap())).unwrap();
    outside.block_on(async {
        for _ in 0..requests {
            let answer = client.post("/v1/chat/completions", body).await.unwrap();
            assert_eq!(answer.status, 200);
        }
    });
    stop.send(()).unwrap();
    proxy.join().unwrap().count_total
}

#[test]
fn a_request_that_passes_through_allocates_no_more_than_it_did() {
    let (few, many) = (20, 120);
    let a_request = || {
        let added = allocations(&chat(), many) - allocations(&chat(), few);
        added.div_ceil(many - few)
    };
    // The pieces that a message comes in add one now and then; the least is what it costs itself.
    let each = (0..3).map(|_| a_request()).min().unwrap();
    assert!(
        (LEAST..=MOST).contains(&each),
        "{each} allocations a request, expected {LEAST} to {MOST}: bring them down, or the bounds"
    );
}

/// What a request may cost.
const MOST: u64 = 65;
/// What it may save before the bound above it is of no use any more.
const LEAST: u64 = 58;
