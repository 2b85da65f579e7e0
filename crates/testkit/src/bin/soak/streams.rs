//! Many streams at the same time: every byte is held against what the target told, and the
//! gateway's memory, files and tasks against what it had before.

mod samples;

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_testkit::Gateway;
use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::samples::Samples;
use crate::Stage;
use crate::crowd::{Crowd, Told};
use crate::line::Protocol;
use crate::origin::Origin;
use crate::screen::{bar, count, line};
use crate::teller::Teller;

/// Holds `streams` streams for so many minutes; answers whether all came whole, at a bounded price.
pub(crate) async fn run(stage: Stage<'_>, streams: u32, minutes: f64) -> Result<bool> {
    let most = (streams + 1_000).to_string();
    let limits = [
        "--max-connections",
        &most,
        "--max-connections-per-ip",
        &most,
    ];
    let gateway = Gateway::start(stage.program, stage.folder, &limits).await?;
    let before = warm_up(&gateway).await?;

    let (end, is_over) = watch::channel(false);
    let teller = Arc::new(Teller::new(GAP, is_over));
    let origin = route(&gateway, NAME, &teller).await?;
    let mut crowd = Crowd::new(gateway.proxy, NAME);
    let half = streams / 2;
    crowd.join(Protocol::Http1, 0..half).await?;
    let over_http1 = gateway.memory_kib();
    crowd.join(Protocol::Http2, half..streams).await?;
    let over_both = gateway.memory_kib();
    let time = Duration::from_secs_f64(minutes * 60.0);
    let samples = hold(&gateway, &mut crowd, time).await?;
    end.send_replace(true);
    let told = crowd.told(&teller).await?;
    gateway.unroute(NAME).await?;
    let after = Kept::back_at(&gateway, before).await?;

    print_told(&told, streams, time);
    let memory = Memory {
        http1: each(over_http1, before.memory_kib, half),
        http2: each(over_both, over_http1, streams - half),
        most: (samples.most() - to_f64(before.memory_kib)) / f64::from(streams),
    };
    memory.print();
    let slope = samples.slope();
    line(&format!("  while held {:.0} KiB: {slope}", samples.mean()));
    line(&format!("  before: {before}; after the end: {after}"));
    let is_quiet = origin.malformed() == 0 && gateway.panics() == 0;
    let is_bounded = memory.is_small() && slope.is_level() && after.is_back(before);
    Ok(told.is_good(streams) && is_quiet && is_bounded)
}

/// Brings the gateway to where it has done everything once, and answers what it holds then.
async fn warm_up(gateway: &Gateway) -> Result<Kept> {
    let (end, is_over) = watch::channel(false);
    let teller = Arc::new(Teller::new(Duration::from_millis(20), is_over));
    let _origin = route(gateway, "warm", &teller).await?;
    let mut crowd = Crowd::new(gateway.proxy, "warm");
    crowd.join(Protocol::Http1, 0..WARM).await?;
    crowd.join(Protocol::Http2, WARM..2 * WARM).await?;
    sleep(Duration::from_millis(200)).await;
    end.send_replace(true);
    let told = crowd.told(&teller).await?;
    anyhow::ensure!(told.is_good(2 * WARM), "no good warm-up: {told:?}");
    gateway.unroute("warm").await?;
    Kept::at_rest(gateway).await
}

async fn route(gateway: &Gateway, name: &str, teller: &Arc<Teller>) -> Result<Origin> {
    let origin = Origin::start(Arc::clone(teller)).await?;
    let upstream = json!({
        "targets": [{ "name": "teller", "base_url": origin.url }],
        "timeouts": { "total": "24h" },
    });
    gateway.route(name, &upstream).await?;
    Ok(origin)
}

/// Holds all streams for `time`, and looks at the gateway's memory meanwhile.
async fn hold(gateway: &Gateway, crowd: &mut Crowd, time: Duration) -> Result<Samples> {
    let bar = bar(time.as_secs().max(1), "s held");
    let mut samples = Samples::default();
    let mut looks = interval((time / 200).clamp(Duration::from_millis(50), Duration::from_secs(5)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    while began.elapsed() < time {
        tokio::select! {
            _ = looks.tick() => {}
            ended = crowd.until_one_ends() => ended?,
        }
        let memory = gateway.memory_kib();
        samples.add(began.elapsed().as_secs_f64(), memory);
        bar.set_position(began.elapsed().as_secs());
        bar.set_message(format!("{memory} KiB"));
    }
    bar.finish_and_clear();
    Ok(samples)
}

/// What a gateway holds that does nothing.
#[derive(Clone, Copy, Debug)]
struct Kept {
    memory_kib: u64,
    files: usize,
    tasks: Option<u32>,
}

impl Kept {
    async fn now(gateway: &Gateway) -> Result<Self> {
        let tasks = gateway.metric("aigw_runtime_tasks").await?;
        let tasks = tasks.context("no count of tasks")?;
        Ok(Self {
            memory_kib: gateway.memory_kib(),
            files: gateway.open_files(),
            // A count; whole and small.
            tasks: format!("{tasks:.0}").parse().ok(),
        })
    }

    /// What it holds once it holds the same for a while.
    async fn at_rest(gateway: &Gateway) -> Result<Self> {
        let mut kept = Self::now(gateway).await?;
        let mut same = 0;
        let patience = Instant::now() + PATIENCE;
        while same < 8 && Instant::now() < patience {
            sleep(Duration::from_millis(250)).await;
            let now = Self::now(gateway).await?;
            let is_same = (now.files, now.tasks) == (kept.files, kept.tasks);
            same = if is_same { same + 1 } else { 0 };
            kept = now;
        }
        Ok(kept)
    }

    /// What it holds once that is no more than `before`, or after a while.
    async fn back_at(gateway: &Gateway, before: Self) -> Result<Self> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let now = Self::now(gateway).await?;
            if now.is_back(before) || Instant::now() > patience {
                return Ok(now);
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    fn is_back(self, before: Self) -> bool {
        self.files <= before.files && self.tasks <= before.tasks
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tasks = self.tasks.unwrap_or_default();
        let Self {
            memory_kib, files, ..
        } = self;
        write!(f, "{memory_kib} KiB, {files} open files, {tasks} tasks")
    }
}

/// KiB that one stream costs.
struct Memory {
    http1: f64,
    http2: f64,
    /// Over both, at the worst moment.
    most: f64,
}

impl Memory {
    fn print(&self) {
        let Self { http1, http2, most } = self;
        line(&format!(
            "  a stream costs {http1:.1} KiB over HTTP/1.1, {http2:.1} KiB over HTTP/2, over both \
             {most:.1} KiB at most; allowed {LARGEST_KIB}"
        ));
    }

    fn is_small(&self) -> bool {
        let all = [self.http1, self.http2, self.most];
        all.iter().all(|&kib| kib <= LARGEST_KIB)
    }
}

fn each(kib: u64, before: u64, streams: u32) -> f64 {
    to_f64(kib.saturating_sub(before)) / f64::from(streams.max(1))
}

fn to_f64(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from)
}

fn print_told(told: &Told, streams: u32, time: Duration) {
    let wrong = &told.wrong;
    count(
        streams,
        &format!("streams held for {:.0} s", time.as_secs_f64()),
    );
    count(told.whole, "of them whole, byte for byte as they were told");
    count(told.events, "events");
    count(wrong.lost, "events lost, to be 0");
    count(wrong.doubled, "events doubled, to be 0");
    count(wrong.reordered, "events out of their order, to be 0");
    count(wrong.foreign, "events of another stream, to be 0");
    count(wrong.garbled, "events otherwise not as told, to be 0");
    if let Some(first) = told.first_wrong() {
        line(&format!("  wrong: {first}"));
    }
}

const NAME: &str = "streams";
/// Streams of the warm-up, over each protocol.
const WARM: u32 = 50;
/// Between two events of a stream.
const GAP: Duration = Duration::from_secs(1);
/// What one stream may cost.
const LARGEST_KIB: f64 = 64.0;
/// How long a gateway may take to give everything back.
const PATIENCE: Duration = Duration::from_secs(30);
