//! `Idempotency-Key`: a `POST` that comes again gets the first one's answer, for 24 hours.

use std::time::Duration;

use ai_gateway_store::{Answer, Ticket};
use http::HeaderName;
use sha2::{Digest as _, Sha256};

use crate::{
    call::Call,
    problem::{Code, Problem},
    reply::Reply,
};

/// What a call's idempotency key leads to.
pub(crate) enum Known {
    /// It was answered before.
    Answered(Reply),
    /// It is to be answered now; with a key, the answer is kept.
    New(Option<Ticket>),
}

/// Looks a call up by its key.
pub(crate) async fn look_up(call: &Call<'_>) -> Result<Known, Problem> {
    if !call.headers.contains_key(KEY) {
        return Ok(Known::New(None));
    }
    let key = call
        .header(&KEY)
        .filter(|key| (1..=MAX_KEY_BYTES).contains(&key.len()));
    let Some(key) = key else {
        return Err(Problem::new(
            Code::InvalidIdempotencyKey,
            "Idempotency-Key must be 1 to 255 ASCII characters",
        ));
    };
    // Unique within one path: elsewhere the same key is another.
    let full_key = format!("{} {key}", call.uri.path());
    let hash = Sha256::digest(&call.body);
    match call.admin.store.idempotent_get(&full_key, &hash).await? {
        Answer::New(ticket) => Ok(Known::New(Some(ticket))),
        Answer::Kept(bytes) => Reply::from_bytes(&bytes)
            .map(Known::Answered)
            .ok_or_else(|| {
                tracing::error!("the answer kept for an idempotency key is none of this API");
                Problem::internal()
            }),
        Answer::OtherRequest => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used with another body",
        )),
        Answer::Underway => Err(Problem::new(
            Code::RequestInProgress,
            "a call with this Idempotency-Key is being answered",
        )),
    }
}

/// Keeps an answer for calls that come again, and gives up after `patience`. A call that failed is
/// not kept, so that it can be tried again.
pub(crate) async fn keep(call: &Call<'_>, ticket: Ticket, reply: &Reply, patience: Duration) {
    let bytes = reply.to_bytes();
    let keeping = call.admin.store.idempotent_put(ticket, &bytes);
    match tokio::time::timeout(patience, keeping).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(error = %error, "an answer could not be kept for its idempotency key");
        }
        Err(_) => tracing::error!("an answer was not kept for its idempotency key in time"),
    }
}

/// The header that carries the key.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

const MAX_KEY_BYTES: usize = 255;
