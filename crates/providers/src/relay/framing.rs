//! How a target frames its streams.

use bytes::Bytes;

use crate::dialect::Dialect;
use crate::event_stream::{self, FrameFault, Message};
use crate::relay::StreamFault;
use crate::sse;

/// Cuts a target's bytes into pieces, each whole.
#[derive(Debug)]
pub(super) enum Framing {
    Events(sse::Framer),
    Messages(event_stream::Framer),
}

/// One whole piece of a stream.
pub(super) enum Piece {
    /// A server-sent event, as it came.
    Event(Bytes),
    /// A message of Amazon's framing.
    Message(Message),
}

impl Framing {
    pub(super) fn of(target: Dialect) -> Self {
        match target {
            Dialect::BedrockConverse => Self::Messages(event_stream::Framer::default()),
            Dialect::OpenAiChat
            | Dialect::AnthropicMessages
            | Dialect::OpenAiResponses
            | Dialect::GeminiGenerate
            | Dialect::CohereChat => Self::Events(sse::Framer::default()),
        }
    }

    /// Takes the next bytes. Those taken before must have been used up by [`next`](Self::next).
    pub(super) fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Events(framer) => framer.push(chunk),
            Self::Messages(framer) => framer.push(&chunk),
        }
    }

    /// Returns the next piece; `None` until more bytes come.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, StreamFault> {
        match self {
            Self::Events(framer) => match framer.next() {
                Ok(event) => Ok(event.map(Piece::Event)),
                Err(sse::TooLarge) => Err(StreamFault::TooLarge),
            },
            Self::Messages(framer) => match framer.next() {
                Ok(message) => Ok(message.map(Piece::Message)),
                Err(FrameFault::TooLarge) => Err(StreamFault::TooLarge),
                Err(FrameFault::Malformed) => Err(StreamFault::Malformed),
            },
        }
    }

    /// Hands out what has come and was not cut into pieces.
    pub(super) fn take_rest(&mut self) -> Bytes {
        match self {
            Self::Events(framer) => framer.take_rest(),
            Self::Messages(framer) => framer.take_rest(),
        }
    }

    /// Hands out what is left when the stream has ended: an event without its closing empty line.
    /// Part of a message is worth nothing.
    pub(super) fn finish(&mut self) -> Bytes {
        match self {
            Self::Events(framer) => framer.finish(),
            Self::Messages(_) => Bytes::new(),
        }
    }
}
