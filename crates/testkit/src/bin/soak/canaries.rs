//! Secrets that are nowhere else, through everything that a gateway does at its most talkative log
//! level, and then a look wherever it writes.

mod forms;
mod play;
mod sinks;

use ai_gateway_testkit::{Gateway, StandIn};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::forms::Canary;
use self::play::Play;
use self::sinks::{ARGUMENTS, LOG, Sinks};
use crate::Stage;
use crate::screen::{count, line};

/// Plays it all; answers whether no secret was told.
pub(crate) async fn run(stage: Stage<'_>) -> Result<bool> {
    let secrets = Secrets::draw(stage.seed);
    let data = stage.folder.join("data");
    let key_file = stage.folder.join("key");
    std::fs::write(&key_file, format!("Bearer {}", secrets.file))?;
    let mut command = Gateway::command(stage.program, &data);
    command
        .args(["--log", "trace", "--log-format", "json"])
        .env("AIGW_ADMIN_TOKEN", &secrets.token)
        .env("CANARY", format!("Bearer {}", secrets.environment));
    let mut gateway = Gateway::run(command).await?;
    gateway.admin = gateway
        .admin
        .header("authorization", &format!("Bearer {}", secrets.token));
    let mut sinks = Sinks::default();
    let client_key = {
        let mut play = Play::new(&gateway, &secrets, &key_file, &mut sinks).await?;
        play.everything().await?;
        play.seen()?;
        play.client_key
    };
    sinks.add(ARGUMENTS, "cmdline", gateway.arguments()?);
    gateway.program.terminate(PATIENCE).await?;
    let log = gateway.program.output();
    let lines = log.lines().filter(|line| line.contains("TRACE")).count();
    ensure!(lines > 100, "the log has {lines} lines of the level TRACE");
    sinks.add(LOG, "log", log.into_bytes());
    sinks.add_files(&data, &[MASTER])?;

    let mut canaries = secrets.canaries();
    canaries.push(Canary::new("key of a client", client_key.as_bytes()));
    let master = std::fs::read_to_string(data.join(MASTER)).context("no master key")?;
    // One line of it, behind what it is.
    let master = master
        .split([':', '\n'])
        .filter_map(|word| STANDARD.decode(word.trim()).ok());
    let mut master = master.filter(|key| key.len() == 32);
    canaries.push(Canary::new(
        "master key",
        &master.next().context("no master key in its file")?,
    ));
    let hits: Vec<_> = canaries
        .iter()
        .flat_map(|canary| sinks.find(canary))
        .collect();
    let names: Vec<_> = canaries.iter().map(|canary| canary.what).collect();
    count(canaries.len(), &format!("secrets: {}", names.join(", ")));
    for (name, pieces, bytes) in sinks.sizes() {
        count(bytes, &format!("bytes searched in {pieces} × {name}"));
    }
    count(hits.len(), "places that tell one, to be 0");
    for hit in &hits {
        let (sink, place, times) = (hit.sink, &hit.place, hit.times);
        line(&format!(
            "  told: {} in {sink}, {place}, {times} times",
            hit.what
        ));
    }
    count(gateway.panics(), "panics, to be 0");
    Ok(hits.is_empty() && gateway.panics() == 0)
}

/// What must not be told.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// Of a provider, as written.
    provider: String,
    /// Of a provider, from the environment.
    environment: String,
    /// Of a provider, from a file.
    file: String,
    /// Of a provider, in a query.
    query: String,
    /// Of AWS.
    aws: String,
    /// Of a provider, in a document with a fault.
    mistyped: String,
    /// Of the Admin API.
    token: String,
    /// Of nobody: a wrong token.
    wrong_token: String,
    /// Of nobody: a wrong key of a client.
    wrong_key: String,
    prompt: String,
    answer: String,
    /// In a header that is not passed on.
    cookie: String,
}

impl Secrets {
    fn draw(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut draw = |name: &str| {
            let letters: String = (0..32).map(|_| random.alphanumeric()).collect();
            format!("cnry{name}{letters}")
        };
        Self {
            provider: draw("provider"),
            environment: draw("environment"),
            file: draw("file"),
            query: draw("query"),
            aws: draw("aws"),
            mistyped: draw("mistyped"),
            token: draw("token"),
            wrong_token: draw("wrongtoken"),
            wrong_key: draw("wrongkey"),
            prompt: draw("prompt"),
            answer: draw("answer"),
            cookie: draw("cookie"),
        }
    }

    fn canaries(&self) -> Vec<Canary> {
        [
            ("key of a provider", &self.provider),
            ("key of a provider from the environment", &self.environment),
            ("key of a provider from a file", &self.file),
            ("key of a provider in a query", &self.query),
            ("secret key of AWS", &self.aws),
            ("key in a document at fault", &self.mistyped),
            ("token of the Admin API", &self.token),
            ("wrong token", &self.wrong_token),
            ("wrong key of a client", &self.wrong_key),
            ("prompt", &self.prompt),
            ("answer", &self.answer),
            ("cookie", &self.cookie),
        ]
        .map(|(what, secret)| Canary::new(what, secret.as_bytes()))
        .to_vec()
    }
}

/// Whether a stand-in was asked with this in its request.
fn has_heard(stand_in: &StandIn, secret: &str) -> bool {
    let canary = Canary::new("", secret.as_bytes());
    let requests = stand_in.requests();
    requests
        .iter()
        .any(|request| canary.count(&request.head) + canary.count(&request.body) > 0)
}

const MASTER: &str = "master.key";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(40);
