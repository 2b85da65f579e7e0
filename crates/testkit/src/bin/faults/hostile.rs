//! Clients that do everything wrong, after which no target may have lost anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Gateway, Provider, Received, Served, is_harmed};
use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::table::line;

/// Sends `count` hostile requests, of every kind in turn, to three targets with default health
/// checks, and says whether each is as healthy as before.
pub(crate) async fn attack(gateway: &Arc<Gateway>, count: usize) -> Result<bool> {
    let mut stand_ins = Vec::new();
    for name in ["one", "two", "three"] {
        let stand_in = Provider::openai().name(name).models(["m"]).start().await?;
        stand_in.set_behaviour(Behaviour {
            event_gap: Duration::from_millis(2),
            ..Behaviour::default()
        });
        stand_ins.push(stand_in);
    }
    let target = |stand_in: &ai_gateway_testkit::StandIn| json!({ "name": stand_in.name(), "base_url": stand_in.url() });
    let targets: Vec<_> = stand_ins.iter().map(target).collect();
    gateway
        .route("hostile", &json!({ "targets": targets }))
        .await?;
    let by_status = send(gateway, count).await?;
    let over = |all: &[Received]| all.iter().all(|one| one.served != Served::Running);
    let mut reached = 0;
    for stand_in in &stand_ins {
        stand_in.wait_until(over, Duration::from_secs(10)).await;
        reached += stand_in.requests().len();
    }
    let health = gateway.health("hostile").await?;
    let harmed: Vec<_> = health.iter().filter(|target| is_harmed(target)).collect();
    let failed = by_status.keys().filter(|status| **status >= 500).count();
    let statuses: Vec<_> = by_status
        .iter()
        .map(|(status, count)| match status {
            0 => format!("{count} without an answer"),
            status => format!("{count} × {status}"),
        })
        .collect();
    line(&format!(
        "{count} hostile requests: {}; {reached} reached a target, {} of {} targets harmed",
        statuses.join(", "),
        harmed.len(),
        health.len()
    ));
    for target in &harmed {
        line(&format!("harmed: {target}"));
    }
    gateway.unroute("hostile").await?;
    Ok(harmed.is_empty() && failed == 0 && health.len() == stand_ins.len() && reached > 0)
}

/// Sends them, a few at a time; answers how many got which status, 0 standing for none.
async fn send(gateway: &Gateway, count: usize) -> Result<BTreeMap<u16, usize>> {
    let bar = crate::bar(count, "hostile requests");
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut attacks = JoinSet::new();
    let mut by_status = BTreeMap::<u16, usize>::new();
    for number in 0..count {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let proxy = gateway.proxy;
        attacks.spawn(async move {
            let status = Attack::of(number).make(proxy).await.unwrap_or(0);
            drop(slot);
            status
        });
        while let Some(made) = attacks.try_join_next() {
            bar.inc(1);
            *by_status.entry(made?).or_default() += 1;
        }
    }
    while let Some(made) = attacks.join_next().await {
        *by_status.entry(made?).or_default() += 1;
    }
    bar.finish_and_clear();
    Ok(by_status)
}

/// Bytes of a client, and when it leaves.
struct Attack {
    bytes: Vec<u8>,
    leaves: Leaves,
}

enum Leaves {
    /// When it has an answer.
    Answered,
    /// When it has sent what it sends.
    Sent,
    /// A moment later, when the request may be at a target.
    Soon(Duration),
}

impl Attack {
    /// The attack of that number; they take turns.
    fn of(number: usize) -> Self {
        let chat = |model: &str, more: &str| {
            format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"x"}}]{more}}}"#)
        };
        let good = post(&chat("m", ""));
        let stream = post(&chat("m", r#","stream":true"#));
        let answered = |bytes: Vec<u8>| Self {
            bytes,
            leaves: Leaves::Answered,
        };
        let (kind, round) = (number % KINDS, (number / KINDS) % 20);
        let soon = Leaves::Soon(Duration::from_millis(round as u64));
        match kind {
            0 => answered(post("{\"model\": ")),
            1 => answered(post(&chat("m", r#","messages":7"#))),
            2 => answered(post(r#"{"model":"m","messages":[]}"#)),
            3 => answered(post(&chat("unknown", ""))),
            4 => answered(post(&chat("m", r#","nonsense":true"#))),
            5 => answered(chunked("zz\r\nbad\r\n0\r\n\r\n")),
            6 => answered(head("content-length: 99999999999\r\n")),
            7 => answered(head("content-encoding: gzip\r\ncontent-length: 2\r\n")),
            8 => Self {
                bytes: head("content-length: 1000\r\n"),
                leaves: Leaves::Sent,
            },
            9 => Self {
                bytes: good,
                leaves: Leaves::Sent,
            },
            10 => Self {
                bytes: stream,
                leaves: soon,
            },
            _ => Self {
                bytes: good,
                leaves: soon,
            },
        }
    }

    /// Makes it, and answers the status of the answer, if any came.
    async fn make(self, proxy: std::net::SocketAddr) -> Result<u16> {
        let mut stream = TcpStream::connect(proxy).await?;
        stream.write_all(&self.bytes).await?;
        match self.leaves {
            Leaves::Sent => {
                stream.set_zero_linger()?;
                Ok(0)
            }
            Leaves::Soon(time) => {
                tokio::time::sleep(time).await;
                Ok(0)
            }
            Leaves::Answered => {
                let mut answer = [0; 16];
                let read = timeout(Duration::from_secs(10), stream.read(&mut answer)).await??;
                let text = String::from_utf8_lossy(answer.get(..read).unwrap_or_default());
                let status = text.split(' ').nth(1).context("no status line")?;
                Ok(status.parse()?)
            }
        }
    }
}

fn post(body: &str) -> Vec<u8> {
    let mut bytes = head(&format!("content-length: {}\r\n", body.len()));
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

fn chunked(body: &str) -> Vec<u8> {
    let mut bytes = head("transfer-encoding: chunked\r\n");
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

fn head(more: &str) -> Vec<u8> {
    let line = "POST /hostile/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n";
    format!("{line}content-type: application/json\r\n{more}\r\n").into_bytes()
}

const KINDS: usize = 12;
/// Hostile clients at the same time.
const AT_ONCE: usize = 64;
