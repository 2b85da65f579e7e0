//! How a stand-in answers: well, slowly, or wrongly in one chosen way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a stand-in treats a request. The default answers at once and well.
///
/// As JSON, for the control endpoint, times are in milliseconds and every field may be left out:
/// `{"head_delay": 20, "fault": {"kind": "status", "status": 429, "headers": {"retry-after": "2"}}}`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// How long it waits before the head of its answer.
    #[serde(with = "millis")]
    pub head_delay: Duration,
    /// How long it waits between the head and the first byte of the body.
    #[serde(with = "millis")]
    pub body_delay: Duration,
    /// How long it waits between two events of a stream.
    #[serde(with = "millis")]
    pub event_gap: Duration,
    /// What it says, in place of telling who it is and repeating the question.
    pub say: Option<String>,
    /// What it does wrong.
    pub fault: Option<Fault>,
}

impl Behaviour {
    /// Answers at once, but for `fault`.
    pub fn failing(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// Refuses every request with `status` and the dialect's usual body for it.
    pub fn status(status: u16) -> Self {
        Self::failing(Fault::Status {
            status,
            headers: BTreeMap::new(),
            body: None,
        })
    }

    /// As [`status`](Self::status), with one header more, such as `Retry-After`.
    pub fn status_with_header(status: u16, name: &str, value: &str) -> Self {
        let headers = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Self::failing(Fault::Status {
            status,
            headers,
            body: None,
        })
    }
}

/// One way to answer wrongly. Events are counted as the dialect writes them, the first being 1.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Another status than 200.
    Status {
        /// The status.
        status: u16,
        /// Headers in addition to the content type.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; without one, the dialect's usual error for the status.
        #[serde(default)]
        body: Option<String>,
    },
    /// Reads the request and never answers.
    HangBeforeHead,
    /// Sends the head and that many events, then nothing more; of a plain answer, the head only.
    HangAfterEvents {
        /// Events before the silence; 0 is silence before the first token.
        events: usize,
    },
    /// Ends the connection before the head.
    CutBeforeHead {
        /// How the connection ends.
        how: Cut,
    },
    /// Ends the connection after that many bytes of the body.
    CutAfterBytes {
        /// Bytes of the body that are sent.
        bytes: usize,
        /// How the connection ends.
        how: Cut,
    },
    /// Ends the connection after that many events of a stream.
    CutAfterEvents {
        /// Events that are sent whole.
        events: usize,
        /// How the connection ends.
        how: Cut,
    },
    /// Puts an event that is no JSON after that many good ones and goes on as if nothing were wrong.
    MalformedEvent {
        /// Events before it.
        after_events: usize,
    },
    /// Leaves the dialect's last event out (`[DONE]`, `message_stop`) and ends the answer properly.
    MissingEnd,
    /// Reports an error inside a stream that began with 200, and ends it.
    ErrorEvent {
        /// Events before it.
        after_events: usize,
        /// The error's type, such as `overloaded_error`.
        error_type: String,
        /// The error's message.
        message: String,
    },
    /// Answers 200 with a page for people, as a confused cache in front of a provider does.
    Html,
    /// Answers 200 with the first half of the JSON, well framed.
    TruncatedJson,
    /// Sends the body byte by byte.
    Drip {
        /// Milliseconds between two bytes; 0 only splits the body everywhere.
        gap: u64,
    },
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Politely (FIN), as a process that ends does.
    Close,
    /// With a reset (RST), as a process that crashes does.
    Reset,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Behaviour, Cut, Fault};

    #[test]
    fn a_behaviour_reads_from_json_with_every_field_optional() {
        let read = |text| serde_json::from_str::<Behaviour>(text).unwrap();
        assert_eq!(read("{}"), Behaviour::default());
        assert_eq!(
            read(r#"{"head_delay": 20}"#).head_delay,
            Duration::from_millis(20)
        );
        let cut = r#"{"fault": {"kind": "cut_after_bytes", "bytes": 9, "how": "reset"}}"#;
        assert_eq!(
            read(cut).fault,
            Some(Fault::CutAfterBytes {
                bytes: 9,
                how: Cut::Reset
            })
        );
        assert_eq!(
            read(r#"{"fault": {"kind": "status", "status": 503}}"#),
            Behaviour::status(503)
        );
    }

    #[test]
    fn a_misspelt_behaviour_is_refused() {
        assert!(serde_json::from_str::<Behaviour>(r#"{"faults": null}"#).is_err());
        assert!(serde_json::from_str::<Behaviour>(r#"{"fault": {"kind": "hang"}}"#).is_err());
    }
}
