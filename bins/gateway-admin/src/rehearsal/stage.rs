//! Where it is played: stand-ins for the providers, and a gateway of its own, all on loopback.

use std::{path::Path, time::Duration};

use ai_gateway_testkit::{Behaviour, Client, Provider, StandIn};
use clap::{CommandFactory as _, FromArgMatches as _, builder::Resettable};
use gateway_server::{Server, Settings};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::{
    cast::Cast,
    standing::Standing,
    trouble::{Effect, Trouble},
};
use crate::{
    client::Call,
    connection::Connection,
    failure::{Failure, chain},
    noun::Noun,
    output::Format,
    session::{Place, Session, text},
    telling::show_warnings,
};
use ai_gateway_model::Kind;

/// Stand-ins and a gateway that leads to them. Dropping it ends all of it.
pub(crate) struct Stage {
    stand_ins: Vec<StandIn>,
    usual: Behaviour,
    server: Server,
    /// A client of the gateway's proxy.
    pub(crate) client: Client,
    session: Session,
    upstream: String,
    names: Vec<String>,
    _folder: TempDir,
}

impl Stage {
    /// Builds it; `usual` is how stand-ins answer while nothing is wrong.
    pub(crate) async fn build(cast: &Cast, usual: Behaviour) -> Result<Self, Failure> {
        let mut stand_ins = Vec::new();
        for role in &cast.roles {
            let mut player = Provider::new(role.dialect)
                .name(&role.name)
                .behaviour(usual.clone());
            if !role.models.is_empty() {
                player = player.models(role.models.clone());
            }
            let started = player.start().await;
            stand_ins.push(started.map_err(|error| failed("a stand-in", &error))?);
        }
        let folder = TempDir::with_prefix("ai-gateway-rehearsal-")
            .map_err(|error| failed("a folder for the store", &error))?;
        let server = start_server(folder.path()).await?;
        let (Some(admin), Some(proxy)) = (server.admin_addr(), server.proxy_addr()) else {
            return Err(Failure::Rehearsal {
                message: "the rehearsal's gateway does not listen".to_owned(),
            });
        };
        let client = Client::new(&format!("http://{proxy}"))
            .map_err(|error| failed("a client", &error))?
            .within(PATIENCE);
        let urls: Vec<String> = stand_ins.iter().map(StandIn::url).collect();
        let session = session(&format!("http://{admin}"))?;
        configure(&session, &cast.document(&urls)).await?;
        Ok(Self {
            stand_ins,
            usual,
            server,
            client,
            session,
            upstream: cast.upstream.clone(),
            names: cast.roles.iter().map(|role| role.name.clone()).collect(),
            _folder: folder,
        })
    }

    /// Makes a target fail.
    pub(crate) async fn begin(&self, target: usize, trouble: &Trouble) {
        let Some(stand_in) = self.stand_ins.get(target) else {
            return;
        };
        match &trouble.effect {
            Effect::PortClosed => stand_in.stop().await,
            Effect::Answers(behaviour) => {
                let mut behaviour = Behaviour::clone(behaviour);
                behaviour.head_delay = self.usual.head_delay;
                behaviour.event_gap = self.usual.event_gap;
                stand_in.set_behaviour(behaviour);
            }
        }
    }

    /// Makes it answer as usual again.
    pub(crate) async fn end(&self, target: usize, trouble: &Trouble) -> Result<(), Failure> {
        let Some(stand_in) = self.stand_ins.get(target) else {
            return Ok(());
        };
        match &trouble.effect {
            Effect::PortClosed => stand_in
                .start_again()
                .await
                .map_err(|error| failed("a stand-in, again,", &error)),
            Effect::Answers(_) => {
                stand_in.set_behaviour(self.usual.clone());
                Ok(())
            }
        }
    }

    /// How the targets are now, in the cast's order.
    pub(crate) async fn standings(&self) -> Result<Vec<Standing>, Failure> {
        let health = self.session.health(&self.upstream).await?;
        let targets = health.get("items").and_then(Value::as_array);
        let targets: Vec<&Value> = targets.into_iter().flatten().collect();
        let of = |name: &String| {
            let target = targets.iter().find(|it| text(it, "name") == Some(name));
            target.map_or(Standing::Takes, |target| Standing::of(target))
        };
        Ok(self.names.iter().map(of).collect())
    }

    /// Ends it and removes all that it has kept.
    pub(crate) async fn clear(self) {
        self.server.stop().await;
    }
}

/// Starts a gateway that nothing outside of this process can set, see or reach.
async fn start_server(folder: &Path) -> Result<Server, Failure> {
    // The environment of an operator may well be that of the real gateway.
    let command = Settings::command().mut_args(|argument| argument.env(Resettable::Reset));
    let folder = format!("--data-dir={}", folder.display());
    let arguments = [
        "gateway-server",
        "--admin-listen=127.0.0.1:0",
        "--proxy-listen=127.0.0.1:0",
        "--drain-seconds=1",
        &folder,
    ];
    let settings = command
        .try_get_matches_from(arguments)
        .and_then(|matches| Settings::from_arg_matches(&matches))
        .map_err(|error| failed("the settings of the rehearsal's gateway", &error))?;
    let started = Server::start(&settings).await;
    started.map_err(|error| failed("the rehearsal's gateway", &error))
}

/// A way to call the rehearsal's own Admin API.
fn session(url: &str) -> Result<Session, Failure> {
    let server = Url::parse(url).map_err(|error| failed("an address", &error))?;
    Session::new(&Connection {
        server,
        token: None,
        token_file: None,
        gateway: None,
        output: Format::Json,
        timeout: 10,
    })
}

async fn configure(session: &Session, upstream: &Value) -> Result<(), Failure> {
    let place = Place::within(Noun::Object(Kind::Upstream));
    show_warnings(&session.create(&place, upstream).await?);
    // Nobody else can reach it, so that nobody needs a key.
    let open = json!({ "require_key": false });
    let path = ["gateways", session.gateway().await?];
    let call = Call::new(Method::PATCH, &path, Some(&open));
    session.client.send(call).await?;
    Ok(())
}

fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::Rehearsal {
        message: format!("{what} could not be started: {}", chain(error)),
    }
}

/// How long a client waits for an answer, and for each piece of a stream.
const PATIENCE: Duration = Duration::from_secs(30);
