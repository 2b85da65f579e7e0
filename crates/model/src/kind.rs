//! The kinds of objects that an operator configures.

use std::{fmt, str::FromStr};

/// What a [`Record`](crate::Record) describes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A tenant, with its own upstreams, services, rules and keys.
    Gateway,
    /// A virtual host that spreads requests over targets.
    Upstream,
    /// A name for where traffic goes: an upstream, or one endpoint.
    Service,
    /// Which requests go to which service.
    Rule,
    /// An application's API key.
    Key,
}

impl Kind {
    /// Every kind, each after the kinds it may refer to.
    pub const ALL: [Self; 5] = [
        Self::Gateway,
        Self::Upstream,
        Self::Service,
        Self::Rule,
        Self::Key,
    ];

    /// Returns the kind's name in the singular, as stored and as shown: `upstream`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
            Self::Service => "service",
            Self::Rule => "rule",
            Self::Key => "key",
        }
    }

    /// Returns the name of the kind's collection in a path: `upstreams`.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Gateway => "gateways",
            Self::Upstream => "upstreams",
            Self::Service => "services",
            Self::Rule => "rules",
            Self::Key => "keys",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind { text: text.into() })
    }
}

/// A text that names no [`Kind`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown kind {text}")]
pub struct UnknownKind {
    /// The text as given.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(kind.collection(), format!("{kind}s"));
        }
        assert!("upstreams".parse::<Kind>().is_err());
    }
}
