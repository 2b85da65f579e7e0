//! The providers behind the gateway: stand-ins, or the real ones.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Provider, StandIn};
use serde_json::Value;

use crate::Failure;
use crate::gateway::Gateway;

/// The two providers of the guide's upstream.
#[derive(Debug)]
pub(crate) enum Providers {
    /// Played on loopback.
    Played { openai: StandIn, anthropic: StandIn },
    /// The real ones, with the keys of the environment.
    Real {
        openai_key: String,
        anthropic_key: String,
    },
}

/// A model of the guide's upstream that OpenAI alone lists.
pub(crate) const OPENAI_MODEL: &str = "gpt-4o-mini";

/// A model of the guide's upstream that Anthropic alone lists.
pub(crate) const ANTHROPIC_MODEL: &str = "claude-3-5-sonnet-20241022";

impl Providers {
    pub(crate) async fn start() -> Result<Self, Failure> {
        if let (Some(openai_key), Some(anthropic_key)) =
            (variable("OPENAI_API_KEY"), variable("ANTHROPIC_API_KEY"))
        {
            return Ok(Self::Real {
                openai_key,
                anthropic_key,
            });
        }
        let behaviour = || Behaviour {
            event_gap: Duration::from_millis(15),
            ..Behaviour::default()
        };
        Ok(Self::Played {
            openai: Provider::openai().behaviour(behaviour()).start().await?,
            anthropic: Provider::anthropic().behaviour(behaviour()).start().await?,
        })
    }

    /// Each provider's name and where it is.
    pub(crate) fn places(&self) -> [(&'static str, String); 2] {
        match self {
            Self::Played { openai, anthropic } => [
                ("openai", format!("stand-in on {}", openai.url())),
                ("anthropic", format!("stand-in on {}", anthropic.url())),
            ],
            Self::Real { .. } => [
                ("openai", "the real one, with OPENAI_API_KEY".to_owned()),
                (
                    "anthropic",
                    "the real one, with ANTHROPIC_API_KEY".to_owned(),
                ),
            ],
        }
    }

    /// Where the gateway is to find them, if not where it finds them by itself.
    pub(crate) fn base_urls(&self) -> Vec<String> {
        match self {
            Self::Played { openai, anthropic } => {
                vec![
                    format!("openai={}", openai.url()),
                    format!("anthropic={}", anthropic.url()),
                ]
            }
            Self::Real { .. } => Vec::new(),
        }
    }

    /// Puts the real keys into the guide's upstream.
    pub(crate) fn complete(&self, upstream: &mut Value) {
        let Self::Real {
            openai_key,
            anthropic_key,
        } = self
        else {
            return;
        };
        let mut set = |path: &str, value: String| {
            if let Some(place) = upstream.pointer_mut(path) {
                *place = Value::from(value);
            }
        };
        set(
            "/targets/0/credentials/header_value",
            format!("Bearer {openai_key}"),
        );
        set("/targets/1/credentials/header_value", anthropic_key.clone());
    }

    /// How many requests show a split: real ones cost money.
    pub(crate) fn requests_a_step(&self) -> usize {
        match self {
            Self::Played { .. } => 20,
            Self::Real { .. } => 4,
        }
    }

    pub(crate) fn way_to_die(&self) -> &'static str {
        match self {
            Self::Played { .. } => "its port refuses connections",
            Self::Real { .. } => "disabled through the Admin API",
        }
    }

    pub(crate) async fn kill_openai(&self, gateway: &Gateway) -> Result<(), Failure> {
        match self {
            Self::Played { openai, .. } => {
                openai.stop().await;
                Ok(())
            }
            Self::Real { .. } => gateway.act_on_first_target("disable").await,
        }
    }

    pub(crate) async fn revive_openai(&self, gateway: &Gateway) -> Result<(), Failure> {
        match self {
            Self::Played { openai, .. } => Ok(openai.start_again().await?),
            Self::Real { .. } => gateway.act_on_first_target("enable").await,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an example is a program; this is its configuration"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
