//! The names of the ways to choose among targets.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::policy::Policy;

/// How a target is chosen among those of one priority that may take the request.
///
/// Which one to choose is on the crate's page. Parses from every spelling in the table and prints
/// the first.
///
/// | spelling | weights count | looks at |
/// |---|---|---|
/// | `round-robin` | no | whose turn it is |
/// | `weighted`, `weighted-round-robin` | yes | whose turn it is, in a smooth cycle |
/// | `least-connections`, `least-connection`, `least-conn` | yes | requests in flight |
/// | `random` | yes | nothing |
/// | `p2c` | yes | requests in flight of two drawn at random |
/// | `token-latency` | yes | requests in flight, seconds per token, failures, rate limits |
/// | `peak-ewma` | yes | requests in flight, time to the first byte |
/// | `consistent-hash` | yes | the request's key, within bounds of load |
/// | `prefix-affinity` | yes | the request's key, unless load is uneven |
/// | `priority`, `failover` | no | the order of the targets |
/// | `lowest-cost` | among equals | the targets' prices |
/// | `lowest-usage` | among equals | tokens used in the last minute, against the budget |
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// Each target in turn; weights are ignored.
    #[default]
    RoundRobin,
    /// Each target as often as it weighs, spread as evenly as can be.
    Weighted,
    /// The target with the fewest requests in flight for its weight.
    LeastConnections,
    /// A target drawn by weight.
    Random,
    /// Of two targets drawn at random, the one with fewer requests in flight for its weight.
    P2c,
    /// The target that is likely to answer soonest, judged by how long it takes for a token, what
    /// it has to do, and how often it fails or asks for fewer requests.
    TokenLatency,
    /// The target whose first byte is likely to come soonest.
    PeakEwma,
    /// The same target for the same key, as long as it has no more than 1.25 times its share.
    ConsistentHash,
    /// The same target for the same beginning of a prompt, unless load is uneven.
    PrefixAffinity,
    /// The first target that may take the request, in the order given.
    Priority,
    /// The cheapest target; of those within 5 %, the one with fewer requests in flight.
    LowestCost,
    /// The target with the most room in its budget of tokens; of those within 5 %, the one with
    /// fewer requests in flight.
    LowestUsage,
    /// One of your own.
    Custom(Arc<dyn Policy>),
}

impl Algorithm {
    /// Every algorithm of this crate, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::RoundRobin,
        Self::Weighted,
        Self::LeastConnections,
        Self::Random,
        Self::P2c,
        Self::TokenLatency,
        Self::PeakEwma,
        Self::ConsistentHash,
        Self::PrefixAffinity,
        Self::Priority,
        Self::LowestCost,
        Self::LowestUsage,
    ];

    /// Takes `policy` for an algorithm.
    pub fn custom(policy: impl Policy) -> Self {
        Self::Custom(Arc::new(policy))
    }

    /// The first spelling of its name; a custom policy's own name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Weighted => "weighted",
            Self::LeastConnections => "least-connections",
            Self::Random => "random",
            Self::P2c => "p2c",
            Self::TokenLatency => "token-latency",
            Self::PeakEwma => "peak-ewma",
            Self::ConsistentHash => "consistent-hash",
            Self::PrefixAffinity => "prefix-affinity",
            Self::Priority => "priority",
            Self::LowestCost => "lowest-cost",
            Self::LowestUsage => "lowest-usage",
            Self::Custom(policy) => policy.name(),
        }
    }

    /// Whether the tokens of requests are counted for it.
    pub(crate) fn meters(&self) -> bool {
        matches!(self, Self::LowestUsage | Self::Custom(_))
    }

    /// Whether picks and ends of requests are timed for it.
    pub(crate) fn measures(&self) -> bool {
        match self {
            Self::TokenLatency | Self::PeakEwma => true,
            Self::Custom(policy) => policy.measures(),
            Self::RoundRobin
            | Self::Weighted
            | Self::LeastConnections
            | Self::Random
            | Self::P2c
            | Self::ConsistentHash
            | Self::PrefixAffinity
            | Self::Priority
            | Self::LowestCost
            | Self::LowestUsage => false,
        }
    }
}

impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(left), Self::Custom(right)) => Arc::ptr_eq(left, right),
            (Self::Custom(_), _) | (_, Self::Custom(_)) => false,
            _ => self.as_str() == other.as_str(),
        }
    }
}

impl Eq for Algorithm {}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let known = match name {
            "round-robin" => Self::RoundRobin,
            "weighted" | "weighted-round-robin" => Self::Weighted,
            "least-connections" | "least-connection" | "least-conn" => Self::LeastConnections,
            "random" => Self::Random,
            "p2c" => Self::P2c,
            "token-latency" => Self::TokenLatency,
            "peak-ewma" => Self::PeakEwma,
            "consistent-hash" => Self::ConsistentHash,
            "prefix-affinity" => Self::PrefixAffinity,
            "priority" | "failover" => Self::Priority,
            "lowest-cost" => Self::LowestCost,
            "lowest-usage" => Self::LowestUsage,
            _ => return Err(UnknownAlgorithm { name: name.into() }),
        };
        Ok(known)
    }
}

/// A name that no algorithm has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownAlgorithm {
    /// The name.
    pub name: Box<str>,
}

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no algorithm named {:?}; known are ", self.name)?;
        for (n, known) in Algorithm::ALL.iter().enumerate() {
            let separator = if n == 0 { "" } else { ", " };
            write!(f, "{separator}{known}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownAlgorithm {}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_parses_from_its_own_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn other_spellings_mean_the_same() {
        for (spelling, name) in [
            ("weighted-round-robin", "weighted"),
            ("least-connection", "least-connections"),
            ("least-conn", "least-connections"),
            ("failover", "priority"),
        ] {
            assert_eq!(
                spelling.parse::<Algorithm>().map(|a| a.to_string()),
                Ok(name.to_owned())
            );
        }
        assert!("roundrobin".parse::<Algorithm>().is_err());
    }
}
