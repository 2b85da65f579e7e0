//! The kinds of things that the commands are about.

use std::str::FromStr;

use ai_gateway_model::Kind;

/// A kind of thing: one that the store keeps, or a part of an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Noun {
    /// An object of its own.
    Object(Kind),
    /// A target of an upstream.
    Target,
}

impl Noun {
    /// Every noun.
    const ALL: [Self; 6] = [
        Self::Object(Kind::Gateway),
        Self::Object(Kind::Upstream),
        Self::Target,
        Self::Object(Kind::Service),
        Self::Object(Kind::Rule),
        Self::Object(Kind::Key),
    ];

    /// Returns the noun in the singular.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Object(kind) => kind.as_str(),
            Self::Target => "target",
        }
    }

    /// Returns the name of its collection in a path.
    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::Object(kind) => kind.collection(),
            Self::Target => "targets",
        }
    }

    fn short_form(self) -> Option<&'static str> {
        match self {
            Self::Object(Kind::Gateway) => Some("gw"),
            Self::Object(Kind::Upstream) => Some("up"),
            Self::Object(Kind::Service) => Some("svc"),
            Self::Object(Kind::Rule | Kind::Key) | Self::Target => None,
        }
    }
}

impl FromStr for Noun {
    type Err = UnknownNoun;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|noun| {
                noun.as_str() == lower
                    || noun.collection() == lower
                    || noun.short_form() == Some(lower.as_str())
            })
            .ok_or(UnknownNoun)
    }
}

/// A text that names no kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("use one of gateways, upstreams, targets, services, rules, keys")]
pub(crate) struct UnknownNoun;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_read_in_the_singular_the_plural_and_short() {
        for noun in Noun::ALL {
            assert_eq!(noun.as_str().parse(), Ok(noun));
            assert_eq!(noun.collection().to_uppercase().parse(), Ok(noun));
            if let Some(short) = noun.short_form() {
                assert_eq!(short.parse(), Ok(noun));
            }
        }
        assert_eq!("pods".parse::<Noun>(), Err(UnknownNoun));
    }
}
