//! Bodies that pass through with a few bytes changed.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::dialect::{Dialect, Surface};
use crate::exchange::{Dropped, EncodeError, TargetTraits};
use crate::intake::Intake;
use crate::json::Writer;
use crate::table::StreamUsage;
use crate::{anthropic, gemini, openai};

/// A body in slices, most of them the client's own bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EncodedBody {
    parts: Vec<Bytes>,
}

impl EncodedBody {
    pub(crate) fn whole(body: Bytes) -> Self {
        Self { parts: vec![body] }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Tells whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    /// Hands out the slices, to be sent one after the other.
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }

    /// Hands it out as one slice, which copies it if it has several.
    pub fn into_bytes(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.parts) {
            Ok([whole]) => whole,
            Err(parts) => {
                let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
                parts.iter().for_each(|part| joined.extend_from_slice(part));
                joined.freeze()
            }
        }
    }
}

/// Changes the model, and what the provider's quirks demand; leaves every other byte alone.
pub(super) fn pass_through(
    intake: &Intake,
    body: &Bytes,
    to: &TargetTraits<'_>,
    dropped: &mut Dropped,
) -> Result<EncodedBody, EncodeError> {
    if intake.surface() == Surface::ChatCompletions
        && to.dialect == Dialect::OpenAiChat
        && let Some(adapted) = openai::adapt_request(body, intake, to, dropped)?
    {
        return Ok(EncodedBody::whole(adapted));
    }
    if matches!(intake.surface(), Surface::Messages | Surface::CountTokens)
        && let Some(adapted) = anthropic::adapt_request(body, intake.surface(), to)
    {
        return Ok(EncodedBody::whole(adapted));
    }
    if to.dialect == Dialect::GeminiGenerate
        && let Some(adapted) = gemini::adapt_request(body, to)
    {
        return Ok(EncodedBody::whole(adapted));
    }
    let mut edits = Vec::with_capacity(2);
    let mut front = Writer::default();
    let is_in_body = to.dialect != Dialect::GeminiGenerate;
    if is_in_body && intake.model() != Some(to.model) && !to.model.is_empty() {
        match &intake.model_at {
            Some(at) => edits.push((at.clone(), quoted(to.model))),
            None => {
                front.key("model").str(to.model);
            }
        }
    }
    if asks_for_usage(intake, to) {
        match &intake.stream_options_at {
            Some(at) => edits.push((at.clone(), openai::usage_option(body.get(at.clone())))),
            None => {
                front
                    .key("stream_options")
                    .verbatim(r#"{"include_usage":true}"#);
            }
        }
    }
    let mut front = front.into_string();
    if !front.is_empty() {
        if !intake.opening.is_empty {
            front.push(',');
        }
        edits.push((intake.opening.at..intake.opening.at, front));
    }
    edits.sort_by_key(|(at, _)| at.start);
    Ok(splice(body, edits))
}

/// Tells whether the gateway has to ask for usage where the client did not.
fn asks_for_usage(intake: &Intake, to: &TargetTraits<'_>) -> bool {
    to.dialect == Dialect::OpenAiChat
        && intake.surface() == Surface::ChatCompletions
        && intake.is_stream()
        && !intake.includes_usage()
        && to.quirks.stream_usage == StreamUsage::Asked
}

fn quoted(text: &str) -> String {
    let mut out = Writer::with_capacity(text.len() + 2);
    out.str(text);
    out.into_string()
}

/// Puts each replacement in the place of its range. The ranges are in order and apart.
fn splice(body: &Bytes, edits: Vec<(Range<usize>, String)>) -> EncodedBody {
    let mut parts = Vec::with_capacity(edits.len() * 2 + 1);
    let mut from = 0;
    for (at, replacement) in edits {
        parts.push(body.slice(from..at.start));
        parts.push(Bytes::from(replacement));
        from = at.end;
    }
    parts.push(body.slice(from..));
    EncodedBody { parts }
}
