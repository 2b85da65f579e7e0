//! What a message holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::answer::Asked;
use crate::dialect::check::{self, IMAGE_TYPES};
use crate::dialect::{Refusal, elements, text_of};

/// The content of one message.
#[derive(Debug, Default)]
pub(super) struct MessageContent<'a> {
    texts: Vec<&'a str>,
    images: usize,
    pub(super) tool_uses: Vec<&'a str>,
    pub(super) results: Vec<(&'a str, String)>,
    /// Whether it begins with thinking, whole and signed.
    pub(super) has_thought: bool,
}

impl<'a> MessageContent<'a> {
    pub(super) fn read(content: &'a Value, role: &str, at: &str) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let blocks = match content {
            Value::String(text) if !text.is_empty() => {
                read.texts.push(text);
                return Ok(read);
            }
            Value::Array(blocks) if !blocks.is_empty() => blocks,
            _ => return Err(Refusal::invalid(format!("{at}: content must be non-empty"))),
        };
        for (index, block) in blocks.iter().enumerate() {
            read.add_block(block, role)
                .map_err(|problem| Refusal::invalid(format!("{at}.content.{index}: {problem}")))?;
        }
        Ok(read)
    }

    fn add_block(&mut self, block: &'a Value, role: &str) -> Result<(), &'static str> {
        let kind = text_of(block, "type");
        if members_of(kind).is_some_and(|known| check::unknown_member(block, known).is_some()) {
            return Err("Extra inputs are not permitted");
        }
        match (kind, role) {
            ("text", _) => match text_of(block, "text") {
                text if text.trim().is_empty() => {
                    return Err("text content blocks must contain non-whitespace text");
                }
                text => self.texts.push(text),
            },
            ("image", "user") => {
                check_image(&block["source"])?;
                self.images += 1;
            }
            ("tool_use", "assistant") => {
                if !block["input"].is_object() || text_of(block, "name").is_empty() {
                    return Err("tool_use.input: Input should be a valid dictionary");
                }
                if !check::is_plain_name(text_of(block, "id"), 256) {
                    return Err("tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
                }
                self.tool_uses.push(text_of(block, "id"));
            }
            ("tool_result", "user") => {
                if !self.texts.is_empty() || self.images > 0 {
                    return Err("`tool_result` blocks must come before other content");
                }
                let result = match &block["content"] {
                    Value::String(text) => text.clone(),
                    blocks => {
                        let texts = elements(blocks).iter().map(|block| text_of(block, "text"));
                        texts.collect::<Vec<_>>().join(" ")
                    }
                };
                self.results.push((text_of(block, "tool_use_id"), result));
            }
            ("thinking", "assistant") => {
                if sign(text_of(block, "thinking")) != text_of(block, "signature") {
                    return Err("Invalid `signature` in `thinking` block");
                }
                if !self.texts.is_empty() || !self.tool_uses.is_empty() {
                    return Err("`thinking` must come before other content");
                }
                self.has_thought = true;
            }
            ("document", "user") | ("redacted_thinking", "assistant") => {}
            _ => return Err("Input tag found does not match any of the expected tags"),
        }
        Ok(())
    }

    pub(super) fn add_to(&self, asked: &mut Asked, role: &str) {
        let text = self.texts.join(" ");
        asked.count_input(&text);
        asked.images += self.images;
        asked.begun = (role == "assistant").then(|| text.clone());
        if role == "user" && !text.is_empty() {
            asked.question = text;
            asked.tool_results.clear();
        }
        for (_, result) in &self.results {
            asked.count_input(result);
            asked.tool_results.push(result.clone());
        }
    }
}

fn check_image(source: &Value) -> Result<(), &'static str> {
    let (media_type, data) = (text_of(source, "media_type"), text_of(source, "data"));
    match text_of(source, "type") {
        "base64" if data.is_empty() => Err("image.source.data: Field required"),
        "base64" if !IMAGE_TYPES.contains(&media_type) => {
            Err("image.source.media_type: Input should be an image type")
        }
        "base64" if !check::is_image(media_type, data) => Err("Could not process image"),
        "base64" => Ok(()),
        "url" if text_of(source, "url").starts_with("http") => Ok(()),
        _ => Err("image.source: Input tag does not match"),
    }
}

/// What proves that a thought is the stand-in's own, unchanged.
pub(in crate::dialect) fn sign(thought: &str) -> String {
    let words = thought.split_whitespace().rev().collect::<Vec<_>>();
    STANDARD.encode(format!("{}:{}", thought.len(), words.join(" ")))
}

/// The members that a block of a kind may have; `None` for a kind that is not known.
fn members_of(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "text" => &["type", "text", "cache_control", "citations"],
        "image" => &["type", "source", "cache_control"],
        "document" => &[
            "type",
            "source",
            "title",
            "context",
            "citations",
            "cache_control",
        ],
        "tool_use" => &["type", "id", "name", "input", "cache_control", "caller"],
        "tool_result" => &[
            "type",
            "tool_use_id",
            "content",
            "is_error",
            "cache_control",
        ],
        "thinking" => &["type", "thinking", "signature"],
        "redacted_thinking" => &["type", "data"],
        _ => return None,
    })
}
