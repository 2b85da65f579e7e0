//! Goes on, at another target, with an answer that broke off.
//!
//! The other target is asked the same with the text so far as the beginning of the answer, and
//! its own text is written into the client's stream as if the first had gone on. That holds for
//! text alone: a tool call, thinking or a form that was asked for can't be begun in the middle.

mod prefill;
mod request;
mod splice;

use std::sync::Arc;

use bytes::Bytes;

use crate::exchange::{EncodeError, Encoded, Exchange, Stamp, TargetTraits, encode};
use crate::intake::Intake;
use crate::json::Text;
use crate::neutral::Event;
use crate::relay::{HeldText, Translation};
use crate::usage::Usage;

pub use prefill::{Prefill, Prefills};
pub use request::may_be_continued;
pub(crate) use splice::Splice;

/// What a stream that broke off has brought its client, and what it takes to go on from there.
#[derive(Clone, Debug)]
pub struct Interrupted {
    sent: Sent,
    /// Writes for the client, at the place where the stream broke off.
    translation: Translation,
    usage: Usage,
    /// Whether the target that goes on may repeat what it was given.
    may_echo: bool,
}

impl Interrupted {
    /// What the client was sent, which is of one piece of text; `translation` wrote it, or is
    /// brought to where it would stand had it done so.
    pub(crate) fn new(
        sent: &Sent,
        translation: Option<&Translation>,
        exchange: &Exchange,
        usage: Usage,
    ) -> Option<Self> {
        let has_words = sent.is_text_alone && !sent.text.text().is_blank();
        let is_short = sent.text.len() <= SENT_LIMIT_BYTES;
        (has_words && is_short).then(|| Self {
            sent: sent.clone(),
            translation: translation
                .cloned()
                .unwrap_or_else(|| sent.translation(exchange)),
            usage,
            may_echo: false,
        })
    }

    /// What was used up to here.
    pub(crate) const fn usage(&self) -> Usage {
        self.usage
    }

    pub(crate) fn sent(&self) -> &Sent {
        &self.sent
    }

    /// What writes the rest for the client, where the answer is brought back by `exchange`.
    pub(crate) fn translation(&self, exchange: &Exchange) -> Translation {
        let mut translation = self.translation.clone();
        translation.take_over(exchange);
        translation.write(Event::Usage(self.usage));
        translation
    }

    /// What has to be left out of the rest.
    pub(crate) fn splice(&self) -> Splice {
        let text = self.sent.text.text();
        let text = text.decoded();
        let begun = text.trim_end();
        let space = text.get(begun.len()..).unwrap_or_default();
        Splice::new(if self.may_echo { begun } else { "" }, space)
    }

    /// The beginning of the answer as a target is to get it: some refuse one that ends in white
    /// space.
    fn beginning(&self) -> Text<'static> {
        let text = self.sent.text.text();
        Text::plain(text.decoded().trim_end())
    }

    /// About how many tokens the answer has so far.
    fn tokens(&self) -> u64 {
        let by_length = self.sent.text.len() as u64 / BYTES_PER_TOKEN;
        self.usage.output.max(by_length)
    }
}

/// Text is never denser than this in practice.
const BYTES_PER_TOKEN: u64 = 6;

/// More text than this is not gone on with.
const SENT_LIMIT_BYTES: usize = 256 * 1024;

/// What the client of a stream was sent so far.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    text: HeldText,
    id: Option<Text<'static>>,
    model: Option<Text<'static>>,
    /// Whether it was nothing but text, with more to come.
    is_text_alone: bool,
}

impl Sent {
    pub(crate) fn new() -> Self {
        Self {
            text: HeldText::default(),
            id: None,
            model: None,
            is_text_alone: true,
        }
    }

    pub(crate) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(piece) if self.is_text_alone => {
                self.text.push(piece);
                if self.text.len() > SENT_LIMIT_BYTES {
                    self.give_up();
                }
            }
            Event::Begin { id, model } => {
                let kept = |text: &Text<'_>| Text::from_escaped(text.escaped());
                self.id = self.id.take().or_else(|| id.as_ref().map(kept));
                self.model = self.model.take().or_else(|| model.as_ref().map(kept));
            }
            Event::Text(_) | Event::TextPart | Event::Usage(_) | Event::Error(_) => {}
            Event::ScoredText(..)
            | Event::Citation(_)
            | Event::Thinking(_)
            | Event::Signature(_)
            | Event::Redacted(_)
            | Event::Refusal(_)
            | Event::ToolBegin { .. }
            | Event::ToolInput { .. }
            | Event::ToolEnd { .. }
            | Event::Finish { .. }
            | Event::Done => self.give_up(),
        }
    }

    /// Nobody will go on with this.
    fn give_up(&mut self) {
        self.is_text_alone = false;
        self.text.take();
    }

    /// A translation of `exchange` that stands where it would had it written all this.
    fn translation(&self, exchange: &Exchange) -> Translation {
        let mut translation = Translation::new(exchange);
        translation.write(Event::Begin {
            id: self.id.clone(),
            model: self.model.clone(),
        });
        translation.write(Event::Text(self.text.text()));
        translation.take_written();
        translation
    }
}

/// Writes the request that asks another target, told as [`Prefill`] says, to go on from where an
/// answer ended.
///
/// It is the client's own, with the text so far as the beginning of the answer, and with so much
/// less room for its output. The exchange brings back the rest alone.
///
/// # Errors
///
/// [`EncodeError`] as for [`encode`]; also when the client's bound on output tokens is reached
/// already, or its own request ends in the beginning of an answer.
pub fn encode_continuation(
    intake: &Intake,
    body: &Bytes,
    to: &TargetTraits<'_>,
    stamp: Stamp<'_>,
    (prefill, interrupted): (Prefill, &Interrupted),
) -> Result<Encoded, EncodeError> {
    let (beginning, tokens) = (interrupted.beginning(), interrupted.tokens());
    let body = request::begun(intake.surface(), body, &beginning, tokens)?;
    let intake = intake.of_body(&body)?;
    let mut encoded = encode(&intake, &body, to, stamp)?;
    encoded.body = prefill.mark(encoded.body, encoded.exchange.target);
    encoded.exchange.resumes = Some(Arc::new(Interrupted {
        may_echo: prefill == Prefill::Prefix,
        ..interrupted.clone()
    }));
    Ok(encoded)
}

#[cfg(test)]
mod tests;
