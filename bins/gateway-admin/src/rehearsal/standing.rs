//! How a target is, as an operator sees it.

use serde_json::Value;

use crate::session::text;

/// How a target is at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// It takes its share of traffic.
    Takes,
    /// It takes a part of its share, in percent, that grows.
    Returns(u32),
    /// It rests because it asked for it, as with a 429.
    Cools,
    /// It rests because it failed.
    Out {
        /// What the health machine says.
        reason: String,
    },
    /// The operator has taken it out, in the word of the Admin API.
    TakenOut(String),
}

impl Standing {
    /// Reads one target of the Admin API's health report.
    pub(crate) fn of(target: &Value) -> Self {
        match text(target, "state").unwrap_or_default() {
            "unhealthy" => Self::Out {
                reason: text(target, "reason").unwrap_or("no reason").to_owned(),
            },
            "healthy" if text(target, "cooling_until").is_some() => Self::Cools,
            "healthy" => match target.get("ramp").and_then(Value::as_f64) {
                Some(ramp) if ramp < 1.0 => Self::Returns(percent(ramp)),
                Some(_) | None => Self::Takes,
            },
            other => Self::TakenOut(other.to_owned()),
        }
    }

    /// One word for it; none for a target that is as it should be.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Takes => "",
            Self::Returns(_) => "returning",
            Self::Cools => "cooling",
            Self::Out { .. } => "out",
            Self::TakenOut(word) => word,
        }
    }

    /// What to tell when a target comes to stand like this.
    pub(crate) fn news(&self) -> String {
        match self {
            Self::Takes => "takes its whole share".to_owned(),
            Self::Returns(percent) => format!("takes traffic again, {percent} % of its share"),
            Self::Cools => "cools off, as it asked".to_owned(),
            Self::Out { reason } => format!("is taken out ({reason})"),
            Self::TakenOut(word) => format!("is {word}"),
        }
    }

    /// Whether new requests may go to it.
    pub(crate) fn takes_traffic(&self) -> bool {
        matches!(self, Self::Takes | Self::Returns(_))
    }

    /// Whether the change from `self` to `next` is worth a line.
    pub(crate) fn is_news(&self, next: &Self) -> bool {
        std::mem::discriminant(self) != std::mem::discriminant(next)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a percentage"
)]
fn percent(part: f64) -> u32 {
    (part.clamp(0.0, 1.0) * 100.0).round() as u32
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_standing_is_read_from_the_health_report() {
        for (target, word, takes) in [
            (json!({ "state": "healthy", "ramp": 1.0 }), "", true),
            (
                json!({ "state": "healthy", "ramp": 0.1 }),
                "returning",
                true,
            ),
            (
                json!({ "state": "healthy", "cooling_until": "2026-01-01T00:00:00Z" }),
                "cooling",
                false,
            ),
            (json!({ "state": "unhealthy", "reason": "x" }), "out", false),
            (json!({ "state": "draining" }), "draining", false),
        ] {
            let standing = Standing::of(&target);
            assert_eq!(
                (standing.word(), standing.takes_traffic()),
                (word, takes),
                "{target}"
            );
        }
    }
}
