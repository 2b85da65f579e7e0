//! The ways in which a target can be made to fail, as an operator writes them.

use std::{str::FromStr, time::Duration};

use ai_gateway_model::nearest;
use ai_gateway_testkit::{Behaviour, Cut, Fault};

use super::span::{self, shown};

/// One way to fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trouble {
    /// How it is told to people: `refused`, `429, retry after 2 s`.
    pub(crate) label: String,
    pub(crate) effect: Effect,
}

/// What a stand-in does for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Its port is closed, with every connection to it.
    PortClosed,
    /// It answers, in this way.
    Answers(Box<Behaviour>),
}

impl Trouble {
    fn answers(label: impl Into<String>, behaviour: Behaviour) -> Self {
        Self {
            label: label.into(),
            effect: Effect::Answers(Box::new(behaviour)),
        }
    }

    fn fails(label: impl Into<String>, fault: Fault) -> Self {
        Self::answers(label, Behaviour::failing(fault))
    }

    /// Says whether it delays answers and spoils none.
    pub(crate) fn is_slowness(&self) -> bool {
        matches!(&self.effect, Effect::Answers(behaviour) if behaviour.fault.is_none())
    }
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, argument) = match text.split_once(':') {
            Some((kind, argument)) => (kind.trim(), Some(argument.trim())),
            None => (text.trim(), None),
        };
        if kind.starts_with(|first: char| first.is_ascii_digit()) {
            return status(kind, argument);
        }
        match (kind, argument) {
            ("slow", argument) => slow(argument),
            ("stall", argument) => {
                let events = events(argument)?;
                let label = format!("silent after {events} events");
                Ok(Self::fails(label, Fault::HangAfterEvents { events }))
            }
            ("cut", argument) => {
                let events = events(argument)?;
                let label = format!("cut after {events} events");
                let how = Cut::Reset;
                Ok(Self::fails(label, Fault::CutAfterEvents { events, how }))
            }
            ("malformed", argument) => {
                let after_events = events(argument)?;
                let label = format!("malformed after {after_events} events");
                Ok(Self::fails(label, Fault::MalformedEvent { after_events }))
            }
            (kind, Some(_)) if is_plain(kind) => Err(format!("{kind} takes nothing after a colon")),
            (kind, _) => plain(kind).ok_or_else(|| unknown(kind)),
        }
    }
}

/// The kinds that are a word and nothing more.
fn plain(kind: &str) -> Option<Trouble> {
    let how = Cut::Reset;
    let fault = match kind {
        "refused" => {
            return Some(Trouble {
                label: kind.to_owned(),
                effect: Effect::PortClosed,
            });
        }
        "reset" => Fault::CutBeforeHead { how },
        "closed" => Fault::CutBeforeHead { how: Cut::Close },
        "silent" => Fault::HangBeforeHead,
        "overloaded" => Fault::ErrorEvent {
            after_events: 0,
            error_type: "overloaded_error".to_owned(),
            message: "Overloaded".to_owned(),
        },
        "truncated" => Fault::TruncatedJson,
        "unfinished" => Fault::MissingEnd,
        "html" => Fault::Html,
        _ => return None,
    };
    let label = match kind {
        "overloaded" => "overloaded, said in a 200",
        kind => kind,
    };
    Some(Trouble::fails(label, fault))
}

fn is_plain(kind: &str) -> bool {
    plain(kind).is_some()
}

/// `503`, or `429:2s`, the time being that of `Retry-After`.
fn status(kind: &str, argument: Option<&str>) -> Result<Trouble, String> {
    let status = kind
        .parse()
        .ok()
        .filter(|status| (400..=599).contains(status))
        .ok_or_else(|| format!("{kind} is no status of a failure: use 400 to 599"))?;
    let Some(argument) = argument else {
        return Ok(Trouble::answers(kind, Behaviour::status(status)));
    };
    let after = span::read(argument)?;
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let header = seconds.to_string();
    Ok(Trouble::answers(
        format!("{status}, retry after {seconds} s"),
        Behaviour::status_with_header(status, "retry-after", &header),
    ))
}

fn slow(argument: Option<&str>) -> Result<Trouble, String> {
    let body_delay = argument.map_or(Ok(USUAL_DELAY), span::read)?;
    let behaviour = Behaviour {
        body_delay,
        ..Behaviour::default()
    };
    let label = format!("slow, first token after {}", shown(body_delay));
    Ok(Trouble::answers(label, behaviour))
}

fn events(argument: Option<&str>) -> Result<usize, String> {
    let Some(argument) = argument else {
        return Ok(USUAL_EVENTS);
    };
    argument
        .parse()
        .map_err(|_| format!("{argument} is no number of events"))
}

fn unknown(kind: &str) -> String {
    let names = KINDS.iter().map(|(name, _)| *name);
    let hint = nearest(kind, names.clone())
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default();
    let names: Vec<_> = names.collect();
    format!(
        "no fault is called {kind}{hint} (there are {}, and statuses such as 503 or 429:2s)",
        names.join(", ")
    )
}

/// Every kind that is a word, with what it does.
pub(crate) const KINDS: &[(&str, &str)] = &[
    ("refused", "the port is closed"),
    ("reset", "the connection is reset once the request is read"),
    (
        "closed",
        "the connection is closed once the request is read",
    ),
    ("silent", "the request is read and never answered"),
    ("overloaded", "an overload error inside a 200"),
    ("slow", "slow:5s, the first token comes that late"),
    (
        "stall",
        "stall:6, a stream falls silent after so many events",
    ),
    ("cut", "cut:6, a stream is cut after so many events"),
    ("malformed", "malformed:6, an event that is no JSON"),
    (
        "truncated",
        "half of the JSON, or of the events, well framed",
    ),
    ("unfinished", "a stream lacks its last event"),
    ("html", "a page for people, with a 200"),
];

/// Late enough to be felt, and well within the usual deadlines.
const USUAL_DELAY: Duration = Duration::from_secs(5);
/// After the first token, in every dialect.
const USUAL_EVENTS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_kind_is_read() {
        for (kind, _) in KINDS {
            assert!(kind.parse::<Trouble>().is_ok(), "{kind}");
        }
    }

    #[test]
    fn a_kind_may_have_an_argument() {
        let label = |text: &str| text.parse::<Trouble>().map(|trouble| trouble.label);
        for (text, expected) in [
            ("503", "503"),
            ("429:2s", "429, retry after 2 s"),
            ("429:1500ms", "429, retry after 2 s"),
            ("slow:250ms", "slow, first token after 250 ms"),
            ("stall:0", "silent after 0 events"),
            ("cut:12", "cut after 12 events"),
        ] {
            assert_eq!(label(text).as_deref(), Ok(expected), "{text}");
        }
        let slow: Trouble = "slow:1s".parse().unwrap();
        assert!(slow.is_slowness());
    }

    #[test]
    fn what_is_no_kind_is_told_with_those_there_are() {
        let error = |text: &str| text.parse::<Trouble>().unwrap_err();
        assert!(error("refussed").contains("did you mean refused?"));
        assert!(error("explode").contains("there are refused, reset"));
        assert!(error("200").contains("400 to 599"));
        assert!(error("cut:many").contains("no number of events"));
        assert!(error("refused:2s").contains("takes nothing"));
        assert!(error("slow:soon").contains("soon"));
    }
}
