//! Outages that have a name.

use clap::ValueEnum;

use super::{
    cast::{Cast, Role},
    script::Line,
};

/// An outage that is rehearsed often.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// Every target of the first target's provider refuses connections.
    ProviderDown,
    /// The first target alone refuses connections.
    TargetDown,
    /// The first target answers 429 and asks for 2 s of peace each time.
    RateLimited,
    /// The first target's first token comes 5 s late.
    Slow,
    /// The first target resets its streams after six events, and its plain answers halfway.
    MidStreamCuts,
    /// Every target answers 503.
    EverythingDown,
}

impl Scenario {
    /// Writes the outage as the lines that an operator could write.
    ///
    /// # Errors
    ///
    /// None but for a line that does not read as one.
    pub(crate) fn lines(self, cast: &Cast) -> Result<Vec<Line>, String> {
        let Some(first) = cast.first() else {
            return Ok(Vec::new());
        };
        let fault = match self {
            Self::ProviderDown | Self::TargetDown => "refused",
            Self::RateLimited => "429:2s",
            Self::Slow => "slow:5s",
            Self::MidStreamCuts => "cut:6",
            Self::EverythingDown => "503",
        };
        let is_meant = |role: &Role| match self {
            Self::ProviderDown => role.provider == first.provider,
            Self::EverythingDown => true,
            Self::TargetDown | Self::RateLimited | Self::Slow | Self::MidStreamCuts => {
                role.name == first.name
            }
        };
        let meant = cast.roles.iter().filter(|role| is_meant(role));
        meant
            .map(|role| format!("{}={fault}", role.name).parse())
            .collect()
    }
}
