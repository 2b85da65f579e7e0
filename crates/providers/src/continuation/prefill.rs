//! How targets are told the beginning of their answer.

use bytes::Bytes;

use crate::anthropic::Abilities;
use crate::dialect::Dialect;
use crate::exchange::{EncodedBody, TargetTraits};
use crate::json::{items, place};

/// How a target is told to go on with the beginning of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefill {
    /// It goes on with a last message of the assistant's.
    LastMessage,
    /// The same, with `"prefix": true` in it: Mistral, and DeepSeek's beta.
    Prefix,
    /// The same, with `"continue_final_message": true` in the request: vLLM and SGLang.
    FinalMessage,
}

/// Which models of a provider go on with the beginning of an answer, and how they are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefills {
    /// None, or nobody says so.
    Unknown,
    /// Each.
    All(Prefill),
    /// Claude up to 4.5; later ones refuse a last message of the assistant's.
    OlderClaude,
}

impl Prefill {
    /// How the target `to` is told, as far as is known of its provider and its model.
    pub fn of(to: &TargetTraits<'_>) -> Option<Self> {
        match to.quirks.prefills {
            Prefills::Unknown => None,
            Prefills::All(prefill) => Some(prefill),
            Prefills::OlderClaude => Abilities::of(to.model).prefill.then_some(Self::LastMessage),
        }
    }

    /// Puts the mark into a request that is written already.
    pub(super) fn mark(self, body: EncodedBody, target: Dialect) -> EncodedBody {
        let written = body.into_bytes();
        let marked = match self {
            Self::LastMessage => None,
            _ if target != Dialect::OpenAiChat => None,
            Self::Prefix => in_last_message(&written),
            Self::FinalMessage => in_request(&written),
        };
        EncodedBody::whole(marked.unwrap_or(written))
    }
}

fn in_request(body: &Bytes) -> Option<Bytes> {
    const MARK: &[u8] = br#""continue_final_message":true,"add_generation_prompt":false,"#;
    let at = memchr::memchr(b'{', body)? + 1;
    Some(inserted(body, at, MARK))
}

fn in_last_message(body: &Bytes) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let fields: crate::json::Object<'_> = serde_json::from_str(text).ok()?;
    let last = *items(fields.get("messages")?)?.last()?;
    let end = place(text, last.get()).end.checked_sub(1)?;
    Some(inserted(body, end, br#","prefix":true"#))
}

fn inserted(body: &Bytes, at: usize, mark: &[u8]) -> Bytes {
    let (before, after) = body.split_at(at.min(body.len()));
    [before, mark, after].concat().into()
}
