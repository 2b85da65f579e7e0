//! The gateway's server, run as a child process and told what to do.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

use crate::{Answered, Client, ClientError, Program, ProgramError};

/// A running `gateway-server` with ports of its own on loopback. Dropping it kills it.
#[derive(Debug)]
pub struct Gateway {
    /// Where its proxy listens.
    pub proxy: SocketAddr,
    /// A client of its Admin API.
    pub admin: Client,
    /// The process, and what it printed.
    pub program: Program,
    /// From the start of the program until it said where it listens.
    pub took: Duration,
}

/// Why a gateway is not as it is needed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The program did not start, or did not say where it listens.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The Admin API did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What it said of its listener is no address.
    #[error("the gateway names no address: {line}")]
    Address {
        /// What it said.
        line: String,
    },
    /// The Admin API answered otherwise than it was to.
    #[error("{what} was answered {status}: {said}")]
    Refused {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// The body.
        said: String,
    },
}

impl Gateway {
    /// The command that starts `binary` with its data in `folder`, to be added to.
    pub fn command(binary: &Path, folder: &Path) -> Command {
        let mut command = Command::new(binary);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        command.args(["--proxy-listen", "127.0.0.1:0"]);
        command.arg("--data-dir").arg(folder);
        command
    }

    /// Starts `binary` with its data in `folder`, told `more` than that, and waits until it listens.
    ///
    /// # Errors
    ///
    /// [`GatewayError`] when it does not start within 30 s.
    pub async fn start(binary: &Path, folder: &Path, more: &[&str]) -> Result<Self, GatewayError> {
        let mut command = Self::command(binary, folder);
        command.args(more);
        Self::run(command).await
    }

    /// Runs what [`command`](Self::command) made, and waits until it listens.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn run(command: Command) -> Result<Self, GatewayError> {
        let began = Instant::now();
        let program = Program::start(command)?;
        let admin = last_word(&program.line_with("Admin API", SOON).await?);
        let proxy = last_word(&program.line_with("Proxy", SOON).await?);
        let address = proxy.trim_start_matches("http://").parse();
        Ok(Self {
            proxy: address.map_err(|_| GatewayError::Address { line: proxy })?,
            admin: Client::new(&admin)?,
            program,
            took: began.elapsed(),
        })
    }

    /// Makes an upstream, and a way to it below `/{name}`.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Refused`] when one of them is not made.
    pub async fn route(&self, name: &str, upstream: &Value) -> Result<(), GatewayError> {
        let mut upstream = upstream.clone();
        if let Some(fields) = upstream.as_object_mut() {
            fields.insert("name".to_owned(), json!(name));
        }
        let service = json!({ "name": name, "type": "upstream", "upstream": name });
        let rule = json!({
            "name": name, "path": format!("/{name}/*"), "service": name,
            "public": true, "strip_path": true,
        });
        for (collection, written) in [
            ("upstreams", &upstream),
            ("services", &service),
            ("rules", &rule),
        ] {
            let path = format!("{BASE}/{collection}");
            let made = self.admin.post(&path, written).await?;
            expect(&format!("{collection} {name}"), 201, &made)?;
        }
        Ok(())
    }

    /// Takes away what [`route`](Self::route) made.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Refused`] when one of them is not taken away.
    pub async fn unroute(&self, name: &str) -> Result<(), GatewayError> {
        for collection in ["rules", "services", "upstreams"] {
            let path = format!("{BASE}/{collection}/{name}");
            let gone = self.admin.send(Method::DELETE, &path, Bytes::new()).await?;
            expect(&format!("{collection} {name}"), 204, &gone)?;
        }
        Ok(())
    }

    /// How the targets of an upstream are.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Client`] when the Admin API does not answer.
    pub async fn health(&self, name: &str) -> Result<Vec<Value>, GatewayError> {
        let path = format!("{BASE}/upstreams/{name}/health");
        let health = self.admin.get(&path).await?;
        let items = health.json().get("items").cloned().unwrap_or_default();
        Ok(items.as_array().cloned().unwrap_or_default())
    }

    /// A metric without labels, as the Admin API shows it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Client`] when the Admin API does not answer.
    pub async fn metric(&self, name: &str) -> Result<Option<f64>, GatewayError> {
        let metrics = self.admin.get("/metrics").await?.text();
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.and_then(|value| value.trim().parse().ok()))
    }

    /// The memory it holds, in KiB; 0 where the system does not tell.
    pub fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    }

    /// The files and sockets it has open; 0 where the system does not tell.
    pub fn open_files(&self) -> usize {
        let entries = std::fs::read_dir(self.proc("fd"));
        entries.map_or(0, Iterator::count)
    }

    /// The arguments that anybody on the machine can read.
    ///
    /// # Errors
    ///
    /// What reading them met.
    pub fn arguments(&self) -> io::Result<Vec<u8>> {
        std::fs::read(self.proc("cmdline"))
    }

    fn proc(&self, file: &str) -> String {
        let id = self.program.id().unwrap_or_default();
        format!("/proc/{id}/{file}")
    }

    /// How many panics it has told of.
    pub fn panics(&self) -> usize {
        self.program.output().matches(PANIC).count()
    }
}

/// Whether something was held against a target, as [`Gateway::health`] shows it.
pub fn is_harmed(target: &Value) -> bool {
    let is_healthy = target.get("state").is_some_and(|state| state == "healthy");
    let has = |name: &str| target.get(name).is_some_and(|value| !value.is_null());
    let is_ejected = target.get("ejections").is_none_or(|count| count != 0);
    !is_healthy || has("last_error") || has("cooling_until") || is_ejected
}

fn expect(what: &str, status: u16, answered: &Answered) -> Result<(), GatewayError> {
    if answered.status == status {
        return Ok(());
    }
    Err(GatewayError::Refused {
        what: what.to_owned(),
        status: answered.status,
        said: answered.text(),
    })
}

fn last_word(line: &str) -> String {
    let word = line.split_whitespace().last();
    word.unwrap_or_default().to_owned()
}

/// What its log says of a panic, once each.
const PANIC: &str = "a defect of the gateway: please report it";
/// Where the first gateway's objects are.
const BASE: &str = "/api/v1/gateways/default";
/// A gateway that has not begun by then does not begin.
const SOON: Duration = Duration::from_secs(30);
