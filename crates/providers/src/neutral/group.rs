//! What one side says in a row.

use crate::neutral::{Block, Content, Request, Role};

/// Neighbouring messages of one side, for dialects in which the sides take turns.
#[derive(Debug)]
pub(crate) struct Group<'g, 'a> {
    pub(crate) role: Role,
    pub(crate) blocks: Vec<&'g Block<'a>>,
}

impl Group<'_, '_> {
    /// Puts results of tools and thinking in front, where providers demand them.
    pub(crate) fn lead_with_results(&mut self) {
        // Stable: only what must lead moves.
        self.blocks.sort_by_key(|block| {
            !matches!(
                block.content,
                Content::ToolResult { .. } | Content::Thinking { .. } | Content::Redacted(_)
            )
        });
    }
}

/// Joins neighbouring messages of one side, without what the system says, the blocks that are not
/// to be kept, and messages with nothing left.
pub(crate) fn grouped<'g, 'a>(
    request: &'g Request<'a>,
    keeps: impl Fn(&Block<'_>) -> bool,
) -> Vec<Group<'g, 'a>> {
    let mut groups: Vec<Group<'g, 'a>> = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        if matches!(turn.role, Role::System | Role::Developer) {
            continue;
        }
        let blocks = turn.blocks.iter().filter(|block| keeps(block));
        match groups.last_mut() {
            Some(group) if group.role == turn.role => group.blocks.extend(blocks),
            _ => groups.push(Group {
                role: turn.role,
                blocks: blocks.collect(),
            }),
        }
    }
    groups.retain(|group| !group.blocks.is_empty());
    groups
}
