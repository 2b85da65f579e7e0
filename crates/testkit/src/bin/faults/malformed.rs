//! Requests that are malformed on the wire: none may reach a target, break the gateway, or cost it
//! memory.

mod chance;
mod frames;
mod origin;
pub(crate) mod slow;
mod written;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_testkit::{Dialect, Gateway, is_harmed};
use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::chance::Chance;
use self::origin::{MARK, Origin};
use self::slow::Slow;
use crate::asking::{Form, Protocol, Question};
use crate::table::line;

/// What the gateway is told, so that slow clients are cut while one watches.
pub(crate) const LIMITS: [&str; 6] = [
    "--first-byte-timeout",
    "2",
    "--head-timeout",
    "2",
    "--body-idle-timeout",
    "2",
];

/// What came of all of them.
#[derive(Debug, Default)]
struct Counts {
    sent: usize,
    sent_bytes: usize,
    /// Answers by the class of their status.
    classes: [usize; 6],
    /// Connections that ended without an answer.
    closed: usize,
    /// Connections that the client left, for nothing more came.
    left: usize,
    served: usize,
    refused: usize,
    /// Refused requests that the origin heard of all the same.
    leaked: usize,
    /// Good requests in between, and those of them that were not served.
    good: usize,
    not_served: usize,
    /// The first that was wrong.
    first_wrong: Option<String>,
}

/// What one connection heard.
struct Heard {
    number: u64,
    sent_bytes: usize,
    classes: Vec<u8>,
    served: usize,
    has_left: bool,
    /// The beginning of the answer.
    said: String,
}

/// Sends `count` malformed requests drawn from `seed`, each over a connection of its own, with
/// good ones and slow clients in between, and says whether nothing came of them.
pub(crate) async fn attack(gateway: &Arc<Gateway>, count: usize, seed: u64) -> Result<bool> {
    let origin = Origin::start().await?;
    let upstream = json!({ "targets": [{ "name": "origin", "base_url": origin.url }] });
    gateway.route(NAME, &upstream).await?;
    let proxy = gateway.proxy;
    let mut slow = JoinSet::new();
    slow.spawn(slow::hold(proxy));
    let bar = crate::bar(count, "malformed requests");
    let mut counts = Counts::default();
    let mut warm_kib = 0;
    while counts.sent < count {
        let batch = BATCH.min(count - counts.sent);
        send(proxy, seed, batch, &origin, &mut counts).await?;
        ask(proxy, &mut counts).await;
        bar.set_position(counts.sent as u64);
        if warm_kib == 0 && counts.sent * 5 >= count {
            warm_kib = gateway.memory_kib();
        }
    }
    bar.finish_and_clear();
    let slow = slow.join_next().await.context("nobody was slow")???;
    let grown_kib = gateway.memory_kib().saturating_sub(warm_kib);
    let health = gateway.health(NAME).await?;
    let harmed = health.iter().filter(|target| is_harmed(target)).count();
    print(&counts, &slow, &origin);
    let panics = gateway.panics();
    line(&format!(
        "{panics} panics, {harmed} of {} targets harmed, memory {warm_kib} KiB when warm and \
         {grown_kib} KiB more at the end; seed {seed}",
        health.len()
    ));
    for wrong in counts.first_wrong.iter().chain(&origin.wrong().1) {
        line(&format!("wrong: {wrong}"));
    }
    let is_quiet = panics == 0 && harmed == 0 && grown_kib <= GROWTH_KIB;
    let has_worked = counts.served > 0 && counts.refused > 0 && health.len() == 1;
    let is_good = counts.is_good() && slow.iter().all(Slow::is_good) && origin.wrong().0 == 0;
    Ok(is_good && is_quiet && has_worked)
}

/// Sends a batch, a few at a time.
async fn send(
    proxy: SocketAddr,
    seed: u64,
    batch: usize,
    origin: &Origin,
    counts: &mut Counts,
) -> Result<()> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut clients = JoinSet::new();
    let first = counts.sent as u64;
    for number in first..first + batch as u64 {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        clients.spawn(async move {
            let heard = client(proxy, seed, number).await;
            drop(slot);
            heard
        });
    }
    while let Some(heard) = clients.join_next().await {
        let heard = heard??;
        let at_origin = origin.take(&tag(heard.number));
        counts.note(&heard, at_origin);
    }
    Ok(())
}

/// Makes the connection of that number.
async fn client(proxy: SocketAddr, seed: u64, number: u64) -> Result<Heard> {
    let mut chance = Chance::of(seed, number);
    let is_http2 = chance.below(5) == 0;
    let bytes = if is_http2 {
        frames::bytes(&mut chance, &tag(number))
    } else {
        written::bytes(&mut chance, &tag(number))
    };
    let mut stream = TcpStream::connect(proxy).await.context("no connection")?;
    let (mut reading, mut writing) = stream.split();
    // Whoever is cut while it still sends has been answered, as far as it goes.
    let write = async {
        writing.write_all(&bytes).await.ok();
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        loop {
            match timeout(PATIENCE, reading.read(&mut piece)).await {
                Err(_) => break true,
                Ok(Ok(0) | Err(_)) => break false,
                Ok(Ok(count)) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            }
        }
    };
    let has_left = tokio::select! { () = write => true, has_left = read => has_left };
    let text = String::from_utf8_lossy(&answer);
    let class = |rest: &str| rest.bytes().next().map(|digit| digit.wrapping_sub(b'0'));
    let classes = if text.starts_with("HTTP/1") {
        let heads = text.split("HTTP/1.1 ").skip(1);
        heads.filter_map(class).collect()
    } else {
        frames::classes(&answer)
    };
    Ok(Heard {
        number,
        sent_bytes: bytes.len(),
        classes,
        served: text.matches(MARK).count(),
        has_left,
        said: text.chars().take(400).collect(),
    })
}

/// Asks as one should, over both protocols.
async fn ask(proxy: SocketAddr, counts: &mut Counts) {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let question = Question {
            protocol,
            form: Form::Plain,
            dialect: Dialect::OpenAi,
            offers_tool: false,
        };
        let answered = question.ask(proxy, NAME).await;
        counts.good += 1;
        let status = answered.map(|heard| heard.status);
        if !matches!(status, Ok(200)) {
            counts.not_served += 1;
            let wrong = || format!("a good request after {}: {status:?}", counts.sent);
            counts.first_wrong.get_or_insert_with(wrong);
        }
    }
}

impl Counts {
    fn note(&mut self, heard: &Heard, at_origin: usize) {
        self.sent += 1;
        self.sent_bytes += heard.sent_bytes;
        for class in &heard.classes {
            if let Some(count) = self.classes.get_mut(usize::from(*class)) {
                *count += 1;
            }
        }
        self.left += usize::from(heard.has_left);
        self.closed += usize::from(heard.classes.is_empty() && !heard.has_left);
        self.served += heard.served;
        let is_refused = heard.served == 0 && heard.classes.contains(&4);
        self.refused += usize::from(is_refused);
        let has_leaked = is_refused && at_origin > 0;
        self.leaked += usize::from(has_leaked);
        if has_leaked || heard.classes.contains(&5) {
            let wrong = || format!("request {}: {}", heard.number, heard.said);
            self.first_wrong.get_or_insert_with(wrong);
        }
    }

    fn is_good(&self) -> bool {
        let [.., server_errors] = self.classes;
        server_errors == 0 && self.leaked == 0 && self.not_served == 0 && self.good > 0
    }
}

fn print(counts: &Counts, slow: &[Slow], origin: &Origin) {
    let [_, information, success, redirection, fault, server_error] = counts.classes;
    let of = |count: usize, what: &str| line(&format!("{count:>10}  {what}"));
    of(counts.sent, "malformed requests sent");
    of(counts.sent_bytes, "bytes of them");
    of(information + success + redirection, "answers 1xx to 3xx");
    of(fault, "answers 4xx");
    of(server_error, "answers 5xx, to be 0");
    of(counts.closed, "connections closed without an answer");
    of(
        counts.left,
        "connections the client left, nothing more to come",
    );
    of(
        counts.served,
        "answers of the origin: what was valid after all",
    );
    of(counts.refused, "connections refused");
    of(counts.leaked, "of these heard of at the origin, to be 0");
    of(
        origin.requests(),
        "requests at the origin, the good ones among them",
    );
    of(
        origin.wrong().0,
        "bytes at the origin that no gateway may send, to be 0",
    );
    of(counts.good, "good requests in between");
    of(counts.not_served, "of these not served, to be 0");
    for Slow { kind, cut, slowest } in slow {
        let seconds = slowest.as_secs_f64();
        let each = slow::EACH;
        line(&format!(
            "{cut:>10}  of {each} slow connections cut, {kind}: after {seconds:.1} s at most"
        ));
    }
}

fn tag(number: u64) -> String {
    format!("tag-{number}")
}

const NAME: &str = "malformed";
const BATCH: usize = 1_000;
/// Connections at the same time.
const AT_ONCE: usize = 96;
/// How long a client waits for more.
const PATIENCE: Duration = Duration::from_millis(300);
/// What a warm gateway may take more.
const GROWTH_KIB: u64 = 4 * 1024;
