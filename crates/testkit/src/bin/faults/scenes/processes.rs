//! What befalls the gateway's process itself. Each scene has a gateway of its own.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Gateway, Provider, StandIn};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::{Own, SOON, ask, target};
use crate::asking::{Begun, Form, Question};
use crate::heard::{self, End};

impl Own {
    /// A gateway told `more`, run by a shell that does `first`.
    async fn gateway(&self, name: &str, first: &str, more: &[&str]) -> Result<Gateway> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let plain = Gateway::command(&self.program, &folder);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{first} exec \"$0\" \"$@\""));
        command.arg(&self.program).args(plain.as_std().get_args());
        command.args(more);
        Ok(Gateway::run(command).await?)
    }

    pub(super) async fn stopping(&self, name: &str, question: Question) -> Result<()> {
        let mut gateway = self.gateway(name, "", &["--drain-seconds", "3"]).await?;
        let (quick, slow) = (start("quick").await?, start("slow").await?);
        let takes = |millis, body_delay| Behaviour {
            event_gap: Duration::from_millis(millis),
            body_delay: match question.form {
                Form::Plain => body_delay,
                Form::Stream => Duration::ZERO,
            },
            ..Behaviour::default()
        };
        quick.set_behaviour(takes(40, Duration::from_millis(500)));
        slow.set_behaviour(takes(700, Duration::from_secs(60)));
        for stand_in in [&quick, &slow] {
            let upstream = json!({ "targets": [target(stand_in, 1)] });
            gateway.route(stand_in.name(), &upstream).await?;
        }
        let asked = |stand_in: &StandIn| {
            let (proxy, name) = (gateway.proxy, stand_in.name().to_owned());
            async move { question.ask(proxy, &name).await }
        };
        let stop = async {
            let is_asked = |all: &[ai_gateway_testkit::Received]| !all.is_empty();
            let asked =
                quick.wait_until(is_asked, SOON).await && slow.wait_until(is_asked, SOON).await;
            ensure!(asked, "a target was not asked");
            Ok(gateway.program.signal("TERM").await?)
        };
        let (in_time, late, stopped) = tokio::join!(asked(&quick), asked(&slow), stop);
        stopped?;
        let (in_time, late) = (in_time?, late?);
        let (end, text) = heard::read(question, &in_time);
        ensure!(
            (in_time.status, end) == (200, End::Whole),
            "{end:?}: {text}"
        );
        let (end, text) = heard::read(question, &late);
        let expected = match question.form {
            Form::Plain => (503, End::Error),
            Form::Stream => (200, End::ErrorEvent),
        };
        ensure!(
            (late.status, end) == expected,
            "{} {end:?}: {text}",
            late.status
        );
        let said = String::from_utf8_lossy(&late.body).into_owned();
        ensure!(said.contains("gateway_stopping"), "{said}");
        let status = gateway.program.wait(SOON).await?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    pub(super) async fn files_gone(&self, name: &str, question: Question) -> Result<()> {
        let more = [
            "--max-connections",
            "4000",
            "--max-connections-per-ip",
            "4000",
        ];
        let gateway = self.gateway(name, "ulimit -n 96;", &more).await?;
        let first = start("first").await?;
        first.set_behaviour(Behaviour {
            event_gap: Duration::from_millis(200),
            ..Behaviour::default()
        });
        let upstream = json!({ "targets": [target(&first, 1)] });
        gateway.route(name, &upstream).await?;
        let mut begun: Begun = question.begin(gateway.proxy, name).await?;
        begun.first().await?;
        let mut taken = Vec::new();
        for _ in 0..200 {
            taken.push(TcpStream::connect(gateway.proxy).await?);
        }
        let full = async {
            while gateway.open_files() < 96 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, full).await.context("it has files left")?;
        let heard = begun.rest().await?;
        // Its first bytes are read already.
        let (end, text) = heard::read(question, &heard);
        ensure!(end == End::Whole, "it ended {end:?}: {text}");
        drop(taken);
        first.set_behaviour(Behaviour::default());
        let served = timeout(SOON, ask(question, gateway.proxy, name)).await;
        let served = served.context("nobody is served any more")??;
        ensure!(served == "first", "served by {served}");
        Ok(())
    }
}

async fn start(name: &str) -> Result<StandIn> {
    Ok(Provider::openai().name(name).start().await?)
}
