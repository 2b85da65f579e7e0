//! An answer as a whole.

use crate::exchange::Dropped;
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
    /// What only its own dialect can say.
    pub(crate) dropped: Dropped,
}

impl Answer<'_> {
    /// Leaves out what is more than anybody reads: the place of each costs a look at all of its text.
    pub(crate) fn bound_citations(&mut self) {
        let mut room = CITATION_LIMIT;
        for block in &mut self.blocks {
            if block.citations.len() > room {
                block.citations.truncate(room);
                self.dropped.note("citations");
            }
            room -= block.citations.len();
        }
    }
}

/// The most citations that are carried from one dialect to another.
pub(crate) const CITATION_LIMIT: usize = 256;

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
