//! Into Bedrock's dialect.

use super::settings::write_settings;
use super::write_content::{write_system, write_turn};
use super::write_tools::write_tools;
use crate::anthropic::{Abilities, Settings};
use crate::bedrock::is_claude;
use crate::exchange::{EncodeError, Plan};
use crate::json::Writer;
use crate::neutral::group::{Group, grouped};
use crate::neutral::{Block, Content, Request, Unsaid};

/// Writes the body of a Converse call. The model and the way of answering are in its path.
pub(crate) fn write_request(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
) -> Result<String, EncodeError> {
    let unsaid = [
        Unsaid::OpenAiOnly,
        Unsaid::Logprobs,
        Unsaid::User,
        Unsaid::ServiceTier,
        Unsaid::OneToolAtATime,
    ];
    request.note_unsaid(&unsaid, plan.dropped);
    let is_claude = is_claude(plan.to.model);
    let abilities = if is_claude {
        Abilities::of(plan.to.model)
    } else {
        Abilities::PLAIN
    };
    let settings = Settings::of(request, abilities, plan)?;
    let mut groups = grouped(request, |block| is_sendable(block, is_claude));
    groups.iter_mut().for_each(Group::lead_with_results);
    if groups.is_empty() {
        return Err(EncodeError::new(
            "messages",
            "must hold a message of the user's for the model that serves this",
        ));
    }
    let mut out = Writer::with_capacity(1024);
    let mut fault = Ok(());
    let mut documents = 0;
    out.object(|out| {
        write_system(request, out);
        out.key("messages").array(|out| {
            for group in &groups {
                if fault.is_ok() {
                    fault = write_turn(group, &mut documents, plan, out);
                }
            }
        });
        write_settings(request, &settings, plan, out);
        write_tools(request, &settings, plan, out);
    });
    fault.map(|()| out.into_string())
}

fn is_sendable(block: &Block<'_>, is_claude: bool) -> bool {
    match &block.content {
        Content::Text(text) | Content::Refusal(text) => !text.is_blank(),
        Content::Thinking { signature, .. } => is_claude && signature.is_some(),
        Content::Redacted(_) => is_claude,
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Unknown { .. } => true,
    }
}
