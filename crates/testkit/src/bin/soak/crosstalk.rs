//! Requests whose clients leave at random moments, over connections that are used again: does an
//! answer ever reach another request than its own?

mod ask;
mod marks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ai_gateway_testkit::Gateway;
use anyhow::{Context as _, Result, ensure};
use http_body_util::BodyExt as _;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use self::ask::{Ask, Leaves, Script};
use self::marks::Marks;
use crate::Stage;
use crate::line::{Leaving, Line, Protocol, Upload};
use crate::origin::{self, Answers, Asked, Next, Origin};
use crate::screen::{bar, count, line};

/// Makes `requests`, `at_once` at the same time; answers whether each got its own answer.
pub(crate) async fn run(stage: Stage<'_>, requests: u64, at_once: usize) -> Result<bool> {
    let origin = Origin::start(Arc::new(Echo)).await?;
    // A line for each request would be most of the work.
    let told = [
        "--log",
        "warn",
        "--max-requests-per-connection",
        "4000000000",
    ];
    let gateway = Gateway::start(stage.program, stage.folder, &told).await?;
    let upstream = json!({ "targets": [{ "name": "echo", "base_url": origin.url }] });
    gateway.route(NAME, &upstream).await?;
    let work = Arc::new(Work {
        proxy: gateway.proxy,
        seed: stage.seed,
        requests,
        begun: AtomicU64::new(0),
        bar: bar(requests, "requests"),
    });
    let began = Instant::now();
    let tally = Work::share(&work, at_once).await?;
    work.bar.finish_and_clear();
    let took = began.elapsed();
    let left = left_running(&gateway).await?;
    let health = gateway.health(NAME).await?;
    let harmed = health
        .iter()
        .filter(|target| ai_gateway_testkit::is_harmed(target))
        .count();
    tally.print(took);
    count(left, "requests that the gateway still holds, to be 0");
    count(
        origin.malformed(),
        "requests at the target that are none, to be 0",
    );
    line(&format!(
        "  {} panics, {harmed} of {} targets harmed, {} KiB; seed {}",
        gateway.panics(),
        health.len(),
        gateway.memory_kib(),
        stage.seed
    ));
    let is_quiet = gateway.panics() == 0 && harmed == 0 && origin.malformed() == 0 && left == 0;
    Ok(tally.is_good(requests) && is_quiet && health.len() == 1)
}

/// Waits until the gateway has given up what nobody waits for; answers how much is left.
async fn left_running(gateway: &Gateway) -> Result<u64> {
    let patience = Instant::now() + LONG;
    loop {
        let left = gateway.metric("aigw_requests_inflight").await?;
        let left = left.context("no count of requests")?;
        if left == 0.0 || Instant::now() > patience {
            return Ok(format!("{left:.0}").parse().unwrap_or(u64::MAX));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What is to be done, by all clients together.
struct Work {
    proxy: SocketAddr,
    seed: u64,
    requests: u64,
    begun: AtomicU64,
    bar: ProgressBar,
}

/// How a client is connected. Several share a connection of HTTP/2.
struct Seat {
    protocol: Protocol,
    leaving: Leaving,
    line: Arc<Mutex<Option<Line>>>,
}

/// What came of a request.
enum Heard {
    /// Its answer, whole.
    Own,
    /// So far as it was wanted, it was its own.
    Left,
    Foreign(String),
    /// Its own, and not whole or not in order.
    Broken(String),
}

#[derive(Debug, Default)]
struct Tally {
    own: u64,
    left: u64,
    foreign: u64,
    broken: u64,
    first_wrong: Option<String>,
}

impl Work {
    /// Has so many clients make the requests.
    async fn share(work: &Arc<Self>, clients: usize) -> Result<Tally> {
        let mut working = JoinSet::new();
        let mut shared = Arc::default();
        for client in 0..clients {
            let protocol = Protocol::of(client);
            // The first of each group of HTTP/2 begins a connection for it.
            if client % CLIENTS_A_CONNECTION == 1 {
                shared = Arc::default();
            }
            let seat = Seat {
                protocol,
                leaving: Leaving::of(client / 2),
                line: match protocol {
                    Protocol::Http1 => Arc::default(),
                    Protocol::Http2 => Arc::clone(&shared),
                },
            };
            let work = Arc::clone(work);
            working.spawn(async move { work.by(seat).await });
        }
        let mut tally = Tally::default();
        while let Some(made) = working.join_next().await {
            tally.add(made?);
        }
        Ok(tally)
    }

    /// Makes requests one after the other until there are enough.
    async fn by(&self, seat: Seat) -> Tally {
        let mut tally = Tally::default();
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return tally;
            }
            let ask = Ask::draw(self.seed, number);
            let made = timeout(LONG, self.make(&seat, &ask)).await;
            let heard = made
                .map_err(|_| anyhow::anyhow!("no answer within {} s", LONG.as_secs()))
                .and_then(|heard| heard)
                .unwrap_or_else(|error| Heard::Broken(format!("{error:#}")));
            tally.note(heard, number);
            self.bar.inc(1);
        }
    }

    async fn make(&self, seat: &Seat, ask: &Ask) -> Result<Heard> {
        let mut line = seat.take(self.proxy).await?;
        let body = ask.body().to_string();
        let path = format!("/{NAME}{}", ask.path());
        let upload = match ask.leaves {
            Leaves::Asking => Upload::half(body),
            _ => Upload::whole(body),
        };
        let patience = match ask.leaves {
            Leaves::Asking => Duration::from_millis(2),
            Leaves::Waiting(patience) => patience,
            Leaves::Never | Leaves::Reading(_) => LONG,
        };
        let Ok(answer) = timeout(patience, line.post(&path, upload)).await else {
            ensure!(patience < LONG, "no head within {} s", LONG.as_secs());
            return Ok(Heard::Left);
        };
        let mut answer = answer?;
        let status = answer.status();
        let wanted = match ask.leaves {
            Leaves::Reading(bytes) => bytes,
            _ => usize::MAX,
        };
        let mut read = Vec::new();
        while read.len() < wanted {
            let Some(frame) = answer.body_mut().frame().await else {
                let heard = judge(ask, &read, true);
                if status != 200 {
                    let said = String::from_utf8_lossy(&read).into_owned();
                    return Ok(Heard::Broken(format!("{status}: {said}")));
                }
                drop(answer);
                seat.put_back(line).await;
                return Ok(heard);
            };
            if let Ok(data) = frame?.into_data() {
                read.extend_from_slice(&data);
            }
        }
        Ok(judge(ask, &read, false))
    }
}

/// Looks whose an answer is, and whether it is whole where it is to be.
fn judge(ask: &Ask, read: &[u8], is_over: bool) -> Heard {
    let shown = || {
        let shown = read.get(..read.len().min(300)).unwrap_or(read);
        String::from_utf8_lossy(shown).into_owned()
    };
    match Marks::read(read, ask.script.nonce) {
        Marks::Foreign(mark) => Heard::Foreign(format!("{mark} in {}", shown())),
        Marks::Disordered => Heard::Broken(format!("not in order: {}", shown())),
        Marks::Own(_) if !is_over => Heard::Left,
        Marks::Own(marks) => {
            let text = String::from_utf8_lossy(read);
            if marks == ask.script.marks && text.contains(ask.proof()) {
                Heard::Own
            } else {
                let (told, proof) = (ask.script.marks, ask.proof());
                Heard::Broken(format!(
                    "{marks} of {told} marks, or no {proof:?}, in {}",
                    shown()
                ))
            }
        }
    }
}

impl Seat {
    /// The connection that is there, or a new one.
    async fn take(&self, proxy: SocketAddr) -> Result<Line> {
        let mut kept = self.line.lock().await;
        let is_open = |line: &Line| !line.is_closed();
        match self.protocol {
            Protocol::Http1 => {
                if let Some(line) = kept.take().filter(is_open) {
                    return Ok(line);
                }
            }
            Protocol::Http2 => {
                let line = kept.as_ref().filter(|line| is_open(line));
                if let Some(line) = line.and_then(Line::again) {
                    return Ok(line);
                }
            }
        }
        let line = Line::connect(proxy, self.protocol, self.leaving).await?;
        *kept = line.again();
        Ok(line)
    }

    /// Keeps a connection whose answer was read to its end.
    async fn put_back(&self, line: Line) {
        if self.protocol == Protocol::Http1 {
            *self.line.lock().await = Some(line);
        }
    }
}

impl Tally {
    fn note(&mut self, heard: Heard, number: u64) {
        let wrong = match heard {
            Heard::Own => {
                self.own += 1;
                return;
            }
            Heard::Left => {
                self.left += 1;
                return;
            }
            Heard::Foreign(what) => {
                self.foreign += 1;
                format!("request {number} was answered {what}")
            }
            Heard::Broken(what) => {
                self.broken += 1;
                format!("request {number}: {what}")
            }
        };
        self.first_wrong.get_or_insert(wrong);
    }

    fn add(&mut self, other: Self) {
        self.own += other.own;
        self.left += other.left;
        self.foreign += other.foreign;
        self.broken += other.broken;
        self.first_wrong = self.first_wrong.take().or(other.first_wrong);
    }

    fn is_good(&self, requests: u64) -> bool {
        self.own + self.left == requests && self.own > 0 && self.left > 0
    }

    fn print(&self, took: Duration) {
        let all = self.own + self.left + self.foreign + self.broken;
        count(all, &format!("requests in {:.0} s", took.as_secs_f64()));
        count(self.own, "answered whole, each with its own marks");
        count(
            self.left,
            "left at a random moment, with none but their own so far",
        );
        count(self.foreign, "with a mark of another request, to be 0");
        count(self.broken, "otherwise not as they should be, to be 0");
        if let Some(wrong) = &self.first_wrong {
            line(&format!("  wrong: {wrong}"));
        }
    }
}

/// A target that answers as the question says.
struct Echo;

impl Answers for Echo {
    async fn answer(&self, asked: &Asked, to: &mut TcpStream) -> io::Result<Next> {
        let Some(script) = Script::read(asked.question()) else {
            return Ok(Next::Close);
        };
        pause(script.pause).await;
        let is_stream = asked.body.get("stream") == Some(&Value::Bool(true));
        let more = if script.closes {
            "connection: close\r\n"
        } else {
            ""
        };
        if is_stream {
            origin::begin_stream(to, more).await?;
            for number in 0..script.marks {
                let delta = json!({ "content": script.piece(number) });
                origin::send(to, &origin::chunk(&delta, &Value::Null)).await?;
                pause(script.pause).await;
            }
            origin::send(to, &origin::chunk(&json!({}), &json!("stop"))).await?;
            origin::send(to, "data: [DONE]\n\n").await?;
            origin::end_stream(to).await?;
        } else {
            let text: String = (0..script.marks)
                .map(|number| script.piece(number))
                .collect();
            origin::send_plain(to, 200, more, &origin::completion(&text)).await?;
        }
        Ok(if script.closes {
            Next::Close
        } else {
            Next::Request
        })
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

const NAME: &str = "crosstalk";
/// Clients that share a connection of HTTP/2, counted with as many of HTTP/1.1 beside them.
const CLIENTS_A_CONNECTION: usize = 16;
/// What takes longer has failed.
const LONG: Duration = Duration::from_secs(30);
