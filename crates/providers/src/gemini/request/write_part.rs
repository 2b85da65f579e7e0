//! Content blocks into Google's dialect.

use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::{Block, Content, Source};

/// What stands in for the proof that a call is the model's own.
const UNPROVEN: &str = "skip_thought_signature_validator";

/// Writes the result of a tool call, as text under a name: a result of its own keys might hold
/// some that the dialect reads its own way.
pub(super) fn write_result(block: &Block<'_>, name: &str, out: &mut Writer) {
    let Content::ToolResult {
        content, is_error, ..
    } = &block.content
    else {
        return;
    };
    let texts = content.iter().filter_map(|block| match &block.content {
        Content::Text(text) => Some(text),
        _ => None,
    });
    let text = Text::join(texts, "\\n").unwrap_or_else(|| Text::plain(""));
    out.object(|out| {
        out.key("functionResponse").object(|out| {
            out.key("name").str(name);
            out.key("response").object(|out| {
                out.key(if *is_error { "error" } else { "output" })
                    .text(&text);
            });
        });
    });
}

pub(super) fn write_part(
    block: &Block<'_>,
    proves: bool,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let refuse = |message: String| Err(EncodeError::new(block.place, message));
    match &block.content {
        Content::Text(text) | Content::Refusal(text) => {
            out.object(|out| {
                out.key("text").text(text);
            });
        }
        Content::Image(source) | Content::Document { source, .. } => {
            match source {
                Source::Base64 { media_type, data } => write_data(media_type, data, out),
                Source::PlainText(text) => {
                    out.object(|out| {
                        out.key("text").text(text);
                    });
                }
                Source::Url(url) if is_kept_by_google(url) => {
                    out.object(|out| {
                        out.key("fileData").object(|out| {
                            out.key("fileUri").text(url);
                        });
                    });
                }
                Source::Url(_) => {
                    return refuse("the model that serves this fetches nothing from the web: send the data itself".to_owned());
                }
                Source::File => {
                    return refuse("a file that another provider keeps can't be read by the model that serves this: send its data".to_owned());
                }
            }
        }
        Content::Audio { format, data } => write_data(&format!("audio/{format}"), data, out),
        Content::ToolCall { name, input, .. } => {
            let Some(input) = input.object() else {
                return refuse("must be a JSON object in text".to_owned());
            };
            let name = plan.tool_names.fit(name);
            out.object(|out| {
                out.key("functionCall").object(|out| {
                    out.key("name").str(&name);
                    out.key("args").verbatim(&input);
                });
                if proves {
                    out.key("thoughtSignature").str(UNPROVEN);
                }
            });
        }
        Content::Unknown { kind } => {
            return refuse(format!(
                "the model that serves this does not take content of type \"{kind}\""
            ));
        }
        Content::ToolResult { .. } | Content::Thinking { .. } | Content::Redacted(_) => {}
    }
    Ok(())
}

fn is_kept_by_google(url: &Text<'_>) -> bool {
    let url = url.escaped();
    url.starts_with("gs://")
        || url.starts_with("https://generativelanguage.googleapis.com/")
        || url.starts_with("https://www.youtube.com/")
}

fn write_data(media_type: &str, data: &str, out: &mut Writer) {
    out.object(|out| {
        out.key("inlineData").object(|out| {
            out.key("mimeType").str(media_type);
            out.key("data").str(data);
        });
    });
}
