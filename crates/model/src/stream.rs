//! From when on a streamed answer is the client's, and what it hears until then.

use std::time::Duration;

use serde_json::Value;

use crate::{Faults, read::Field, span, write::Writer};

/// How streamed answers are passed on. What is `None` is left to the gateway's own defaults.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Streaming {
    /// When an answer begins to be passed on; the first token unless written.
    pub commit: Option<Commit>,
    /// How many bytes of an answer are held back at most: 4 KiB to 64 MiB, 1 MiB unless written.
    /// An answer that is larger is passed on from there, whatever `commit` says.
    pub hold_bytes: Option<u32>,
    /// How long a client hears nothing before it is told, by a comment in the stream, that the
    /// gateway is still at it; 15 s unless written, zero (`false`) tells it nothing.
    pub keep_alive: Option<Duration>,
}

/// When a streamed answer begins to be passed on. Before that another target may take over
/// unseen; after it none does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Commit {
    /// With the first token, or the first piece of a tool call.
    #[default]
    FirstToken,
    /// So long after the first token, or when the answer is whole.
    After(Duration),
    /// When so many bytes of it have come, the first token among them, or it is whole.
    Bytes(u32),
    /// When it is whole.
    Complete,
}

impl Streaming {
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let mut fields = field.fields(faults)?;
        let stream = Self {
            commit: fields
                .get("commit")
                .and_then(|field| Commit::read(&field, faults)),
            hold_bytes: fields
                .get("hold_bytes")
                .and_then(|field| field.whole(LEAST_HELD, MOST_HELD, faults)),
            keep_alive: fields
                .get("keep_alive")
                .and_then(|field| field.span_or_false(faults)),
        };
        fields.finish(faults);
        Some(stream)
    }

    pub(crate) fn write(&self) -> Option<Value> {
        let mut writer = Writer::default();
        writer.put_some("commit", self.commit.map(Commit::write));
        writer.put_some("hold_bytes", self.hold_bytes);
        writer.put_some("keep_alive", self.keep_alive.map(span::write_or_false));
        (*self != Self::default()).then(|| writer.finish())
    }
}

impl Commit {
    fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        match field.value.as_str() {
            Some(FIRST_TOKEN) => return Some(Self::FirstToken),
            Some(COMPLETE) => return Some(Self::Complete),
            _ => {}
        }
        if field.value.is_object() {
            let mut fields = field.fields(faults)?;
            let bytes = match fields.get("bytes") {
                Some(field) => field.whole(1, MOST_HELD, faults),
                None => {
                    faults.push(fields.at("bytes"), "bytes is required");
                    None
                }
            };
            fields.finish(faults);
            return bytes.map(Self::Bytes);
        }
        let after = span::read(field.value);
        if after.is_none() {
            faults.push(
                &field.pointer,
                "must be first_token, complete, a time such as 500ms, or an object with bytes",
            );
        }
        after.map(Self::After)
    }

    fn write(self) -> Value {
        match self {
            Self::FirstToken => Value::from(FIRST_TOKEN),
            Self::Complete => Value::from(COMPLETE),
            Self::After(time) => span::write(time),
            Self::Bytes(bytes) => {
                let mut writer = Writer::default();
                writer.put("bytes", bytes);
                writer.finish()
            }
        }
    }
}

const FIRST_TOKEN: &str = "first_token";
const COMPLETE: &str = "complete";
/// Less would be passed on with the first event.
const LEAST_HELD: u32 = 4 * 1024;
/// Each stream under way may hold as much.
const MOST_HELD: u32 = 64 * 1024 * 1024;
