//! Writes of the configuration while streams and requests are under way: nothing may break off or
//! fail, and no request may see half of one configuration and half of another.

mod versions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ai_gateway_testkit::{Answered, Gateway};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::versions::{Target, Versions};
use crate::Stage;
use crate::crowd::Crowd;
use crate::line::{Leaving, Line, Protocol, Upload};
use crate::origin::Origin;
use crate::screen::{bar, count, line};
use crate::teller::Teller;

/// Writes so often; answers whether nothing came of it but new configurations.
pub(crate) async fn run(stage: Stage<'_>, writes: u64) -> Result<bool> {
    let (end, is_over) = watch::channel(false);
    let teller = Arc::new(Teller::new(Duration::from_millis(50), is_over));
    let versions = Arc::new(Versions::new(Arc::clone(&teller)));
    let first = Origin::start(Arc::new(Target::first(&versions))).await?;
    let second = Origin::start(Arc::new(Target::second(&versions))).await?;
    let gateway = Gateway::start(stage.program, stage.folder, &["--log", "warn"]).await?;
    let urls = [first.url.as_str(), second.url.as_str()];
    gateway.route(NAME, &upstream(urls, 0)).await?;

    let mut crowd = Crowd::new(gateway.proxy, NAME);
    crowd.join(Protocol::Http1, 0..STREAMS / 2).await?;
    crowd.join(Protocol::Http2, STREAMS / 2..STREAMS).await?;
    let asking = Arc::new(Asking::new(gateway.proxy));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let asking = Arc::clone(&asking);
        clients.spawn(async move { asking.by(Protocol::of(client), client).await });
    }
    let wrote = tokio::select! {
        wrote = write(&gateway, &asking, urls, writes) => wrote?,
        ended = crowd.until_one_ends() => { ended?; Vec::new() }
    };
    asking.is_over.store(true, Ordering::Relaxed);
    let mut tally = Tally::default();
    while let Some(made) = clients.join_next().await {
        tally.add(made?);
    }
    end.send_replace(true);
    let told = crowd.told(&teller).await?;

    print_writes(wrote);
    tally.print();
    let mixed = versions.mixed();
    count(
        mixed,
        "attempts of two configurations at once, or of an older one, to be 0",
    );
    count(versions.moved(), "second attempts by a newer configuration");
    let whole = told.whole;
    count(
        STREAMS,
        &format!(
            "streams meanwhile, {whole} of them whole, {} events",
            told.events
        ),
    );
    let wrong = [tally.first_wrong.clone(), versions.first_wrong()];
    for wrong in wrong.iter().flatten().chain(told.first_wrong()) {
        line(&format!("  wrong: {wrong}"));
    }
    let is_quiet = gateway.panics() == 0 && first.malformed() + second.malformed() == 0;
    Ok(told.is_good(STREAMS) && tally.is_good() && mixed == 0 && is_quiet)
}

/// The upstream of a version: each of its parts says which. The second target has another name in
/// each, so that one comes and one goes with every write.
fn upstream(urls: [&str; 2], version: u64) -> Value {
    let target = |name: String, url: &str, priority: u32| {
        json!({
            "name": name, "base_url": url, "priority": priority,
            "headers": { "x-version": version.to_string() },
            "model_map": { "m": format!("m-{version}") },
            "credentials": {
                "header_name": "authorization", "header_value": format!("Bearer k-{version}"),
            },
        })
    };
    let [first, second] = urls;
    json!({
        "name": NAME,
        "targets": [
            target("first".to_owned(), first, 1),
            target(format!("second-{version}"), second, 2),
        ],
        // The first target's failures are part of the play.
        "health_checks": { "passive": { "threshold": 10_000, "success_rate": false } },
        "retry": { "budget": false },
        "timeouts": { "total": "24h" },
    })
}

/// Writes one version after the other, with objects beside it that come and go; answers how long
/// each write took.
async fn write(
    gateway: &Gateway,
    asking: &Asking,
    urls: [&str; 2],
    writes: u64,
) -> Result<Vec<Duration>> {
    let bar = bar(writes, "writes");
    let mut took = Vec::new();
    for write in 0..writes {
        let began = Instant::now();
        match write % 4 {
            2 => {
                let other = upstream(urls, write);
                gateway.route(&other_name(write), &other).await?;
            }
            3 => gateway.unroute(&other_name(write - 1)).await?,
            _ => {
                asking.newest.store(write + 1, Ordering::SeqCst);
                let document = Bytes::from(upstream(urls, write + 1).to_string());
                let put = gateway.admin.send(Method::PUT, UPSTREAM, document).await?;
                ensure!(put.status == 200, "write {write}: {}", Answered::text(&put));
                asking.oldest.store(write + 1, Ordering::SeqCst);
            }
        }
        took.push(began.elapsed());
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !writes.is_multiple_of(4) && writes % 4 == 3 {
        gateway.unroute(&other_name(writes - 1)).await?;
    }
    Ok(took)
}

fn other_name(write: u64) -> String {
    format!("other-{write}")
}

fn print_writes(mut took: Vec<Duration>) {
    took.sort_unstable();
    let quantile = |percent: usize| {
        let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(place).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    let (half, most) = (quantile(50), quantile(99));
    count(
        took.len(),
        &format!("writes, p50 {half:.1} ms, p99 {most:.1} ms"),
    );
}

/// Clients that ask, one request after the other, while it is written.
struct Asking {
    proxy: SocketAddr,
    /// The version that was acknowledged last; no answer may be of an older one.
    oldest: AtomicU64,
    /// The version that was sent last; no answer can be of a newer one.
    newest: AtomicU64,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Tally {
    answered: u64,
    failed: u64,
    /// Answered by a configuration that had been replaced before they were sent.
    stale: u64,
    first_wrong: Option<String>,
}

impl Asking {
    fn new(proxy: SocketAddr) -> Self {
        Self {
            proxy,
            oldest: AtomicU64::new(0),
            newest: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    async fn by(&self, protocol: Protocol, client: usize) -> Tally {
        let mut tally = Tally::default();
        let mut line = None;
        let mut number = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            number += 1;
            let oldest = self.oldest.load(Ordering::SeqCst);
            let asked = timeout(LONG, self.ask(protocol, &mut line, client, number)).await;
            let wrong = match asked.context("no answer in time").and_then(|asked| asked) {
                Ok(version) if version < oldest || version > self.newest.load(Ordering::SeqCst) => {
                    tally.stale += 1;
                    format!("answered by version {version}, {oldest} was in force")
                }
                Ok(_) => {
                    tally.answered += 1;
                    continue;
                }
                Err(error) => {
                    tally.failed += 1;
                    line = None;
                    format!("{error:#}")
                }
            };
            tally.first_wrong.get_or_insert(wrong);
        }
        tally
    }

    /// Asks once; answers the version that answered.
    async fn ask(
        &self,
        protocol: Protocol,
        line: &mut Option<Line>,
        client: usize,
        number: u64,
    ) -> Result<u64> {
        let mut open = match line.take() {
            Some(line) => line,
            None => Line::connect(self.proxy, protocol, Leaving::Fin).await?,
        };
        // Every fourth is refused by the first target, so that two targets of one version are asked.
        let fails = number.is_multiple_of(4);
        let body = json!({
            "model": "m", "stream": number.is_multiple_of(2),
            "messages": [{ "role": "user", "content": format!("ask {client}-{number} {fails}") }],
        });
        let path = format!("/{NAME}/v1/chat/completions");
        let mut answer = open.post(&path, Upload::whole(body.to_string())).await?;
        let status = answer.status();
        let read = answer.body_mut().collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&read);
        ensure!(status == 200, "{status}: {text}");
        let version = versions::answered(&text);
        let version = version.with_context(|| format!("no version in {text}"))?;
        drop(answer);
        *line = Some(open);
        Ok(version)
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.stale += other.stale;
        self.first_wrong = self.first_wrong.take().or(other.first_wrong);
    }

    fn is_good(&self) -> bool {
        self.answered > 0 && self.failed == 0 && self.stale == 0
    }

    fn print(&self) {
        count(self.answered, "requests answered meanwhile");
        count(self.failed, "requests that failed, to be 0");
        count(
            self.stale,
            "requests answered by what had been replaced, to be 0",
        );
    }
}

const NAME: &str = "reload";
const UPSTREAM: &str = "/api/v1/gateways/default/upstreams/reload";
/// Streams that go on meanwhile.
const STREAMS: u32 = 100;
/// Clients that ask meanwhile.
const CLIENTS: usize = 16;
/// What takes longer has failed.
const LONG: Duration = Duration::from_secs(30);
