//! The gateways and proxies that are measured: how each is set up, started and spoken to.

mod gateway;
mod haproxy;
mod litellm;
mod nginx;
mod portkey;

use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

pub(crate) use self::gateway::Size;
use crate::messages;

/// How a request's dialect compares with its target's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    /// An OpenAI request for an OpenAI target.
    Same,
    /// An OpenAI request for an Anthropic target.
    Translated,
}

/// A peer that can be started and asked.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// What the table calls it.
    pub(crate) name: String,
    /// Its version, as it says itself.
    pub(crate) version: String,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Headers that same-dialect requests carry for it.
    pub(crate) same: Vec<(String, String)>,
    /// Headers of requests that it translates; `None` for one that translates nothing.
    pub(crate) translated: Option<Vec<(String, String)>>,
    /// What is on disk for it to run: a binary, or a folder with everything.
    pub(crate) footprint: Option<PathBuf>,
    /// Whether answers keep the provider's bytes.
    pub(crate) keeps_bytes: bool,
    /// Whether it can take part where answers are streams.
    pub(crate) can_stream: bool,
}

/// Sets a peer up, or says what it lacks.
pub(crate) type Prepare = fn(&Setup) -> anyhow::Result<Peer>;

/// What a peer is set up with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The stand-in provider.
    pub(crate) provider: SocketAddr,
    /// A folder for its files, in which `NAME/` is the peer's.
    pub(crate) directory: PathBuf,
    /// Where peers from package registries are installed.
    pub(crate) installed: PathBuf,
    /// Where the binaries built from this repository are.
    pub(crate) binaries: PathBuf,
}

impl Peer {
    /// A whole request of `bytes` body bytes for this peer; `None` when it does not translate.
    pub(crate) fn request(
        &self,
        route: Route,
        bytes: usize,
        is_streaming: bool,
    ) -> Option<Vec<u8>> {
        let (headers, model) = match route {
            Route::Same => (&self.same, SAME_MODEL),
            Route::Translated => (self.translated.as_ref()?, TRANSLATED_MODEL),
        };
        let body = messages::request(model, bytes, is_streaming);
        let mut head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nuser-agent: OpenAI/Python 1.90.0\r\n\
             accept: application/json\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").ok()?;
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(&body);
        Some(request)
    }
}

/// The stand-in itself, asked without anything between.
pub(crate) fn direct(provider: SocketAddr) -> Peer {
    Peer {
        name: "direct".to_owned(),
        version: String::new(),
        command: Vec::new(),
        address: provider,
        same: bearer("sk-client"),
        translated: None,
        footprint: None,
        keeps_bytes: true,
        can_stream: true,
    }
}

/// The peers that are known by name, in the order of the table.
pub(crate) const KNOWN: &[(&str, Prepare)] = &[
    ("nginx", nginx::prepare),
    ("haproxy", haproxy::prepare),
    ("hyper", |setup| built("hyper", "peer-hyper", setup)),
    ("pingora", |setup| built("pingora", "peer-pingora", setup)),
    ("gateway", gateway::prepare),
    ("portkey", portkey::prepare),
    ("litellm", litellm::prepare),
];

/// The gateway with more in its store.
///
/// # Errors
///
/// When it is not built or refuses its configuration.
pub(crate) fn large(setup: &Setup, size: Size) -> anyhow::Result<Peer> {
    gateway::prepare_sized(setup, "gateway-large", Some(size))
}

/// What sets the peer `name` up.
///
/// # Errors
///
/// When there is no such peer.
pub(crate) fn known(name: &str) -> anyhow::Result<Prepare> {
    let found = KNOWN.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, prepare)| *prepare)
        .with_context(|| format!("no peer {name}"))
}

/// A peer given as `NAME=PORT=COMMAND`; `{upstream}` in the command stands for the stand-in's
/// address.
///
/// # Errors
///
/// When the text has another form.
pub(crate) fn given(text: &str, setup: &Setup) -> anyhow::Result<Peer> {
    let mut parts = text.splitn(3, '=');
    let (Some(name), Some(port), Some(command)) = (parts.next(), parts.next(), parts.next()) else {
        bail!("{text:?} is not NAME=PORT=COMMAND");
    };
    let port: u16 = port
        .parse()
        .with_context(|| format!("the port of {name}"))?;
    let command = command.replace("{upstream}", &setup.provider.to_string());
    Ok(Peer {
        name: name.to_owned(),
        version: String::new(),
        command: vec!["sh".to_owned(), "-c".to_owned(), format!("exec {command}")],
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        same: bearer("sk-client"),
        translated: None,
        footprint: None,
        keeps_bytes: false,
        can_stream: true,
    })
}

/// A proxy of this workspace that takes where to listen and where to send.
fn built(name: &str, binary: &str, setup: &Setup) -> anyhow::Result<Peer> {
    let program = setup.binaries.join(binary);
    if !program.exists() {
        bail!("{} is not built", program.display());
    }
    let address = free_address()?;
    Ok(Peer {
        name: name.to_owned(),
        version: String::new(),
        command: vec![
            program.display().to_string(),
            address.to_string(),
            setup.provider.to_string(),
        ],
        address,
        same: bearer("sk-client"),
        translated: None,
        footprint: Some(program),
        keeps_bytes: true,
        can_stream: true,
    })
}

fn bearer(key: &str) -> Vec<(String, String)> {
    vec![("authorization".to_owned(), format!("Bearer {key}"))]
}

/// An address on the loopback interface that nobody listens on just now.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// The peer's own folder, emptied.
fn own_directory(setup: &Setup, name: &str) -> anyhow::Result<PathBuf> {
    let directory = setup.directory.join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Finds `program` where Debian and shells keep programs.
fn find(program: &str, package: &str) -> anyhow::Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.exists())
        .with_context(|| format!("{program} is missing: apt-get install -y {package}"))
}

/// The first number with dots in what `command` prints about itself.
fn version_of(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let words = text.split(|letter: char| letter.is_whitespace() || letter == '/' || letter == 'v');
    let mut numbers = words.filter(|word| {
        word.contains('.') && word.starts_with(|letter: char| letter.is_ascii_digit())
    });
    numbers.next().unwrap_or_default().to_owned()
}

/// The model of the OpenAI target.
const SAME_MODEL: &str = "gpt-4o-mini";

/// The model of the Anthropic target.
const TRANSLATED_MODEL: &str = "claude-3-5-sonnet-20241022";
