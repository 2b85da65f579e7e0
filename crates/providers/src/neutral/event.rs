//! An answer in pieces.

use crate::error::ErrorBody;
use crate::json::Text;
use crate::neutral::{Citation, Logprobs, Stop};
use crate::usage::Usage;

/// One step of an answer that is still being made.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The answer has begun. May be said more than once; the first counts.
    Begin {
        id: Option<Text<'a>>,
        model: Option<Text<'a>>,
    },
    Text(Text<'a>),
    /// Text, and how likely its tokens were; those of a token cut in two may come without text.
    ScoredText(Text<'a>, Logprobs<'a>),
    /// A part of the text begins, which citations count from. Dialects whose text is all one part do
    /// not say so.
    TextPart,
    /// Where a part of the text is from. To readers of a client's dialect, its span is of all the
    /// answer's text.
    Citation(Citation<'a>),
    Thinking(Text<'a>),
    /// Ends a run of thinking.
    Signature(Text<'a>),
    /// Thinking that only the provider can read, whole.
    Redacted(Text<'a>),
    Refusal(Text<'a>),
    /// A tool call has begun. Slots count from 0 in the order of the calls.
    ToolBegin {
        slot: usize,
        id: &'a str,
        name: &'a str,
    },
    /// A piece of a call's input, as JSON text inside a string.
    ToolInput {
        slot: usize,
        piece: Text<'a>,
    },
    /// Nothing more comes for this call. Dialects that do not say so leave it out.
    ToolEnd {
        slot: usize,
    },
    /// The counts so far; each replaces the one before.
    Usage(Usage),
    Finish {
        stop: Stop,
        sequence: Option<Text<'a>>,
    },
    /// The answer is whole and nothing follows.
    Done,
    /// The provider gave up.
    Error(ErrorBody),
}

impl Event<'_> {
    /// Tells whether the event brings the client anything of the answer itself.
    pub(crate) fn is_meaningful(&self) -> bool {
        match self {
            Self::Text(text)
            | Self::ScoredText(text, _)
            | Self::Thinking(text)
            | Self::Refusal(text) => !text.is_empty(),
            Self::ToolBegin { .. }
            | Self::ToolInput { .. }
            | Self::Signature(_)
            | Self::Redacted(_) => true,
            Self::Begin { .. }
            | Self::TextPart
            | Self::Citation(_)
            | Self::ToolEnd { .. }
            | Self::Usage(_)
            | Self::Finish { .. }
            | Self::Done
            | Self::Error(_) => false,
        }
    }
}
