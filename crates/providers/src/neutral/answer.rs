//! An answer as a whole.

use crate::json::Text;
use crate::neutral::Block;
use crate::usage::Usage;

/// An answer, whichever dialect it came in.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) id: Option<Text<'a>>,
    pub(crate) model: Option<Text<'a>>,
    pub(crate) blocks: Vec<Block<'a>>,
    pub(crate) stop: Stop,
    pub(crate) stop_sequence: Option<Text<'a>>,
    pub(crate) usage: Usage,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    End,
    Sequence,
    Length,
    ContextWindow,
    ToolUse,
    Refusal,
    /// A long turn paused, to be continued by sending it back.
    Pause,
}
