//! Targets that hold the parts of each request against each other: all say the same version, and a
//! second attempt says no older one than the first.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::origin::{self, Answers, Asked, Next};
use crate::teller::{Teller, stream_of};

/// What both targets have seen.
#[derive(Debug)]
pub(crate) struct Versions {
    teller: Arc<Teller>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The version of the first attempt of each request that goes on.
    attempts: HashMap<String, u64>,
    mixed: u64,
    /// Requests whose second attempt met a newer version than their first.
    moved: u64,
    first_wrong: Option<String>,
}

/// One of the two.
pub(crate) struct Target {
    is_first: bool,
    versions: Arc<Versions>,
}

impl Versions {
    pub(crate) fn new(teller: Arc<Teller>) -> Self {
        Self {
            teller,
            seen: Mutex::default(),
        }
    }

    /// Requests whose parts were of different versions.
    pub(crate) fn mixed(&self) -> u64 {
        self.lock().mixed
    }

    /// Requests that were tried again by a newer version.
    pub(crate) fn moved(&self) -> u64 {
        self.lock().moved
    }

    pub(crate) fn first_wrong(&self) -> Option<String> {
        self.lock().first_wrong.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of a request, by its header.
    fn version(&self, asked: &Asked) -> u64 {
        let version = asked.header("x-version");
        let model = asked.body.get("model").and_then(Value::as_str);
        let model = model.and_then(|model| model.strip_prefix("m-"));
        let key = asked.header("authorization").strip_prefix("Bearer k-");
        if model != Some(version) || key != Some(version) {
            let wrong = format!("header {version}, model {model:?}, key {key:?}");
            self.note(wrong);
        }
        version.parse().unwrap_or_default()
    }

    /// Notes the version of a request's first attempt.
    fn begun(&self, question: &str, version: u64) {
        self.lock().attempts.insert(question.to_owned(), version);
    }

    /// Holds the version of a request's last attempt against that of its first.
    fn ended(&self, question: &str, version: u64) {
        let before = self.lock().attempts.remove(question);
        match before.map(|before| before.cmp(&version)) {
            None | Some(Ordering::Equal) => {}
            Some(Ordering::Less) => self.lock().moved += 1,
            Some(Ordering::Greater) => {
                let wrong = format!("attempts of versions {before:?} and {version}: {question}");
                self.note(wrong);
            }
        }
    }

    fn note(&self, wrong: String) {
        let mut seen = self.lock();
        seen.mixed += 1;
        seen.first_wrong.get_or_insert(wrong);
    }
}

impl Target {
    pub(crate) fn first(versions: &Arc<Versions>) -> Self {
        Self {
            is_first: true,
            versions: Arc::clone(versions),
        }
    }

    pub(crate) fn second(versions: &Arc<Versions>) -> Self {
        Self {
            is_first: false,
            versions: Arc::clone(versions),
        }
    }
}

impl Answers for Target {
    async fn answer(&self, asked: &Asked, to: &mut TcpStream) -> io::Result<Next> {
        let version = self.versions.version(asked);
        if let Some(stream) = stream_of(asked) {
            return self.versions.teller.tell(stream, to).await;
        }
        let question = asked.question();
        if self.is_first && question.ends_with("true") {
            self.versions.begun(question, version);
            let refused = json!({ "error": { "message": "no", "type": "server_error" } });
            origin::send_plain(to, 503, "", &refused).await?;
            return Ok(Next::Request);
        }
        self.versions.ended(question, version);
        let text = format!("{MARK}{version};");
        if asked.body.get("stream") == Some(&Value::Bool(true)) {
            origin::begin_stream(to, "").await?;
            origin::send(
                to,
                &origin::chunk(&json!({ "content": text }), &Value::Null),
            )
            .await?;
            origin::send(to, &origin::chunk(&json!({}), &json!("stop"))).await?;
            origin::send(to, "data: [DONE]\n\n").await?;
            origin::end_stream(to).await?;
        } else {
            origin::send_plain(to, 200, "", &origin::completion(&text)).await?;
        }
        Ok(Next::Request)
    }
}

/// The version that a whole answer names.
pub(crate) fn answered(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(MARK)?;
    let (version, _) = rest.split_once(';')?;
    version.parse().ok()
}

const MARK: &str = "answered-by-";
