//! Where in a streamed answer's text its citations stand.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::json::Text;
use crate::neutral::citation::{Citation, Span, Unit};

/// Keeps count of an answer's text, so that a citation can say which part of all of it it is for.
#[derive(Clone, Debug)]
pub(super) struct Cited {
    /// What the client's dialect counts in.
    unit: Unit,
    /// The length of the text so far, and of that before the part at hand.
    length: usize,
    part: usize,
    /// The part at hand, where it takes its text to tell one unit from the other.
    text: Option<String>,
    /// Citations of the part at hand as a whole, which may go on.
    waiting: Vec<Citation<'static>>,
}

impl Cited {
    pub(super) fn new(client: Dialect, target: Dialect) -> Self {
        let unit = match client {
            Dialect::GeminiGenerate => Unit::Bytes,
            _ => Unit::Chars,
        };
        Self {
            unit,
            length: 0,
            part: 0,
            text: part_text(unit, target),
            waiting: Vec::new(),
        }
    }

    /// Lets `target` go on with the text: what it cites counts from here.
    pub(super) fn take_over(&mut self, target: Dialect) {
        self.text = part_text(self.unit, target);
        self.begin_part();
    }

    pub(super) fn add_text(&mut self, text: &Text<'_>) {
        let text = text.decoded();
        self.length += self.unit.of(&text);
        if let Some(part) = &mut self.text {
            if part.len() + text.len() > TEXT_LIMIT_BYTES {
                self.text = None;
            } else {
                part.push_str(&text);
            }
        }
    }

    /// Takes a citation of the part at hand; hands it out when its place in all of the text is known.
    pub(super) fn add<'a>(&mut self, citation: Citation<'a>) -> Option<Citation<'a>> {
        let span = match (&citation.span, self.unit, &self.text) {
            (Span::Whole, ..) => {
                if self.waiting.len() < WAITING_LIMIT {
                    self.waiting.push(citation.into_owned());
                }
                return None;
            }
            (Span::Chars(span), Unit::Chars, _) | (Span::Bytes(span), Unit::Bytes, _) => {
                let end = span.end.min(self.length.saturating_sub(self.part));
                if span.start >= end {
                    return None;
                }
                span.start..end
            }
            (span, unit, Some(text)) => span.within(text, unit),
            (_, _, None) => return None,
        };
        let span = self.part + span.start..self.part + span.end;
        Some(self.placed(citation, span))
    }

    /// Begins the next part, which the spans of citations count from.
    pub(super) fn begin_part(&mut self) {
        self.part = self.length;
        if let Some(text) = &mut self.text {
            text.clear();
        }
    }

    /// Hands out the citations of the part at hand as a whole, when nothing more is added to it.
    pub(super) fn take_waiting(&mut self) -> Vec<Citation<'static>> {
        let span = self.part..self.length;
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .filter(|_| !span.is_empty())
            .map(|citation| self.placed(citation, span.clone()))
            .collect()
    }

    fn placed<'a>(&self, citation: Citation<'a>, span: Range<usize>) -> Citation<'a> {
        let span = match self.unit {
            Unit::Chars => Span::Chars(span),
            Unit::Bytes => Span::Bytes(span),
        };
        Citation { span, ..citation }
    }

    /// What is held back.
    pub(super) fn held_bytes(&self) -> usize {
        let bytes = |text: &Text<'_>| text.literal().len();
        let waiting = self.waiting.iter().map(|citation| {
            let others = [&citation.title, &citation.quote];
            bytes(&citation.url) + others.into_iter().flatten().map(bytes).sum::<usize>()
        });
        waiting.sum::<usize>() + self.text.as_ref().map_or(0, String::len)
    }
}

/// Where to keep the part at hand: `target` may count it in another unit.
fn part_text(unit: Unit, target: Dialect) -> Option<String> {
    let counts_in = match target {
        Dialect::GeminiGenerate => Unit::Bytes,
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::CohereChat => Unit::Chars,
        // They cite for a part as a whole.
        Dialect::AnthropicMessages | Dialect::BedrockConverse => unit,
    };
    (counts_in != unit).then(String::new)
}

/// Citations in longer parts, counted in another unit, are left out.
const TEXT_LIMIT_BYTES: usize = 1024 * 1024;

/// More citations of one part are left out.
const WAITING_LIMIT: usize = 256;
