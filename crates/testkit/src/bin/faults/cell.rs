//! Plays one row in one form over one protocol, and holds what came of it against what was to.

use std::time::Duration;

use ai_gateway_testkit::{
    Behaviour, Dialect, Gateway, Provider, RawServer, Received, Served, StandIn, Unreachable,
};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::asking::{Form, Heard, Protocol, Question};
use crate::heard::{self, End};
use crate::row::{Blame, Expected, Row, Upset};
use crate::rows::RAW_TEXT;
use crate::scenes::Own;
use crate::tls::Front;

/// One cell of the table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) row: Row,
    pub(crate) form: Form,
    pub(crate) protocol: Protocol,
}

/// The first target, for as long as it is needed.
enum First {
    StandIn(StandIn),
    Raw(RawServer),
    Unreachable(Unreachable),
    Front(Front),
    Nowhere,
}

impl Cell {
    /// Plays it below `/{name}`.
    ///
    /// # Errors
    ///
    /// What was not as expected.
    pub(crate) async fn play(&self, gateway: &Gateway, own: &Own, name: &str) -> Result<()> {
        if let Upset::Scene(scene) = &self.row.upset {
            return scene.play(gateway, own, name, self.question()).await;
        }
        let first = self.first().await?;
        let second = Provider::new(self.row.dialect)
            .name("second")
            .behaviour(self.row.second.clone())
            .start()
            .await?;
        gateway.route(name, &self.upstream(&first, &second)).await?;
        let played = match &first {
            First::StandIn(stand_in) if self.row.upset.has_client_leave() => {
                self.leave(gateway, name, stand_in).await
            }
            _ => self.ask(gateway, name, &first).await,
        };
        let checked = match played {
            Ok(()) => self.check_health(gateway, name).await,
            failed => failed,
        };
        gateway.unroute(name).await?;
        checked
    }

    fn question(&self) -> Question {
        Question {
            protocol: self.protocol,
            form: self.form,
            dialect: self.row.dialect,
            offers_tool: self.row.offers_tool,
        }
    }

    fn expected(&self) -> Result<Expected> {
        self.row.expected(self.form).context("no such cell")
    }

    async fn first(&self) -> Result<First> {
        let stand_in = Provider::new(self.row.dialect).name("first").start();
        Ok(match &self.row.upset {
            Upset::Behaves(behaviour) => {
                let stand_in = stand_in.await?;
                stand_in.set_behaviour(behaviour.clone());
                First::StandIn(stand_in)
            }
            Upset::Once(behaviour) => {
                let stand_in = stand_in.await?;
                stand_in.script([behaviour.clone()]);
                First::StandIn(stand_in)
            }
            Upset::Down => {
                let stand_in = stand_in.await?;
                stand_in.stop().await;
                First::StandIn(stand_in)
            }
            Upset::LeftBeforeHead | Upset::LeftInBody => {
                let stand_in = stand_in.await?;
                let is_early = matches!(self.row.upset, Upset::LeftBeforeHead);
                stand_in.set_behaviour(Behaviour {
                    head_delay: Duration::from_secs(if is_early { 60 } else { 0 }),
                    event_gap: Duration::from_millis(120),
                    ..Behaviour::default()
                });
                First::StandIn(stand_in)
            }
            Upset::Raw(cue, steps) => First::Raw(RawServer::start(*cue, steps.clone()).await?),
            Upset::RawTls(steps) => {
                let cue = ai_gateway_testkit::RawCue::Connected;
                First::Raw(RawServer::start(cue, steps.clone()).await?)
            }
            Upset::Tls(certificate) => {
                First::Front(Front::start(*certificate, stand_in.await?).await?)
            }
            Upset::Scene(_) => bail!("a scene has its own targets"),
            Upset::Unreachable => First::Unreachable(Unreachable::start().await?),
            Upset::NoSuchHost => First::Nowhere,
        })
    }

    fn upstream(&self, first: &First, second: &StandIn) -> Value {
        let url = match first {
            First::StandIn(stand_in) => stand_in.url(),
            First::Raw(server) if matches!(self.row.upset, Upset::RawTls(_)) => {
                format!("https://{}", server.address())
            }
            First::Raw(server) => format!("http://{}", server.address()),
            First::Front(front) => front.url(),
            First::Unreachable(nobody) => format!("http://{}", nobody.address()),
            First::Nowhere => "http://no-such-host.invalid".to_owned(),
        };
        let mut targets = vec![self.target("first", &url, 1)];
        if self.row.has_second {
            targets.push(self.target("second", &second.url(), 2));
        }
        let mut upstream = json!({
            "targets": targets,
            "retry": { "backoff": "10ms", "max_wait": "2s" },
            "timeouts": {
                "connect": "400ms", "response_head": "1500ms", "first_token": "1500ms",
                "stream_idle": "1500ms", "total": "15s",
            },
            "health_checks": { "passive": { "threshold": 100, "success_rate": false } },
        });
        if let (Some(upstream), Some(more)) =
            (upstream.as_object_mut(), self.row.settings.as_object())
        {
            upstream.extend(more.clone());
        }
        upstream
    }

    fn target(&self, name: &str, url: &str, priority: u32) -> Value {
        let dialect = self.row.dialect;
        let (path, headers) = match dialect {
            Dialect::OpenAi => ("/v1/chat/completions", json!({})),
            Dialect::Anthropic => ("/v1/messages", json!({ "anthropic-version": "2023-06-01" })),
            Dialect::Responses => ("/v1/responses", json!({})),
            // Their paths follow from the provider.
            Dialect::Gemini
            | Dialect::Vertex
            | Dialect::VertexAnthropic
            | Dialect::Azure
            | Dialect::Bedrock
            | Dialect::Cohere => {
                let url = format!("{url}{}", dialect.base_path());
                return json!({
                    "name": name, "provider": dialect.as_str(), "base_url": url,
                    "priority": priority,
                });
            }
        };
        json!({
            "name": name, "base_url": url, "priority": priority, "path": path, "headers": headers,
            "prefill": "last_message",
        })
    }

    async fn ask(&self, gateway: &Gateway, name: &str, first: &First) -> Result<()> {
        for _ in 0..self.row.asks {
            let heard = self.question().ask(gateway.proxy, name).await?;
            self.check(&heard, first)?;
        }
        Ok(())
    }

    fn check(&self, heard: &Heard, first: &First) -> Result<()> {
        let expected = self.expected()?;
        let (end, text) = heard::read(self.question(), heard);
        ensure!(
            (heard.status, end) == (expected.status, expected.end),
            "{} {end:?}, not {} {:?}: {text}",
            heard.status,
            expected.status,
            expected.end
        );
        let target = heard.header("x-gateway-target");
        ensure!(target == expected.target, "served by {target:?}");
        let attempts = heard.header("x-gateway-attempts");
        let is_told = expected.attempts > 0;
        ensure!(
            !is_told || attempts == expected.attempts.to_string(),
            "{attempts} attempts, not {}",
            expected.attempts
        );
        let retry_after = heard.header("retry-after");
        ensure!(
            expected
                .retry_after
                .is_none_or(|after| after == retry_after),
            "retry-after {retry_after:?}"
        );
        if let (First::Front(front), "second") = (first, target) {
            ensure!(front.requests() == 0, "it was talked to all the same");
        }
        let words = match (target, first) {
            ("first" | "", First::Raw(_)) => RAW_TEXT.to_owned(),
            ("", _) => said_by("first"),
            (target, _) => said_by(target),
        };
        let is_right = match expected.end {
            End::Whole => text == words,
            // What a tool is called with is no text.
            End::ErrorEvent if self.row.offers_tool => text.is_empty(),
            End::ErrorEvent => !text.is_empty() && words.starts_with(&text),
            End::Error | End::Wrong => true,
        };
        ensure!(is_right, "the text is {text:?}");
        Ok(())
    }

    /// Asks, and goes away before it is over.
    async fn leave(&self, gateway: &Gateway, name: &str, first: &StandIn) -> Result<()> {
        let begun = self.question().begin(gateway.proxy, name);
        if matches!(self.row.upset, Upset::LeftBeforeHead) {
            let reached = first.wait_until(|all| !all.is_empty(), SOON);
            tokio::select! {
                begun = begun => bail!("there was to be no answer: {:?}", begun.err()),
                reached = reached => ensure!(reached, "it was not asked"),
            }
        } else {
            let mut begun = begun.await?;
            begun.first().await?;
        }
        let left = |all: &[Received]| all.iter().all(|one| one.served == Served::Cancelled);
        ensure!(
            first.wait_until(left, SOON).await,
            "it was not told that the client left"
        );
        Ok(())
    }

    /// Whom it was held against, and that every place is free again.
    async fn check_health(&self, gateway: &Gateway, name: &str) -> Result<()> {
        let is_free = |target: &Value| target.get("in_flight").is_some_and(|count| count == 0);
        let all_free = async {
            loop {
                let health = gateway.health(name).await?;
                if !health.is_empty() && health.iter().all(is_free) {
                    return anyhow::Ok(health);
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let health = timeout(SOON, all_free)
            .await
            .context("a place is not free again")??;
        let first = health.first().context("no first target")?;
        let failure = first.pointer("/last_error/kind").and_then(Value::as_str);
        let is_cooling = first
            .get("cooling_until")
            .is_some_and(|until| !until.is_null());
        let is_healthy = first.get("state").is_some_and(|state| state == "healthy");
        let found = match (failure, is_cooling, is_healthy) {
            (_, _, false) => Blame::Out,
            (Some(kind), _, _) => Blame::Failure(known(kind)),
            (None, true, _) => Blame::Cools,
            (None, false, true) => Blame::Nobody,
        };
        let expected = self.expected()?.blame;
        let has_cooled = matches!(self.row.upset, Upset::Once(_)) && found == Blame::Cools;
        ensure!(
            found == expected || has_cooled,
            "held against it: {found:?}, not {expected:?}"
        );
        let second = health
            .get(1)
            .and_then(|second| second.pointer("/last_error/kind"));
        let is_good = self.row.second.fault.is_none();
        ensure!(
            second.is_none() == is_good,
            "held against the second: {second:?}"
        );
        Ok(())
    }
}

impl Upset {
    fn has_client_leave(&self) -> bool {
        matches!(self, Self::LeftBeforeHead | Self::LeftInBody)
    }
}

/// What a stand-in answers to the question of every cell.
fn said_by(name: &str) -> String {
    format!("{name} stand-in here, serving m. You said: hello")
}

/// The kind's name, for as long as the program runs.
fn known(kind: &str) -> &'static str {
    const KINDS: [&str; 5] = ["connect", "status", "malformed", "timeout", "stream"];
    let found = KINDS.into_iter().find(|known| *known == kind);
    found.unwrap_or("an unknown kind")
}

const SOON: Duration = Duration::from_secs(5);
