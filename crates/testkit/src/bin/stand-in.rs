//! Runs one stand-in until it is told to end (Ctrl-C or SIGTERM).

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Dialect, Provider};
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Plays a provider on loopback, for trying the gateway without keys or network.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
struct Arguments {
    /// Whose API to play.
    #[arg(long, value_enum)]
    dialect: DialectName,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where else the control endpoints listen, so that the stand-in can be stopped and started.
    #[arg(long)]
    control: Option<SocketAddr>,
    /// What it calls itself in its answers; the dialect by default.
    #[arg(long)]
    name: Option<String>,
    /// The only API key it lets in; any by default. Bedrock's is ID:SECRET, by which requests must
    /// be signed, or a key that is sent as it is.
    #[arg(long)]
    key: Option<String>,
    /// A model it serves; repeatable. Every model by default.
    #[arg(long = "model")]
    models: Vec<String>,
    /// Milliseconds before the head of an answer.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Milliseconds between two events of a stream.
    #[arg(long, default_value_t = 0)]
    event_gap: u64,
}

const AFTER_HELP: &str = "\
Examples:
  stand-in --dialect openai --listen 127.0.0.1:9001
  curl -X PUT 127.0.0.1:9001/__control/behaviour -d '{\"fault\": {\"kind\": \"status\", \"status\": 503}}'
  curl 127.0.0.1:9001/__control/requests";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectName {
    Openai,
    Anthropic,
    Responses,
    Gemini,
    Vertex,
    VertexAnthropic,
    Azure,
    Bedrock,
    Cohere,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let dialect = match arguments.dialect {
        DialectName::Openai => Dialect::OpenAi,
        DialectName::Anthropic => Dialect::Anthropic,
        DialectName::Responses => Dialect::Responses,
        DialectName::Gemini => Dialect::Gemini,
        DialectName::Vertex => Dialect::Vertex,
        DialectName::VertexAnthropic => Dialect::VertexAnthropic,
        DialectName::Azure => Dialect::Azure,
        DialectName::Bedrock => Dialect::Bedrock,
        DialectName::Cohere => Dialect::Cohere,
    };
    let mut provider = Provider::new(dialect)
        .listen(arguments.listen)
        .behaviour(Behaviour {
            head_delay: Duration::from_millis(arguments.delay),
            event_gap: Duration::from_millis(arguments.event_gap),
            ..Behaviour::default()
        });
    if let Some(name) = &arguments.name {
        provider = provider.name(name);
    }
    if let Some(key) = &arguments.key {
        provider = provider.key(key);
    }
    if !arguments.models.is_empty() {
        provider = provider.models(arguments.models);
    }
    let stand_in = Arc::new(provider.start().await?);
    let mut out = io::stdout();
    writeln!(out, "{} stand-in on {}", stand_in.name(), stand_in.url())?;
    let control = match arguments.control {
        Some(address) => {
            let listener = TcpListener::bind(address).await?;
            writeln!(
                out,
                "control on http://{}/__control",
                listener.local_addr()?
            )?;
            Some(listener)
        }
        None => None,
    };
    out.flush()?;
    let controlled = async {
        match control {
            Some(listener) => stand_in.serve_control(listener).await,
            None => std::future::pending().await,
        }
    };
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = controlled => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
