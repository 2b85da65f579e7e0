//! How an upstream chooses among the targets of one priority.

use std::fmt;

use crate::{
    Faults,
    fault::{did_you_mean, nearest},
    read::Field,
};

/// How an upstream chooses among the targets of one priority.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Each in turn; weights are ignored.
    #[default]
    RoundRobin,
    /// In exact proportion to the weights.
    Weighted,
    /// The one with the fewest requests under way for its weight.
    LeastConnections,
    /// One drawn at random, in proportion to the weights.
    Random,
    /// The less busy of two drawn at random.
    P2c,
    /// The one expected to deliver its tokens soonest.
    TokenLatency,
    /// The one with the shortest recent time to the first token, times its load.
    PeakEwma,
    /// The one that the request's key belongs to, within a bound on its load.
    ConsistentHash,
    /// The one that likely holds the prompt's beginning in its cache.
    PrefixAffinity,
    /// The first that takes traffic.
    Priority,
    /// The cheapest for the model.
    LowestCost,
    /// The one that used the least of its token window.
    LowestUsage,
}

impl Algorithm {
    /// Returns the first spelling, which answers carry.
    pub const fn as_str(self) -> &'static str {
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
        }
    }

    /// Finds the algorithm by any of its spellings.
    pub fn from_spelling(text: &str) -> Option<Self> {
        SPELLINGS
            .iter()
            .find(|(spelling, _)| *spelling == text)
            .map(|(_, algorithm)| *algorithm)
    }

    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let text = field.text(faults)?;
        Self::from_spelling(text).or_else(|| {
            let near = nearest(text, SPELLINGS.iter().map(|(spelling, _)| *spelling));
            faults.push_with(
                &field.pointer,
                format!("invalid algorithm: {text}"),
                did_you_mean(near).or_else(|| Some(format!("one of {}", names().join(", ")))),
            );
            None
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn names() -> Vec<&'static str> {
    SPELLINGS
        .iter()
        .filter(|(spelling, algorithm)| *spelling == algorithm.as_str())
        .map(|(spelling, _)| *spelling)
        .collect()
}

const SPELLINGS: [(&str, Algorithm); 16] = [
    ("round-robin", Algorithm::RoundRobin),
    ("weighted", Algorithm::Weighted),
    ("weighted-round-robin", Algorithm::Weighted),
    ("least-connections", Algorithm::LeastConnections),
    ("least-connection", Algorithm::LeastConnections),
    ("least-conn", Algorithm::LeastConnections),
    ("random", Algorithm::Random),
    ("p2c", Algorithm::P2c),
    ("token-latency", Algorithm::TokenLatency),
    ("peak-ewma", Algorithm::PeakEwma),
    ("consistent-hash", Algorithm::ConsistentHash),
    ("prefix-affinity", Algorithm::PrefixAffinity),
    ("priority", Algorithm::Priority),
    ("failover", Algorithm::Priority),
    ("lowest-cost", Algorithm::LowestCost),
    ("lowest-usage", Algorithm::LowestUsage),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_to_an_algorithm_whose_first_spelling_leads_back() {
        for (spelling, algorithm) in SPELLINGS {
            assert_eq!(Algorithm::from_spelling(spelling), Some(algorithm));
            assert_eq!(
                Algorithm::from_spelling(algorithm.as_str()),
                Some(algorithm)
            );
        }
        assert_eq!(names().len(), 12);
    }

    #[test]
    fn an_unknown_algorithm_is_named_in_the_fault() {
        let mut faults = Faults::default();
        let written = serde_json::json!("round-robbin");
        assert_eq!(
            Algorithm::read(&Field::document(&written), &mut faults),
            None
        );
        let fault = faults.as_slice().first().unwrap();
        assert_eq!(fault.message, "invalid algorithm: round-robbin");
        assert_eq!(
            fault.suggestion.as_deref(),
            Some("did you mean round-robin?")
        );
    }
}
