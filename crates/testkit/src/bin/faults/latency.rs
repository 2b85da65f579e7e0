//! How much time a failover adds to a request.

use std::time::{Duration, Instant};

use ai_gateway_testkit::{Dialect, Gateway, Provider, RawCue, RawServer, RawStep, StandIn};
use anyhow::{Result, ensure};
use serde_json::json;

use crate::asking::{Form, Protocol, Question};
use crate::table::line;

/// Asks `count` times each: a good target alone, one behind a target that refuses connections, one
/// behind a target that answers 500; prints the medians and what the failures add.
pub(crate) async fn measure(gateway: &Gateway, count: usize) -> Result<bool> {
    let [good, down] = [start("good").await?, start("down").await?];
    down.stop().await;
    // It has its answer ready: what it takes itself is nothing of the gateway's.
    let broken = RawServer::start(RawCue::Asked, vec![RawStep::send(FAILED)]).await?;
    let cases = [
        ("l-direct", None),
        ("l-refused", Some(down.url())),
        ("l-500", Some(format!("http://{}", broken.address()))),
    ];
    for (name, first) in &cases {
        gateway
            .route(name, &upstream(first.as_deref(), &good))
            .await?;
    }
    let mut times: [Vec<Duration>; 3] = Default::default();
    // In turns, so that whatever else the machine does falls on all alike.
    for _ in 0..count {
        for ((name, _), times) in cases.iter().zip(&mut times) {
            times.push(ask(gateway, name).await?);
        }
    }
    let [direct, refused, failed] = times.map(median);
    let added = [refused, failed].map(|time| time.saturating_sub(direct));
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    line(&format!(
        "added by a failover, median of {count}: refused {:.2} ms, 500 {:.2} ms (a request without: \
         {:.2} ms)",
        millis(added[0]),
        millis(added[1]),
        millis(direct)
    ));
    for (name, _) in cases {
        gateway.unroute(name).await?;
    }
    Ok(added.into_iter().all(|time| time <= BOUND))
}

async fn start(name: &str) -> Result<StandIn> {
    Ok(Provider::openai().name(name).start().await?)
}

fn upstream(first: Option<&str>, good: &StandIn) -> serde_json::Value {
    let good = good.url();
    let targets = first.map(|first| (first, 1)).into_iter();
    let targets = targets.chain([(good.as_str(), 2)]);
    let target = |(url, priority): (&str, u32)| json!({ "base_url": url, "priority": priority });
    json!({
        "targets": targets.map(target).collect::<Vec<_>>(),
        "retry": { "backoff": false },
        "health_checks": { "passive": { "threshold": 10_000, "success_rate": false } },
    })
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
async fn ask(gateway: &Gateway, name: &str) -> Result<Duration> {
    let question = Question {
        protocol: Protocol::Http1,
        form: Form::Plain,
        dialect: Dialect::OpenAi,
        offers_tool: false,
    };
    let began = Instant::now();
    let heard = question.ask(gateway.proxy, name).await?;
    let time = began.elapsed();
    ensure!(heard.status == 200, "{name}: {}", heard.status);
    Ok(time)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// What a failover may add, in a gateway that was built to be fast.
const BOUND: Duration = Duration::from_millis(2);
const FAILED: &str = concat!(
    "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n",
    "content-length: 33\r\n\r\n{\"error\":{\"message\":\"it failed\"}}",
);
