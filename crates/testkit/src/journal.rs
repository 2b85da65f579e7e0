//! What a stand-in received and what became of it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

/// One request as a stand-in received it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// The method.
    pub method: Method,
    /// The path and the query, as sent.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The request line and the headers, byte for byte.
    pub head: Bytes,
    /// The body.
    pub body: Bytes,
    /// What became of it.
    pub served: Served,
}

impl Received {
    /// The body as JSON; `null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header's value; `None` when it is missing or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Served {
    /// It is still being answered.
    Running,
    /// Its answer was sent in full, as far as the behaviour let it.
    Done,
    /// The stand-in cut the connection, as it was told.
    Cut,
    /// The peer closed the connection before the answer was complete.
    Cancelled,
}

/// Every request of one stand-in, in the order of arrival.
#[derive(Clone)]
pub(crate) struct Journal {
    entries: Arc<Mutex<VecDeque<Received>>>,
    changed: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            entries: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// Adds a request; the entry is marked as cancelled if it is dropped before it is told otherwise.
    pub(crate) fn add(&self, received: Received) -> Entry {
        let mut entries = self.lock();
        entries.push_back(received);
        let index = entries.len() - 1;
        drop(entries);
        self.tell();
        Entry {
            journal: self.clone(),
            index,
            ended: false,
        }
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.lock().iter().cloned().collect()
    }

    /// Waits until `done` holds for the requests so far; answers whether it did `within` the time.
    pub(crate) async fn wait(&self, done: impl Fn(&[Received]) -> bool, within: Duration) -> bool {
        let mut changed = self.changed.subscribe();
        let until = async {
            while !done(&self.all()) {
                // The sender lives as long as `self`.
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(within, until).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Received>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("requests", &self.lock().len())
            .finish_non_exhaustive()
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Entry {
    journal: Journal,
    index: usize,
    ended: bool,
}

impl Entry {
    /// The request's place in the journal, from 0.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn end(&mut self, served: Served) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(received) = self.journal.lock().get_mut(self.index) {
            received.served = served;
        }
        self.journal.tell();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Served::Cancelled);
    }
}
