//! Content blocks into Anthropic's dialect.

use super::write::tool_id;
use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::group::Group;
use crate::neutral::{Block, Content, Format, Input, Request, Role, Source};

/// The pictures Anthropic takes.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// What stands in for a setting of "any JSON object", which the dialect lacks.
pub(crate) const JSON_ONLY: &str = "Answer with one JSON object and nothing before or after it.";

const PDF: &str = "application/pdf";

/// Writes what the system says, wherever it stood, one block each.
pub(super) fn write_system(request: &Request<'_>, out: &mut Writer) {
    let json_only = matches!(request.format, Some(Format::Object));
    let texts: Vec<_> = request
        .turns
        .iter()
        .filter(|turn| matches!(turn.role, Role::System | Role::Developer))
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match &block.content {
            Content::Text(text) if !text.is_blank() => Some((text, block.cache)),
            _ => None,
        })
        .collect();
    if texts.is_empty() && !json_only {
        return;
    }
    out.key("system").array(|out| {
        for (text, cache) in texts {
            out.object(|out| {
                out.key("type").str("text");
                out.key("text").text(text);
                if let Some(cache) = cache {
                    out.key("cache_control").raw(cache);
                }
            });
        }
        if json_only {
            // The dialect has no setting for "any JSON object".
            out.object(|out| {
                out.key("type").str("text");
                out.key("text").str(JSON_ONLY);
            });
        }
    });
}

pub(super) fn write_turn(
    group: &Group<'_, '_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let mut fault = Ok(());
    out.object(|out| {
        let role = match group.role {
            Role::Assistant => "assistant",
            Role::User | Role::System | Role::Developer => "user",
        };
        out.key("role").str(role);
        out.key("content").array(|out| {
            for block in &group.blocks {
                if fault.is_ok() {
                    fault = write_block(block, plan, out);
                }
            }
        });
    });
    fault
}

fn write_block(
    block: &Block<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let mut fault = Ok(());
    check_block(block)?;
    out.object(|out| {
        match &block.content {
            Content::Text(text) | Content::Refusal(text) => {
                out.key("type").str("text");
                out.key("text").text(text);
            }
            Content::Image(source) => {
                out.key("type")
                    .str(if is_pdf(source) { "document" } else { "image" });
                write_source(source, out);
            }
            Content::Document { source, name } => write_document(source, name.as_ref(), out),
            Content::ToolCall { id, name, input } => {
                out.key("type").str("tool_use");
                out.key("id").str(&tool_id(id, plan));
                out.key("name").str(&plan.tool_names.fit(name));
                write_input(input, out);
            }
            Content::ToolResult {
                id,
                content,
                is_error,
            } => {
                out.key("type").str("tool_result");
                out.key("tool_use_id").str(&tool_id(id, plan));
                fault = write_result(content, plan, out);
                if *is_error {
                    out.key("is_error").bool(true);
                }
            }
            Content::Thinking { text, signature } => {
                out.key("type").str("thinking");
                out.key("thinking").text(text);
                if let Some(signature) = signature {
                    out.key("signature").text(signature);
                }
            }
            Content::Redacted(data) => {
                out.key("type").str("redacted_thinking");
                out.key("data").text(data);
            }
            Content::Audio { .. } | Content::Unknown { .. } => {}
        }
        if let Some(cache) = block.cache {
            out.key("cache_control").raw(cache);
        }
    });
    fault
}

/// Refuses what the dialect can't say.
fn check_block(block: &Block<'_>) -> Result<(), EncodeError> {
    let refuse = |message: String| Err(EncodeError::new(block.place, message));
    match &block.content {
        Content::Image(Source::Base64 { media_type, .. })
            if !IMAGES.contains(&media_type.as_ref()) && media_type != PDF =>
        {
            refuse(format!(
                "the model that serves this takes pictures of type {}, not \"{media_type}\"",
                IMAGES.join(", ")
            ))
        }
        Content::Document {
            source: Source::Base64 { media_type, .. },
            ..
        } if media_type != PDF && media_type != "text/plain" => refuse(format!(
            "the model that serves this takes documents of type application/pdf and text/plain, not \"{media_type}\""
        )),
        Content::Image(Source::File) | Content::Document { source: Source::File, .. } => {
            refuse("a file that another provider keeps can't be read by the model that serves this: send its data".to_owned())
        }
        Content::Audio { .. } => {
            refuse("the model that serves this does not take sound".to_owned())
        }
        Content::Unknown { kind } => refuse(format!(
            "the model that serves this does not take content of type \"{kind}\""
        )),
        Content::ToolCall { input, .. } if input.object().is_none() => {
            refuse("must be a JSON object in text".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_pdf(source: &Source<'_>) -> bool {
    matches!(source, Source::Base64 { media_type, .. } if media_type == PDF)
}

fn write_source(source: &Source<'_>, out: &mut Writer) {
    out.key("source").object(|out| match source {
        Source::Base64 { media_type, data } => {
            out.key("type").str("base64");
            out.key("media_type").str(media_type);
            out.key("data").str(data);
        }
        Source::Url(url) => {
            out.key("type").str("url");
            out.key("url").text(url);
        }
        Source::PlainText(text) => {
            out.key("type").str("text");
            out.key("media_type").str("text/plain");
            out.key("data").text(text);
        }
        Source::File => {}
    });
}

fn write_document(source: &Source<'_>, name: Option<&Text<'_>>, out: &mut Writer) {
    out.key("type").str("document");
    write_source(source, out);
    if let Some(name) = name {
        out.key("title").text(name);
    }
}

fn write_input(input: &Input<'_>, out: &mut Writer) {
    let object = input.object();
    out.key("input").verbatim(object.as_deref().unwrap_or("{}"));
}

fn write_result(
    content: &[Block<'_>],
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    if let [
        Block {
            content: Content::Text(text),
            cache: None,
            ..
        },
    ] = content
    {
        out.key("content").text(text);
        return Ok(());
    }
    let mut fault = Ok(());
    out.key("content").array(|out| {
        for block in content {
            let is_empty = matches!(&block.content, Content::Text(text) if text.is_blank());
            if fault.is_ok() && !is_empty {
                fault = write_block(block, plan, out);
            }
        }
    });
    fault
}
