//! Answers kept for requests that come again: what makes an `Idempotency-Key` work.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    error::AnswerError,
    keyring::Context,
    sqlite::AnswerRow,
    store::{Condition, Inner, Store},
    writer::Refusal,
};

/// What is known of a request that carries an idempotency key.
#[derive(Debug)]
pub enum Answer {
    /// Nothing: it is to be carried out now, and its answer kept with the ticket. Until the ticket
    /// is used or dropped, the same key is [`Underway`](Self::Underway).
    New(Ticket),
    /// It was carried out, and answered this.
    Kept(Vec<u8>),
    /// The key was used for a request with another hash.
    OtherRequest,
    /// A request with this key is being carried out.
    Underway,
}

/// The right to keep the answer to one request. Dropping it keeps none: the next request with the
/// key is a new one.
pub struct Ticket {
    inner: Arc<Inner>,
    key: String,
    request_hash: Vec<u8>,
}

impl Store {
    /// Looks up the answer to the request that carries `key` and whose contents hash to
    /// `request_hash`. The caller puts into `key` what keys are unique within, such as the path.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] when the store cannot be read.
    pub async fn idempotent_get(
        &self,
        key: &str,
        request_hash: &[u8],
    ) -> Result<Answer, AnswerError> {
        let inner = self.inner();
        if !inner.answering().insert(key.to_owned()) {
            return Ok(Answer::Underway);
        }
        // From here on every way out gives the key back, but the one that hands out the ticket.
        let ticket = Ticket {
            inner: Arc::clone(inner),
            key: key.to_owned(),
            request_hash: request_hash.to_vec(),
        };
        let now_ms = inner.clock.now_ms();
        let mut writer = inner.lock().await?;
        let Some(database) = writer.database() else {
            return Err(AnswerError::ReadOnly);
        };
        let row = match database.answer(key, now_ms).await {
            Ok(row) => row,
            Err(error) => {
                writer.lose();
                inner.set_condition(Condition::WritesFail(error.clone()));
                return Err(AnswerError::Unavailable(error));
            }
        };
        match row {
            None => Ok(Answer::New(ticket)),
            Some(row) if row.request_hash != request_hash => Ok(Answer::OtherRequest),
            Some(row) => match writer.keyring().open(&context(key), &row.response) {
                Ok(response) => Ok(Answer::Kept(response.to_vec())),
                Err(error) => {
                    tracing::warn!(%error, "a kept answer cannot be read: the request is new");
                    Ok(Answer::New(ticket))
                }
            },
        }
    }

    /// Keeps the answer to the request that `ticket` was given for, for 24 hours, encrypted: the
    /// answer to the creation of an API key holds that key. Of more than 10,000 answers the oldest
    /// are forgotten.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] when it cannot be kept; the request was carried out all the same.
    pub async fn idempotent_put(&self, ticket: Ticket, response: &[u8]) -> Result<(), AnswerError> {
        let inner = self.inner();
        let now_ms = inner.clock.now_ms();
        let mut writer = inner.lock().await?;
        let row = AnswerRow {
            response: writer.keyring().seal(&context(&ticket.key), response)?,
            key: ticket.key.clone(),
            request_hash: ticket.request_hash.clone(),
            expires_at_ms: now_ms.saturating_add(u64::try_from(KEPT_FOR.as_millis()).unwrap_or(0)),
        };
        let Some(database) = writer.database() else {
            return Err(AnswerError::ReadOnly);
        };
        let kept = database.keep_answer(&row, now_ms, KEPT_AT_MOST).await;
        kept.map_err(|error| {
            writer.lose();
            inner.set_condition(Condition::WritesFail(error.clone()));
            AnswerError::Unavailable(error)
        })
    }
}

impl Inner {
    fn answering(&self) -> MutexGuard<'_, HashSet<String>> {
        // Each change of the set is one call, so that a panic elsewhere leaves it whole.
        self.answering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.inner.answering().remove(&self.key);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl From<Refusal> for AnswerError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ReadOnly(_) | Refusal::Closed => Self::ReadOnly,
            Refusal::Broken(broken) => Self::Broken(broken),
        }
    }
}

fn context(key: &str) -> Context<'_> {
    Context {
        purpose: "answer",
        owner: key,
        slot: "response",
    }
}

const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Bounds the table: a key on every request of a busy day must not fill the disk.
const KEPT_AT_MOST: u32 = 10_000;
