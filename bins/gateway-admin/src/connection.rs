//! Which gateway is talked to, by whom, and how it is shown: arguments that every command takes.

use std::{fs, path::PathBuf};

use ai_gateway_model::Secret;
use clap::Args;
use url::Url;

use crate::{failure::Failure, output::Format};

/// Where the gateway is, and how to show what it says.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Connection {
    /// Address of the Admin API.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AIGW_ADMIN_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) server: Url,
    /// Token for the Admin API; better given in the environment or a file, where others on this
    /// machine do not see it.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "AIGW_ADMIN_TOKEN",
        hide_env_values = true,
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret::new(text))
    )]
    pub(crate) token: Option<Secret>,
    /// File that holds the token.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "AIGW_ADMIN_TOKEN_FILE",
        conflicts_with = "token"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Gateway to work in, by name or id; needed when there are several.
    #[arg(long, short, global = true, value_name = "NAME", env = "AIGW_GATEWAY")]
    pub(crate) gateway: Option<String>,
    /// How to show the answer.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Longest to wait for each answer, in seconds.
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub(crate) timeout: u64,
}

impl Connection {
    /// Returns the token, from where it is given.
    pub(crate) fn token(&self) -> Result<Option<Secret>, Failure> {
        let Some(path) = &self.token_file else {
            return Ok(self.token.clone());
        };
        let text = fs::read_to_string(path).map_err(|source| Failure::File {
            path: path.clone(),
            source,
        })?;
        Ok(Some(Secret::new(text.trim())))
    }
}
