//! Clients that take their time.

use std::time::Duration;

use ai_gateway_testkit::{RawCue, RawServer, RawStep};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::{SOON, Stage, target};
use crate::malformed::slow;
use crate::rows::STREAM_HEAD;

/// What a client begins to send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    Nothing,
    Head { drips: bool },
    Body { drips: bool },
    Preface,
}

impl Held {
    /// What is sent at once, and whether a byte follows every so often.
    fn bytes(self, name: &str) -> (String, bool) {
        let head = format!(
            "POST /{name}/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ncontent-length: 9999\r\n"
        );
        match self {
            Self::Nothing => (String::new(), false),
            Self::Head { drips } => (head + "x-more: ", drips),
            Self::Body { drips } => (head + "\r\n{", drips),
            Self::Preface => ("PRI * HTTP/2.0\r\n".to_owned(), false),
        }
    }
}

impl Stage<'_> {
    pub(super) async fn slow_client(&self, held: Held) -> Result<()> {
        let first = self.start("first").await?;
        self.route(vec![target(&first, 1)], &json!({})).await?;
        let (bytes, drips) = held.bytes(self.name);
        let (cut, served) =
            tokio::join!(slow::client(self.gateway.proxy, &bytes, drips), self.ask());
        cut.context("it was not cut")?;
        ensure!(served? == "first", "another client was not served");
        ensure!(first.requests().len() == 1, "it reached the target");
        self.ensure_unharmed().await
    }

    pub(super) async fn slow_reader(&self) -> Result<()> {
        let piece = "x".repeat(PIECE_BYTES);
        let delta = json!({ "index": 0, "delta": { "content": piece }, "finish_reason": null });
        let event = json!({ "id": "x", "model": "m", "choices": [delta] });
        let mut steps = vec![RawStep::send(format!(
            "{STREAM_HEAD}connection: close\r\n\r\n"
        ))];
        steps.extend(vec![RawStep::send(format!("data: {event}\n\n")); PIECES]);
        let first = RawServer::start(RawCue::Asked, steps).await?;
        let target = json!({ "base_url": format!("http://{}", first.address()) });
        self.route(vec![target], &json!({})).await?;
        let begun = self.question.begin(self.gateway.proxy, self.name).await?;
        ensure!(first.open_connections() == 1, "the target is done already");
        let cut = async {
            while first.open_connections() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let began = Instant::now();
        timeout(SOON, cut)
            .await
            .context("the target was not told")?;
        let time = began.elapsed();
        ensure!(
            time > STALL / 2,
            "it was cut after {time:?}, before it was slow"
        );
        drop(begun);
        self.ensure_free().await?;
        self.ensure_unharmed().await
    }

    /// Every place is free again, soon.
    async fn ensure_free(&self) -> Result<()> {
        let free = async {
            loop {
                let health = self.gateway.health(self.name).await?;
                let taken = |count: &serde_json::Value| count != 0;
                if !health
                    .iter()
                    .any(|one| one.get("in_flight").is_some_and(taken))
                {
                    return anyhow::Ok(());
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, free).await.context("a place is not free")?
    }
}

/// More in all than the buffers of both connections hold.
const PIECES: usize = 256;
const PIECE_BYTES: usize = 64 * 1024;
/// How long a client may read nothing here.
const STALL: Duration = Duration::from_secs(1);
