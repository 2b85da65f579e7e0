//! What the server is told at start-up: flag over environment over default.

mod limits;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use ai_gateway_model::Secret;
use ai_gateway_proxy::Reach;
use clap::{Args, Parser, ValueEnum};
use url::Url;

pub use self::limits::{LimitSettings, Seconds};
pub use self::tls::TlsSettings;

/// An AI gateway: applications send LLM requests to it, and it spreads them over providers and
/// models, keeps going when some of them fail, and answers in the application's own dialect.
#[derive(Clone, Debug, Parser)]
#[command(name = "gateway-server", version, after_help = EXAMPLES)]
pub struct Settings {
    /// Where the Admin API listens, or `off`.
    ///
    /// An address that other machines reach needs a token (AIGW_ADMIN_TOKEN).
    #[arg(
        long,
        env = "AIGW_ADMIN_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    pub admin_listen: Listen,

    /// Where applications call the proxy, or `off`.
    #[arg(
        long,
        env = "AIGW_PROXY_LISTEN",
        value_name = "ADDR",
        default_value = "0.0.0.0:8081"
    )]
    pub proxy_listen: Listen,

    /// The folder of the configuration store and its key file.
    ///
    /// [default: the platform's data folder for this user]
    #[arg(long, env = "AIGW_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where the configuration is kept, when not in the data folder: `sqlite://PATH`.
    #[arg(long, env = "AIGW_STORE", value_name = "URL")]
    pub store: Option<String>,

    /// `{subdomain}.{base-domain}` finds the gateway with that subdomain.
    #[arg(
        long,
        env = "AIGW_BASE_DOMAIN",
        value_name = "NAME",
        default_value = "example.com"
    )]
    pub base_domain: String,

    /// Sends a named provider elsewhere, to a stand-in or an egress proxy; repeatable.
    #[arg(
        long = "provider-base-url",
        env = "AIGW_PROVIDER_BASE_URL",
        value_name = "NAME=URL",
        value_delimiter = ','
    )]
    pub provider_base_urls: Vec<ProviderBaseUrl>,

    /// A JSON file of models, laid over those that come with the gateway: context windows, prices
    /// (see docs/providers/README.md).
    #[arg(long, env = "AIGW_CATALOGUE", value_name = "FILE")]
    pub catalogue: Option<PathBuf>,

    /// How the log is written to stderr [default: text on a terminal, else json].
    #[arg(long, env = "AIGW_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// What the log tells: a level, or `target=level` pairs.
    #[arg(long, env = "AIGW_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,

    /// Seconds that requests under way may take to finish after a signal to stop.
    #[arg(
        long,
        env = "AIGW_DRAIN_SECONDS",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    pub drain_seconds: u64,

    /// Whether targets may be in private networks and on this machine.
    ///
    /// Link-local and metadata addresses are refused in either case.
    #[arg(
        long,
        env = "AIGW_PRIVATE_TARGETS",
        value_name = "RULE",
        default_value = "allow"
    )]
    pub private_targets: PrivateTargets,

    /// The credential of the Admin API.
    #[command(flatten)]
    pub token: TokenSettings,

    /// The certificates of the listeners.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// What clients may take.
    #[command(flatten)]
    pub limits: LimitSettings,
}

/// Where the Admin API's token comes from: a file or the environment, never a flag's value, which
/// every user of the machine could read.
#[derive(Args, Clone, Debug, Default)]
pub struct TokenSettings {
    #[arg(skip)]
    admin_token: Option<Secret>,
    /// A file that holds the Admin API's token (or set AIGW_ADMIN_TOKEN).
    #[arg(long, env = "AIGW_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
}

impl TokenSettings {
    /// Takes the token itself, as the environment or a program that starts the server has it; it
    /// wins over the file.
    pub fn set(&mut self, token: Secret) {
        self.admin_token = Some(token);
    }

    /// Reads the token; `None` when none is set.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the token is empty.
    pub fn read(&self) -> Result<Option<Secret>, TokenError> {
        let token = match (&self.admin_token, &self.admin_token_file) {
            (Some(token), _) => token.clone(),
            (None, Some(path)) => {
                let text =
                    std::fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
                        path: path.clone(),
                        source,
                    })?;
                Secret::new(text.trim_end_matches(['\n', '\r']))
            }
            (None, None) => return Ok(None),
        };
        if token.expose().is_empty() {
            return Err(TokenError::Empty);
        }
        Ok(Some(token))
    }
}

/// Why the Admin API's token could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file is not there, or not for this user.
    #[error("the admin token file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        source: std::io::Error,
    },
    /// An empty token would let everyone in who sends an empty one.
    #[error("the admin token is empty; set one, or unset AIGW_ADMIN_TOKEN")]
    Empty,
}

impl Settings {
    /// The data folder: as told, else the platform's for this user.
    ///
    /// # Errors
    ///
    /// [`NoDataDir`] when none was told and the user has no home.
    pub fn data_dir(&self) -> Result<PathBuf, NoDataDir> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        directories::ProjectDirs::from("", "", "ai-gateway")
            .map(|dirs| dirs.data_dir().to_path_buf())
            .ok_or(NoDataDir)
    }
}

/// There is no place to keep the store.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this user has no home folder to keep data in; name one with --data-dir")]
pub struct NoDataDir;

/// An address to listen on, or nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listen {
    /// That side of the server does not run.
    Off,
    /// It listens here; port 0 takes a free one.
    On(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let full = if text.starts_with(':') {
            format!("0.0.0.0{text}")
        } else {
            text.to_owned()
        };
        full.replacen("localhost:", "127.0.0.1:", 1)
            .parse()
            .map(Self::On)
            .map_err(|_| format!("`{text}` is neither `off` nor an address such as 127.0.0.1:8080"))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(address) => address.fmt(f),
        }
    }
}

/// A provider's name and where its requests go instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderBaseUrl {
    /// The provider's name in the configuration.
    pub name: String,
    /// What stands in for the provider's own base URL.
    pub url: Url,
}

impl FromStr for ProviderBaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, url)) = text.split_once('=') else {
            return Err(format!(
                "`{text}` is not NAME=URL, such as openai=http://127.0.0.1:9001"
            ));
        };
        let url = Url::parse(url).map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!(
                "`{url}` must begin with http:// or https:// and name a host"
            ));
        }
        Ok(Self {
            name: name.trim().to_owned(),
            url,
        })
    }
}

/// Whether targets may have private addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PrivateTargets {
    /// They may: models that one hosts oneself.
    Allow,
    /// Only public addresses are dialled.
    Refuse,
}

impl From<PrivateTargets> for Reach {
    fn from(rule: PrivateTargets) -> Self {
        match rule {
            PrivateTargets::Allow => Self::Private,
            PrivateTargets::Refuse => Self::Public,
        }
    }
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for programs.
    Json,
}

impl LogFormat {
    /// The format to use when none was told.
    pub fn for_terminal(is_terminal: bool) -> Self {
        if is_terminal { Self::Text } else { Self::Json }
    }
}

const EXAMPLES: &str = "\
Examples:
  gateway-server
      Admin API on 127.0.0.1:8080, proxy on 0.0.0.0:8081, data in the user's data folder
  gateway-server --data-dir ./data --provider-base-url openai=http://127.0.0.1:9001
      sends what is meant for OpenAI to a stand-in
  AIGW_ADMIN_TOKEN_FILE=/run/secrets/admin gateway-server --admin-listen 0.0.0.0:8080
      lets other machines configure it, with a token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_is_needed() {
        let settings = Settings::try_parse_from(["gateway-server"]).unwrap();
        assert_eq!(settings.admin_listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.proxy_listen.to_string(), "0.0.0.0:8081");
    }

    #[test]
    fn a_listener_can_be_off() {
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert!(
            "nowhere"
                .parse::<Listen>()
                .unwrap_err()
                .contains("127.0.0.1:8080")
        );
    }

    #[test]
    fn a_provider_is_sent_elsewhere_by_name_and_url() {
        let given: ProviderBaseUrl = "openai=http://127.0.0.1:9001".parse().unwrap();
        assert_eq!(
            (given.name.as_str(), given.url.port()),
            ("openai", Some(9001))
        );
        assert!(
            "openai"
                .parse::<ProviderBaseUrl>()
                .unwrap_err()
                .contains("NAME=URL")
        );
        assert!(
            "openai=ftp://x"
                .parse::<ProviderBaseUrl>()
                .unwrap_err()
                .contains("http://")
        );
    }
}
