//! Messages into OpenAI's dialect.

use std::borrow::Cow;

use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::tool_names::fit_id;
use crate::neutral::{Block, Content, Role, Source, Turn};
use crate::table::{DeveloperRole, TextParts};

/// Writes one turn: one message, or, where the user gives results of tools, one for each result
/// and one for the rest.
pub(crate) fn write_turn(
    turn: &Turn<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    match turn.role {
        Role::System | Role::Developer => {
            let role = match (turn.role, plan.to.quirks.developer_role) {
                (Role::Developer, DeveloperRole::Kept) => "developer",
                _ => "system",
            };
            write_system(role, &turn.blocks, out);
            Ok(())
        }
        Role::User => write_user(&turn.blocks, plan, out),
        Role::Assistant => write_assistant(&turn.blocks, plan, out),
    }
}

fn texts<'b>(blocks: &'b [Block<'_>]) -> impl Iterator<Item = &'b Text<'b>> {
    blocks.iter().filter_map(|block| match &block.content {
        Content::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

fn write_system(role: &str, blocks: &[Block<'_>], out: &mut Writer) {
    let Some(text) = Text::join(texts(blocks), "\\n") else {
        return;
    };
    out.object(|out| {
        out.key("role").str(role);
        out.key("content").text(&text);
    });
}

fn write_user(
    blocks: &[Block<'_>],
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    // What a tool shows can't ride in its message: it follows in one of the user's.
    let mut shown: Vec<Shown<'_, '_>> = Vec::new();
    for block in blocks {
        if let Content::ToolResult {
            id,
            content,
            is_error,
        } = &block.content
        {
            let id = fit_id(id, plan.to.quirks.tool_ids);
            write_result(&id, content, *is_error, out);
            let pictures = content
                .iter()
                .filter(|block| !matches!(block.content, Content::Text(_)));
            shown.extend(pictures.map(|block| Shown {
                of_result: Some(id.clone()),
                block,
            }));
        } else if !is_empty(block) {
            shown.push(Shown {
                of_result: None,
                block,
            });
        }
    }
    if shown.is_empty() {
        return Ok(());
    }
    let mut fault = Ok(());
    out.object(|out| {
        out.key("role").str("user");
        let all_text = shown
            .iter()
            .all(|shown| matches!(shown.block.content, Content::Text(_)));
        let only: Vec<_> = shown.iter().filter_map(Shown::text).collect();
        if all_text && (only.len() == 1 || plan.to.quirks.text_parts == TextParts::Joined) {
            if let Some(text) = Text::join(only, "\\n") {
                out.key("content").text(&text);
            }
            return;
        }
        out.key("content").array(|out| {
            for shown in &shown {
                if fault.is_ok() {
                    fault = shown.write(out);
                }
            }
        });
    });
    fault
}

fn is_empty(block: &Block<'_>) -> bool {
    matches!(&block.content, Content::Text(text) if text.is_empty())
}

/// What a message of the user's shows, and the result of a tool that it is from.
struct Shown<'s, 'a> {
    of_result: Option<Cow<'s, str>>,
    block: &'s Block<'a>,
}

impl Shown<'_, '_> {
    fn text(&self) -> Option<&Text<'_>> {
        match &self.block.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    fn write(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if let Some(id) = &self.of_result {
            out.object(|out| {
                out.key("type").str("text");
                out.key("text")
                    .str(&format!("Part of the result of tool call {id}:"));
            });
        }
        write_part(self.block, out)
    }
}

fn write_part(block: &Block<'_>, out: &mut Writer) -> Result<(), EncodeError> {
    let refuse = |message: &str| Err(EncodeError::new(block.place, message));
    match &block.content {
        Content::Text(text) | Content::Refusal(text) => {
            out.object(|out| {
                out.key("type").str("text");
                out.key("text").text(text);
            });
        }
        Content::Image(source) => {
            let url = match source {
                Source::Base64 { media_type, data } => {
                    Text::plain(&format!("data:{media_type};base64,{data}"))
                }
                Source::Url(url) => url.clone(),
                Source::PlainText(_) | Source::File => {
                    return refuse(
                        "a file that another provider keeps can't be read by the model that serves this: send its data",
                    );
                }
            };
            out.object(|out| {
                out.key("type").str("image_url");
                out.key("image_url").object(|out| {
                    out.key("url").text(&url);
                });
            });
        }
        Content::Document { source, name } => {
            return write_document(block, source, name.as_ref(), out);
        }
        Content::Unknown { kind } => {
            return refuse(&format!(
                "the model that serves this does not take content of type \"{kind}\""
            ));
        }
        Content::Audio { format, data } => {
            out.object(|out| {
                out.key("type").str("input_audio");
                out.key("input_audio").object(|out| {
                    out.key("data").str(data);
                    out.key("format").str(format);
                });
            });
        }
        Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Thinking { .. }
        | Content::Redacted(_) => return refuse("does not belong into a message of the user's"),
    }
    Ok(())
}

fn write_document(
    block: &Block<'_>,
    source: &Source<'_>,
    name: Option<&Text<'_>>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    match source {
        Source::Base64 { media_type, data } => {
            out.object(|out| {
                out.key("type").str("file");
                out.key("file").object(|out| {
                    match name {
                        Some(name) => out.key("filename").text(name),
                        None => out.key("filename").str("document.pdf"),
                    };
                    out.key("file_data")
                        .str(&format!("data:{media_type};base64,{data}"));
                });
            });
        }
        Source::PlainText(text) => {
            out.object(|out| {
                out.key("type").str("text");
                out.key("text").text(text);
            });
        }
        Source::Url(_) | Source::File => {
            return Err(EncodeError::new(
                block.place,
                "a document must be sent with its data to the model that serves this",
            ));
        }
    }
    Ok(())
}

fn write_result(id: &str, content: &[Block<'_>], is_error: bool, out: &mut Writer) {
    let failed = is_error.then(|| Text::plain("The tool failed:"));
    let text = Text::join(failed.iter().chain(texts(content)), "\\n");
    out.object(|out| {
        out.key("role").str("tool");
        out.key("tool_call_id").str(id);
        match text {
            Some(text) => out.key("content").text(&text),
            None => out.key("content").str(""),
        };
    });
}

fn write_assistant(
    blocks: &[Block<'_>],
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    for block in blocks {
        check_assistant(block)?;
    }
    let spoken = blocks.iter().filter_map(|block| match &block.content {
        Content::Text(text) | Content::Refusal(text) if !text.is_empty() => Some(text),
        _ => None,
    });
    let text = Text::join(spoken, "\\n");
    let has_calls = blocks
        .iter()
        .any(|block| matches!(block.content, Content::ToolCall { .. }));
    if text.is_none() && !has_calls {
        return Ok(());
    }
    out.object(|out| {
        out.key("role").str("assistant");
        match &text {
            Some(text) => out.key("content").text(text),
            None => out.key("content").null(),
        };
        if plan.to.quirks.takes_reasoning_back {
            let thoughts = blocks.iter().filter_map(|block| match &block.content {
                Content::Thinking { text, .. } => Some(text),
                _ => None,
            });
            if let Some(thoughts) = Text::join(thoughts, "\\n") {
                out.key("reasoning_content").text(&thoughts);
            }
        }
        if has_calls {
            out.key("tool_calls").array(|out| {
                for block in blocks {
                    write_call(block, plan, out);
                }
            });
        }
    });
    Ok(())
}

/// Refuses what the dialect can't say of an assistant.
fn check_assistant(block: &Block<'_>) -> Result<(), EncodeError> {
    match &block.content {
        Content::Text(_)
        | Content::Refusal(_)
        | Content::Thinking { .. }
        | Content::Redacted(_)
        | Content::ToolCall { .. } => Ok(()),
        Content::Unknown { kind } => Err(EncodeError::new(
            block.place,
            format!("the model that serves this does not take content of type \"{kind}\""),
        )),
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolResult { .. } => Err(EncodeError::new(
            block.place,
            "does not belong into a message of the assistant's",
        )),
    }
}

fn write_call(block: &Block<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    let Content::ToolCall { id, name, input } = &block.content else {
        return;
    };
    out.object(|out| {
        out.key("id").str(&fit_id(id, plan.to.quirks.tool_ids));
        out.key("type").str("function");
        out.key("function").object(|out| {
            out.key("name").str(&plan.tool_names.fit(name));
            out.key("arguments").text(&input.quoted());
        });
    });
}
