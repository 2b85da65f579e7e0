//! What the command line says.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::{
    connection::Connection,
    noun::Noun,
    rehearsal::{self, Rehearse},
};

/// Looks after a running AI gateway: what it is configured to do, and how its targets are.
#[derive(Debug, Parser)]
#[command(
    name = "gateway-admin",
    version,
    disable_help_subcommand = true,
    after_help = EXAMPLES,
    after_long_help = LONG_NOTES
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show objects of a kind, all or by name.
    #[command(after_help = GET_EXAMPLES)]
    Get(Get),
    /// Show all about one object, an upstream with the health of its targets.
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(Describe),
    /// Create one object; it must not exist yet.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// Create or replace the objects that files describe.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
    /// Delete objects.
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(Delete),
    /// Show how the targets are: state, reason, requests in flight, share of traffic.
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(Health),
    /// Let targets finish what is under way and give them nothing new.
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(Drain),
    /// Give traffic to targets again.
    #[command(after_help = "Example:\n  gateway-admin enable chat/openai-0")]
    Enable(Targets),
    /// Take targets out at once.
    #[command(after_help = "Example:\n  gateway-admin disable chat/openai-0 chat/anthropic-1")]
    Disable(Targets),
    /// Rehearse an outage of an upstream's targets: on a copy, with stand-ins for the providers.
    #[command(after_help = rehearsal::notes(), after_long_help = rehearsal::long_notes())]
    Rehearse(Rehearse),
    /// Serve the Admin API alone, on a store that no server uses.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// gateways, upstreams, targets, services, rules, keys; or the short forms gw, up, svc.
    #[arg(value_name = "KIND")]
    pub(crate) noun: Noun,
    /// Names or ids; a target is UPSTREAM/TARGET, and UPSTREAM means all of its targets.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Show it again and again, until interrupted.
    #[arg(long, short)]
    pub(crate) watch: bool,
    /// Seconds between two looks.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 2,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub(crate) interval: u64,
}

impl Watch {
    /// Returns how long to wait between two looks; nothing for a single look.
    pub(crate) fn every(&self) -> Option<Duration> {
        self.watch.then(|| Duration::from_secs(self.interval))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// The kind of the object.
    #[arg(value_name = "KIND")]
    pub(crate) noun: Noun,
    /// Its name or id; a target is UPSTREAM/TARGET.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The kind of the object; a target's upstream stands in its name.
    #[arg(value_name = "KIND")]
    pub(crate) noun: Noun,
    /// Its name, unless the file says it; for a target UPSTREAM or UPSTREAM/TARGET.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// YAML or JSON file with its fields; `-` reads standard input.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A field and its value, JSON or plain text; repeat for more. Dots lead into objects.
    #[arg(long, short, value_name = "FIELD=VALUE", action = ArgAction::Append, value_parser = field)]
    pub(crate) set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// YAML or JSON file, or a folder of them; `-` reads standard input. Repeat for more.
    #[arg(long, short, value_name = "FILE|DIR|-", required = true, action = ArgAction::Append)]
    pub(crate) file: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The kind of the objects.
    #[arg(value_name = "KIND")]
    pub(crate) noun: Noun,
    /// Their names or ids; a target is UPSTREAM/TARGET.
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Count an object that does not exist as deleted.
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Upstreams; default: all.
    #[arg(value_name = "UPSTREAM")]
    pub(crate) upstreams: Vec<String>,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Cut off what is still under way after this many seconds; default: let it finish.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) deadline: Option<u64>,
    /// Return only when nothing is under way on them any more.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// The targets.
    #[arg(value_name = "UPSTREAM/TARGET", required = true)]
    pub(crate) targets: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to serve the Admin API on; one that others can reach needs a token.
    #[arg(
        long,
        value_name = "ADDR",
        env = "AIGW_ADMIN_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) admin_listen: std::net::SocketAddr,
    /// Folder of the store, its key and the last good configuration; default: the platform's.
    #[arg(long, value_name = "DIR", env = "AIGW_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Where the store is, when not in the data folder.
    #[arg(long, value_name = "URL", env = "AIGW_STORE")]
    pub(crate) store: Option<String>,
}

fn field(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write FIELD=VALUE"),
    }
}

const EXAMPLES: &str = "\
Examples:
  gateway-admin get upstreams
  gateway-admin apply -f gateway.yaml
  gateway-admin health --watch
  gateway-admin drain chat/openai-0 --wait";

const LONG_NOTES: &str = "\
Examples:
  gateway-admin get upstreams
  gateway-admin apply -f gateway.yaml
  gateway-admin health --watch
  gateway-admin drain chat/openai-0 --wait

Data goes to standard output, messages to standard error. NO_COLOR turns colours off.

Exit codes:
  0  done
  1  failed while running
  2  wrong usage
  3  the gateway, or a file, does not describe a valid object
  4  the Admin API cannot be reached
  5  a conflict: the name is taken, the object is in use, or it has changed meanwhile
  6  not found
  7  denied: the token is missing or wrong";

const GET_EXAMPLES: &str = "\
Examples:
  gateway-admin get upstreams
  gateway-admin get upstream chat -o yaml
  gateway-admin get targets chat -o wide
  gateway-admin get keys -o name";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  gateway-admin describe upstream chat
  gateway-admin describe target chat/openai-0";

const CREATE_EXAMPLES: &str = "\
Examples:
  gateway-admin create gateway acme
  gateway-admin create upstream -f chat.yaml
  gateway-admin create service chat -s type=upstream -s upstream=chat
  gateway-admin create rule -s path=/v1/* -s service=chat
  gateway-admin create key my-app        # prints the key; it is shown this once";

const APPLY_EXAMPLES: &str = "\
Each document names its kind, and holds the fields of the Admin API beside it or under `spec`:

  kind: upstream
  name: chat
  targets:
    - provider: openai
      credentials: {header_name: Authorization, header_value: \"${env:OPENAI_KEY}\"}
  ---
  kind: service
  name: chat
  type: upstream
  upstream: chat

Objects are found by name; `gateway: NAME` in a document says which gateway it is for. Each object
is written by itself: after a failure the others are still written, and the exit code says so.

Examples:
  gateway-admin apply -f gateway.yaml
  gateway-admin apply -f config/ -f secrets.yaml
  generate-config | gateway-admin apply -f -";

const DELETE_EXAMPLES: &str = "\
On a terminal it asks first; elsewhere it does not.

Examples:
  gateway-admin delete rule chat-v1
  gateway-admin delete target chat/openai-0 --yes";

const HEALTH_EXAMPLES: &str = "\
Examples:
  gateway-admin health
  gateway-admin health chat --watch
  gateway-admin health -o json";

const DRAIN_EXAMPLES: &str = "\
Examples:
  gateway-admin drain chat/openai-0
  gateway-admin drain chat/openai-0 chat/anthropic-1 --deadline 60 --wait";

const SERVE_EXAMPLES: &str = "\
Changes are stored and wait there for the server; no traffic is served, so health is unknown.
With AIGW_ADMIN_TOKEN (or its _FILE) every call needs the token.

Example:
  gateway-admin serve --data-dir /var/lib/ai-gateway";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_token_is_never_shown() {
        let cli = Cli::parse_from(["gateway-admin", "--token", "canary", "get", "keys"]);
        assert!(!format!("{cli:?}").contains("canary"));
    }
}
