//! Faults that it takes more than one request to show, or other targets than two.

mod clients;
mod processes;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Gateway, Provider, Received, Served, StandIn, is_harmed};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::asking::Question;
use crate::heard::{self, End};

pub(crate) use self::clients::Held;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scene {
    /// Two of four targets are slow.
    HalfSlow,
    /// A target that was out is well again, and many ask at once.
    Recovery,
    /// The first target is slower than usual, and a second one is asked beside it.
    Overtaken,
    /// The same, and the second fails.
    NotOvertaken,
    /// A configuration is written that is at fault.
    BadConfiguration,
    /// A client does not read what it asked for.
    SlowReader,
    /// A client does not send what it has begun.
    SlowClient(Held),
    /// The gateway is told to stop.
    Stopping,
    /// The gateway may open no more files.
    FilesGone,
}

/// What a scene needs that has a gateway of its own.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) program: PathBuf,
    /// A folder for the data of all.
    pub(crate) folder: PathBuf,
}

impl Scene {
    /// Plays it below `/{name}`.
    ///
    /// # Errors
    ///
    /// What was not as it should be.
    pub(crate) async fn play(
        self,
        gateway: &Gateway,
        own: &Own,
        name: &str,
        question: Question,
    ) -> Result<()> {
        match self {
            Self::Stopping => return own.stopping(name, question).await,
            Self::FilesGone => return own.files_gone(name, question).await,
            _ => {}
        }
        let stage = Stage {
            gateway,
            name,
            question,
        };
        let played = match self {
            Self::HalfSlow => stage.half_slow().await,
            Self::Recovery => stage.recovery().await,
            Self::Overtaken => stage.overtaken().await,
            Self::NotOvertaken => stage.not_overtaken().await,
            Self::BadConfiguration => stage.bad_configuration().await,
            Self::SlowReader => stage.slow_reader().await,
            Self::SlowClient(held) => stage.slow_client(held).await,
            // They have a gateway of their own.
            Self::Stopping | Self::FilesGone => Ok(()),
        };
        gateway.unroute(name).await?;
        played
    }
}

/// Where a scene is played.
#[derive(Clone, Copy)]
struct Stage<'a> {
    gateway: &'a Gateway,
    name: &'a str,
    question: Question,
}

impl Stage<'_> {
    async fn start(&self, name: &str) -> Result<StandIn> {
        Ok(Provider::new(self.question.dialect)
            .name(name)
            .start()
            .await?)
    }

    async fn two(&self) -> Result<(StandIn, StandIn)> {
        Ok((self.start("first").await?, self.start("second").await?))
    }

    /// Makes the way to `targets`, with `settings` over what is usual here.
    async fn route(&self, targets: Vec<Value>, settings: &Value) -> Result<()> {
        let mut upstream = json!({
            "targets": targets,
            "retry": { "backoff": false },
            "health_checks": { "passive": { "threshold": 100, "success_rate": false } },
        });
        if let (Some(upstream), Some(more)) = (upstream.as_object_mut(), settings.as_object()) {
            upstream.extend(more.clone());
        }
        Ok(self.gateway.route(self.name, &upstream).await?)
    }

    /// Asks once; answers who served it, whole.
    async fn ask(&self) -> Result<String> {
        ask(self.question, self.gateway.proxy, self.name).await
    }

    /// So many clients at once ask so many `times`; answers who served each request.
    async fn ask_at_once(&self, clients: usize, times: usize) -> Result<Vec<String>> {
        let mut asking = JoinSet::new();
        for _ in 0..clients {
            let (question, proxy) = (self.question, self.gateway.proxy);
            let name = self.name.to_owned();
            asking.spawn(async move {
                let mut served = Vec::new();
                for _ in 0..times {
                    served.push(ask(question, proxy, &name).await?);
                }
                anyhow::Ok(served)
            });
        }
        let served: Result<Vec<_>> = asking.join_all().await.into_iter().collect();
        Ok(served?.concat())
    }

    async fn half_slow(&self) -> Result<()> {
        let mut targets = Vec::new();
        let mut all = Vec::new();
        for name in ["slow-1", "quick-1", "slow-2", "quick-2"] {
            let stand_in = self.start(name).await?;
            if name.starts_with("slow") {
                stand_in.set_behaviour(late(SLOW));
            }
            targets.push(target(&stand_in, 1));
            all.push(stand_in);
        }
        let settings = json!({ "algorithm": "least-connections" });
        self.route(targets, &settings).await?;
        // Each client asks again once it was served: whoever is quick is asked more often.
        let served = self.ask_at_once(AT_ONCE, TIMES).await?.len();
        let slow = all.iter().filter(|one| one.name().starts_with("slow"));
        let slow: usize = slow.map(|one| one.requests().len()).sum();
        // By turns it would be half.
        ensure!(
            slow * 4 <= served,
            "{slow} of {served} went to the slow ones"
        );
        Ok(())
    }

    async fn recovery(&self) -> Result<()> {
        let (first, second) = self.two().await?;
        let passive = json!({ "threshold": 1, "base_ejection": "2s", "success_rate": false });
        let settings = json!({ "health_checks": { "passive": passive } });
        let targets = vec![target(&first, 1), target(&second, 2)];
        self.route(targets, &settings).await?;
        first.set_behaviour(Behaviour::status(500));
        ensure!(self.ask().await? == "second", "a 500 is no answer");
        ensure!(self.ask().await? == "second", "it is out");
        ensure!(first.requests().len() == 1, "it was asked while it was out");
        // So late that all the others have been served by then.
        first.set_behaviour(late(SLOW));
        sleep(Duration::from_millis(2300)).await;
        let served = self.ask_at_once(AT_ONCE, 1).await?;
        let tried = first.requests().len() - 1;
        ensure!(tried == 1, "{tried} of {AT_ONCE} tried it");
        let by_first = served.iter().filter(|target| *target == "first").count();
        ensure!(by_first == 1, "{by_first} of {AT_ONCE} were served by it");
        first.set_behaviour(Behaviour::default());
        let back = async {
            while self.ask().await? != "first" {
                sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        timeout(SOON, back).await.context("it takes no traffic")?
    }

    /// Targets that are known to be quick, and a second one is asked when the first is slow.
    async fn hedging(&self) -> Result<(StandIn, StandIn)> {
        let (first, second) = self.two().await?;
        let hedge = json!({ "min_delay": "40ms", "percent": 100 });
        let settings = json!({ "retry": { "backoff": false, "hedge": hedge } });
        let targets = vec![target(&first, 1), target(&second, 2)];
        self.route(targets, &settings).await?;
        for _ in 0..KNOWN {
            self.ask().await?;
        }
        Ok((first, second))
    }

    async fn overtaken(&self) -> Result<()> {
        let (first, _second) = self.hedging().await?;
        let before = first.requests().len();
        first.set_behaviour(late(Duration::from_secs(30)));
        ensure!(self.ask().await? == "second", "it was not overtaken");
        let left = |all: &[Received]| {
            let mut last = all.iter().skip(before);
            last.all(|one| one.served == Served::Cancelled) && all.len() == before + 1
        };
        ensure!(first.wait_until(left, SOON).await, "it was not cancelled");
        self.ensure_unharmed().await
    }

    async fn not_overtaken(&self) -> Result<()> {
        let (first, second) = self.hedging().await?;
        let before = second.requests().len();
        first.set_behaviour(late(SLOW));
        second.set_behaviour(Behaviour::status(500));
        ensure!(self.ask().await? == "first", "an error overtook it");
        ensure!(
            second.requests().len() == before + 1,
            "nobody else was asked"
        );
        Ok(())
    }

    async fn bad_configuration(&self) -> Result<()> {
        let first = self.start("first").await?;
        self.route(vec![target(&first, 1)], &json!({})).await?;
        let bad = json!({ "name": "first", "base_url": first.url(), "weight": 0 });
        let written = json!({ "name": self.name, "targets": [bad] });
        let path = format!("/api/v1/gateways/default/upstreams/{}", self.name);
        let body = Bytes::from(written.to_string());
        let answer = self.gateway.admin.send(Method::PUT, &path, body).await?;
        let (status, said) = (answer.status, answer.text());
        ensure!((400..500).contains(&status), "{status}: {said}");
        ensure!(
            said.contains("/targets/0/weight"),
            "it names no field: {said}"
        );
        ensure!(self.ask().await? == "first", "the old one serves no more");
        Ok(())
    }

    /// Nothing is held against any target.
    async fn ensure_unharmed(&self) -> Result<()> {
        let health = self.gateway.health(self.name).await?;
        let harmed: Vec<_> = health.iter().filter(|target| is_harmed(target)).collect();
        ensure!(
            harmed.is_empty() && !health.is_empty(),
            "harmed: {harmed:?}"
        );
        Ok(())
    }
}

async fn ask(question: Question, proxy: SocketAddr, name: &str) -> Result<String> {
    let heard = question.ask(proxy, name).await?;
    let (end, text) = heard::read(question, &heard);
    let outcome = (heard.status, end);
    ensure!(outcome == (200, End::Whole), "{outcome:?}: {text}");
    Ok(heard.header("x-gateway-target").to_owned())
}

fn target(stand_in: &StandIn, priority: u32) -> Value {
    json!({ "name": stand_in.name(), "base_url": stand_in.url(), "priority": priority })
}

fn late(head_delay: Duration) -> Behaviour {
    Behaviour {
        head_delay,
        ..Behaviour::default()
    }
}

/// Long beside whatever else takes time here, on a machine at work.
const SLOW: Duration = Duration::from_millis(1500);
const SOON: Duration = Duration::from_secs(10);
/// Requests at once.
const AT_ONCE: usize = 12;
/// How often each of them asks.
const TIMES: usize = 10;
/// Answers after which it is known what is usual.
const KNOWN: usize = 24;
