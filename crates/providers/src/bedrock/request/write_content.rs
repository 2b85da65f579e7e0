//! Content blocks into Bedrock's dialect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::anthropic::JSON_ONLY;
use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::group::Group;
use crate::neutral::tool_names::fit_id;
use crate::neutral::{Block, Content, Format, Request, Role, Source};
use crate::table::ToolIds;

/// Writes what the system says, wherever it stood, one block each.
pub(super) fn write_system(request: &Request<'_>, out: &mut Writer) {
    let json_only = matches!(request.format, Some(Format::Object));
    let texts: Vec<_> = request
        .turns
        .iter()
        .filter(|turn| matches!(turn.role, Role::System | Role::Developer))
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match &block.content {
            Content::Text(text) if !text.is_blank() => Some((text, block.cache.is_some())),
            _ => None,
        })
        .collect();
    if texts.is_empty() && !json_only {
        return;
    }
    out.key("system").array(|out| {
        for (text, is_cached) in texts {
            write_text(text, out);
            if is_cached {
                write_cache_point(out);
            }
        }
        if json_only {
            write_text(&Text::plain(JSON_ONLY), out);
        }
    });
}

pub(super) fn write_turn(
    group: &Group<'_, '_>,
    documents: &mut usize,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let mut fault = Ok(());
    out.object(|out| {
        out.key("role").str(match group.role {
            Role::Assistant => "assistant",
            Role::User | Role::System | Role::Developer => "user",
        });
        out.key("content").array(|out| {
            for block in &group.blocks {
                if fault.is_ok() {
                    fault = write_block(block, documents, plan, out);
                }
                if block.cache.is_some() {
                    write_cache_point(out);
                }
            }
        });
    });
    fault
}

/// Marks that the conversation is to be cached up to here.
pub(super) fn write_cache_point(out: &mut Writer) {
    out.object(|out| {
        out.key("cachePoint").object(|out| {
            out.key("type").str("default");
        });
    });
}

fn write_text(text: &Text<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("text").text(text);
    });
}

fn write_block(
    block: &Block<'_>,
    documents: &mut usize,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    match &block.content {
        Content::Text(text) | Content::Refusal(text) => write_text(text, out),
        Content::Image(source) => write_media(block, source, None, documents, out)?,
        Content::Document { source, name } => {
            write_media(block, source, name.as_ref(), documents, out)?;
        }
        Content::ToolCall { id, name, input } => {
            let Some(input) = input.object() else {
                return refuse(block, "must be a JSON object in text");
            };
            let name = plan.tool_names.fit(name);
            out.object(|out| {
                out.key("toolUse").object(|out| {
                    out.key("toolUseId").str(&fit_id(id, ToolIds::Plain));
                    out.key("name").str(&name);
                    out.key("input").verbatim(&input);
                });
            });
        }
        Content::ToolResult { .. } => return write_result(block, documents, plan, out),
        Content::Thinking { text, signature } => write_thinking(text, signature.as_ref(), out),
        Content::Redacted(data) => {
            out.object(|out| {
                out.key("reasoningContent").object(|out| {
                    out.key("redactedContent").text(data);
                });
            });
        }
        Content::Audio { .. } => {
            return refuse(block, "the model that serves this does not take sound");
        }
        Content::Unknown { kind } => {
            return refuse(
                block,
                format!("the model that serves this does not take content of type \"{kind}\""),
            );
        }
    }
    Ok(())
}

fn write_thinking(text: &Text<'_>, signature: Option<&Text<'_>>, out: &mut Writer) {
    let write = |out: &mut Writer| {
        out.key("text").text(text);
        if let Some(signature) = signature {
            out.key("signature").text(signature);
        }
    };
    out.object(|out| {
        out.key("reasoningContent").object(|out| {
            out.key("reasoningText").object(write);
        });
    });
}

fn refuse<T>(block: &Block<'_>, message: impl Into<String>) -> Result<T, EncodeError> {
    Err(EncodeError::new(block.place, message))
}

fn write_result(
    block: &Block<'_>,
    documents: &mut usize,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let Content::ToolResult {
        id,
        content,
        is_error,
    } = &block.content
    else {
        return Ok(());
    };
    let mut fault = Ok(());
    let shown = content
        .iter()
        .filter(|shown| !matches!(&shown.content, Content::Text(text) if text.is_blank()));
    let write_shown = |out: &mut Writer| {
        for shown in shown {
            if fault.is_ok() {
                fault = write_block(shown, documents, plan, out);
            }
        }
    };
    out.object(|out| {
        out.key("toolResult").object(|out| {
            out.key("toolUseId").str(&fit_id(id, ToolIds::Plain));
            out.key("content").array(write_shown);
            if *is_error {
                out.key("status").str("error");
            }
        });
    });
    fault
}

/// Writes a picture or a document, by its data alone: nothing is fetched.
fn write_media(
    block: &Block<'_>,
    source: &Source<'_>,
    name: Option<&Text<'_>>,
    documents: &mut usize,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let (media_type, data) = match source {
        Source::Base64 { media_type, data } => (media_type.as_ref(), data.as_ref().into()),
        Source::PlainText(text) => {
            let data = STANDARD.encode(text.decoded().as_bytes());
            ("text/plain", std::borrow::Cow::<str>::Owned(data))
        }
        Source::Url(_) => {
            return refuse(
                block,
                "the model that serves this fetches nothing from the web: send the data itself",
            );
        }
        Source::File => {
            return refuse(
                block,
                "a file that another provider keeps can't be read by the model that serves this: send its data",
            );
        }
    };
    if let Some(format) = format_in(&IMAGES, media_type) {
        out.object(|out| {
            out.key("image")
                .object(|out| write_data(format, &data, out));
        });
        return Ok(());
    }
    let Some(format) = format_in(&DOCUMENTS, media_type) else {
        return refuse(
            block,
            format!("the model that serves this does not take data of type \"{media_type}\""),
        );
    };
    *documents += 1;
    let name = document_name(name, *documents);
    out.object(|out| {
        out.key("document").object(|out| {
            out.key("name").str(&name);
            write_data(format, &data, out);
        });
    });
    Ok(())
}

fn write_data(format: &str, data: &str, out: &mut Writer) {
    out.key("format").str(format);
    out.key("source").object(|out| {
        out.key("bytes").str(data);
    });
}

/// A name that the dialect takes, different for each document: it is told to the model.
fn document_name(name: Option<&Text<'_>>, number: usize) -> String {
    let mut fit = String::new();
    let name = name.map(Text::decoded).unwrap_or_default();
    for c in name.chars().take(NAME_LIMIT) {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']') {
            c
        } else {
            ' '
        };
        // One space at a time.
        if !(c == ' ' && (fit.is_empty() || fit.ends_with(' '))) {
            fit.push(c);
        }
    }
    match fit.trim_end() {
        "" => format!("document {number}"),
        fit => format!("{fit} {number}"),
    }
}

fn format_in(known: &[(&'static str, &'static str)], media_type: &str) -> Option<&'static str> {
    let found = known.iter().find(|(known, _)| *known == media_type)?;
    Some(found.1)
}

/// The longest name of a document, less the number behind it.
const NAME_LIMIT: usize = 180;

const IMAGES: [(&str, &str); 4] = [
    ("image/jpeg", "jpeg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
];

const DOCUMENTS: [(&str, &str); 9] = [
    ("application/pdf", "pdf"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
    ("text/html", "html"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "docx",
    ),
    ("application/vnd.ms-excel", "xls"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "xlsx",
    ),
];
