//! `ai-gateway-balancer` alone, inside a small proxy that knows nothing else of this project.
//!
//! [`proxy`] is the part to copy: some hundred lines of hyper around a balancer. This file starts
//! three backends and the proxy, sends requests through it, breaks one backend and mends it again.
//!
//! ```text
//! cargo run --example balancer-only
//! ```

mod backend;
mod proxy;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write as _, stdout};
use std::time::Duration;

use ai_gateway_balancer::{Algorithm, Balancer, Event, Settings, Target, Transition};
use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::backend::Backend;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let backends = [
        Backend::start("small").await?,
        Backend::start("medium").await?,
        Backend::start("large").await?,
    ];
    let [small, medium, large] = &backends;
    let balancer = Balancer::builder("backends")
        .algorithm(Algorithm::Weighted)
        // Three failures in a row take a backend out for half a second, then one request probes it.
        .health(Settings::passive().threshold(3).interval(Duration::from_millis(500)))
        .target(Target::new(small.name(), small.uri()).weight(1))
        .target(Target::new(medium.name(), medium.uri()).weight(2))
        .target(Target::new(large.name(), large.uri()).weight(3))
        .build()?;
    balancer.subscribe(tell_event);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let through: Uri = format!("http://{}/", listener.local_addr()?).parse()?;
    let mut servers = JoinSet::new();
    servers.spawn(proxy::serve(listener, balancer.clone()));
    say(&format!(
        "a proxy on {through} before three backends of weight 1, 2 and 3"
    ));

    say("60 requests, shared by weight:");
    let shares = ask(&through, 60).await?;
    tell(&shares);
    ensure(
        served(&shares) == [10, 20, 30],
        "the shares are those of the weights",
    )?;

    say("large breaks: the others take its share, and no caller notices:");
    large.break_down();
    let shares = ask(&through, 60).await?;
    tell(&shares);
    ensure(
        served(&shares).iter().sum::<usize>() == 60,
        "every request is answered",
    )?;
    ensure(
        !shares.contains_key("large"),
        "a broken backend serves nobody",
    )?;

    say("large is mended: a probe finds out, and it takes its share again:");
    large.mend();
    wait_for_large(&through).await?;
    for target in balancer.snapshot() {
        say(&format!(
            "  {:<8}{:?}, {} picks",
            target.id,
            target.state(),
            target.picks
        ));
    }
    Ok(())
}

/// Goes on asking until the mended backend serves again.
async fn wait_for_large(through: &Uri) -> Result<(), Failure> {
    let began = Instant::now();
    while !ask(through, 1).await?.contains_key("large") {
        ensure(
            began.elapsed() < Duration::from_secs(5),
            "a mended backend comes back",
        )?;
        sleep(Duration::from_millis(50)).await;
    }
    say(&format!(
        "  it serves again after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Sends `count` requests through the proxy and answers who served how many.
async fn ask(through: &Uri, count: usize) -> Result<BTreeMap<String, usize>, Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let answer = client.get(through.clone()).await?;
        if answer.status().is_success() {
            let body = answer.into_body().collect().await?.to_bytes();
            *shares
                .entry(String::from_utf8_lossy(&body).into_owned())
                .or_default() += 1;
        }
    }
    Ok(shares)
}

fn tell_event(event: &Event) {
    let text = match &event.transition {
        Transition::Ejected { reason, .. } => format!("taken out ({reason:?})"),
        Transition::Recovered => "back, with a growing share".to_owned(),
        Transition::RampEnded => "back to its whole share".to_owned(),
        other => format!("{other:?}"),
    };
    say(&format!("  {}: {text}", event.target));
}

fn served(shares: &BTreeMap<String, usize>) -> [usize; 3] {
    ["small", "medium", "large"].map(|name| shares.get(name).copied().unwrap_or(0))
}

fn tell(shares: &BTreeMap<String, usize>) {
    for (name, count) in shares {
        say(&format!("  {name:<8}{} {count}", "█".repeat(*count)));
    }
}

fn say(line: &str) {
    // Without a reader there is nothing to show, and nothing else to do.
    let written: io::Result<()> = writeln!(stdout(), "{line}");
    written.ok();
}

fn ensure(holds: bool, rule: &str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(format!("this does not hold: {rule}").into())
    }
}
