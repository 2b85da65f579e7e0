//! The arguments of `rehearse`.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, ValueEnum};

use super::{scenario::Scenario, script::Line, span::read as read_span, trouble::KINDS};

#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The upstream; default: the only one there is.
    #[arg(value_name = "UPSTREAM", conflicts_with = "file")]
    pub(crate) upstream: Option<String>,
    /// YAML or JSON file with an upstream, in place of one of the running gateway; `-` reads
    /// standard input.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// An outage that has a name; default, without --fault: provider-down.
    #[arg(long, value_enum)]
    pub(crate) scenario: Option<Scenario>,
    /// TARGET=FAULT@FROM..UNTIL, such as openai-0=503@5s..15s; repeat for more. A provider's name
    /// means all of its targets, * every target; times may be percent of the whole.
    #[arg(long, value_name = "FAULT", action = ArgAction::Append)]
    pub(crate) fault: Vec<Line>,
    /// For how long requests are sent.
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = length)]
    pub(crate) length: Duration,
    /// Requests a second.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=500)
    )]
    pub(crate) rate: u32,
    /// How many requests of a hundred are streams.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = 50,
        value_parser = clap::value_parser!(u8).range(0..=100)
    )]
    pub(crate) streams: u8,
    /// The dialect that the clients speak.
    #[arg(long, value_enum, default_value_t = Clients::Both)]
    pub(crate) clients: Clients,
    /// Model to ask for; repeat for more. Default: none, where every target has a default model,
    /// else those that the targets list.
    #[arg(long, value_name = "MODEL", action = ArgAction::Append)]
    pub(crate) model: Vec<String>,
    /// How long a stand-in takes before it answers, while nothing is wrong.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = read_span)]
    pub(crate) latency: Duration,
    /// Exit with 1 when a smaller part of the requests was answered.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) require_availability: Option<f64>,
}

/// Whose clients are played.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Clients {
    /// OpenAI's chat completions.
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// Either, by turns.
    Both,
}

fn length(text: &str) -> Result<Duration, String> {
    let length = read_span(text)?;
    if length < SHORTEST || length > LONGEST {
        return Err("a rehearsal lasts from 1 s to 1 h".to_owned());
    }
    Ok(length)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("{text} is not from 0 to 100"))
}

/// Shorter ones have no second to show.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);

/// What `-h` says below the arguments.
pub(crate) fn notes() -> String {
    format!("{EXAMPLES}\n\n--help lists the faults.")
}

/// What `--help` says below the arguments.
pub(crate) fn long_notes() -> String {
    let kinds = KINDS.iter();
    let kinds: String = kinds
        .map(|(kind, does)| format!("  {kind:<11} {does}\n"))
        .collect();
    format!(
        "\
The upstream is copied into a gateway of its own, inside this program and on loopback; a stand-in
plays each target. Nothing is sent to a provider or to the running gateway's proxy, no credential is
read, and nothing is left behind.

Faults:
  503         any status from 400 to 599; 429:2s adds Retry-After
{kinds}
{EXAMPLES}"
    )
}

const EXAMPLES: &str = "\
Examples:
  gateway-admin rehearse chat
  gateway-admin rehearse chat --scenario everything-down --require-availability 99
  gateway-admin rehearse -f chat.yaml --for 1m --fault openai=503@10s..20s --fault anthropic-1=slow:3s@15s..30s";
