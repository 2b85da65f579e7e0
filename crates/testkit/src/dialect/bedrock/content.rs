//! The messages of a conversation.

use serde_json::{Map, Value};

use super::{Asked, Refusal, Thinking, invalid, is_claude};
use crate::dialect::anthropic::sign;
use crate::dialect::{check, elements, text_of};

/// Reads the messages, and tells whether any of them holds a tool's call or result.
pub(super) fn read(messages: &Value, asked: &mut Asked) -> Result<bool, Refusal> {
    if elements(messages).is_empty() {
        return Err(invalid(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        ));
    }
    let mut speaks_of_tools = false;
    // Tool uses of the message before, each of which needs its result now.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in elements(messages).iter().enumerate() {
        let at = format!("messages.{index}");
        let expected = if index % 2 == 0 { "user" } else { "assistant" };
        let role = text_of(message, "role");
        if role != expected {
            return Err(invalid(format!(
                "{at}: a conversation must alternate between user and assistant roles"
            )));
        }
        let read = Message::read(message, role, &at, &asked.model)?;
        if read
            .results
            .iter()
            .map(|(id, _)| *id)
            .ne(open.iter().copied())
        {
            return Err(invalid(format!(
                "Expected toolResult blocks at {at}.content for the following Ids: {}, and no \
                 others, in their order",
                open.join(", ")
            )));
        }
        if asked.thinking == Thinking::Shown && !read.uses.is_empty() && !read.has_thought {
            return Err(invalid(format!(
                "The model returned the following errors: {at}.content.0.type: Expected \
                 `thinking` or `redacted_thinking`, but found `tool_use`."
            )));
        }
        speaks_of_tools |= !read.uses.is_empty() || !read.results.is_empty();
        read.add_to(asked, role);
        open = read.uses;
    }
    if elements(messages).len().is_multiple_of(2) {
        return Err(invalid(
            "This model does not support assistant message prefill. The conversation must end \
             with a user message.",
        ));
    }
    Ok(speaks_of_tools)
}

/// A mark that the conversation up to it is to be cached.
pub(super) fn check_cache_point(block: &Value, at: &str) -> Result<(), Refusal> {
    match text_of(&block["cachePoint"], "type") {
        "default" => Ok(()),
        _ => Err(invalid(format!("{at}.cachePoint.type: must be default"))),
    }
}

/// What one message holds.
#[derive(Default)]
struct Message<'a> {
    texts: Vec<&'a str>,
    images: usize,
    uses: Vec<&'a str>,
    results: Vec<(&'a str, String)>,
    /// Whether it begins with thinking, whole and signed.
    has_thought: bool,
}

impl<'a> Message<'a> {
    fn read(message: &'a Value, role: &str, at: &str, model: &str) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let blocks = elements(&message["content"]);
        if blocks.is_empty() {
            return Err(invalid(format!(
                "The content field in the Message object at {at} is empty. Add a ContentBlock \
                 object to the content field and try again."
            )));
        }
        for (index, block) in blocks.iter().enumerate() {
            let at = format!("{at}.content.{index}");
            let [(kind, value)] = block.as_object().map(members).unwrap_or_default()[..] else {
                return Err(invalid(format!("{at}: a block must have one member")));
            };
            let is_thought = kind == "reasoningContent";
            if is_thought && !is_claude(model) {
                return Err(invalid(format!("{at}: the model does not think")));
            }
            read.take(kind, value, role, &at)?;
        }
        Ok(read)
    }

    fn take(&mut self, kind: &str, value: &'a Value, role: &str, at: &str) -> Result<(), Refusal> {
        match (kind, role) {
            ("text", _) => self.texts.push(text(value, at)?),
            ("image", "user") => {
                check_image(value, at)?;
                self.images += 1;
            }
            ("document", "user") => check_document(value, at)?,
            ("toolUse", "assistant") => self.uses.push(tool_use(value, at)?),
            ("toolResult", "user") => self.results.push(tool_result(value, at)?),
            ("reasoningContent", "assistant") => {
                check_thought(value, at)?;
                self.has_thought = self.texts.is_empty() && self.uses.is_empty();
            }
            ("cachePoint", _) if text_of(value, "type") == "default" => {}
            _ => {
                return Err(invalid(format!(
                    "{at}: the model does not take {kind} blocks in messages of the {role}"
                )));
            }
        }
        Ok(())
    }

    fn add_to(&self, asked: &mut Asked, role: &str) {
        let text = self.texts.join(" ");
        asked.count_input(&text);
        asked.images += self.images;
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

fn members(object: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let members = object.iter();
    members
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn text<'a>(value: &'a Value, at: &str) -> Result<&'a str, Refusal> {
    match value.as_str() {
        Some(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(invalid(format!(
            "The text field in the ContentBlock object at {at} is blank. Add text to the text \
             field, and try again."
        ))),
    }
}

fn tool_use<'a>(value: &'a Value, at: &str) -> Result<&'a str, Refusal> {
    let id = text_of(value, "toolUseId");
    let is_well = check::is_plain_name(id, 64)
        && check::is_plain_name(text_of(value, "name"), 64)
        && value["input"].is_object();
    if is_well {
        return Ok(id);
    }
    Err(invalid(format!(
        "The format of the value at {at}.toolUse.input is invalid. Provide a json object for the \
         field and try again."
    )))
}

fn tool_result<'a>(value: &'a Value, at: &str) -> Result<(&'a str, String), Refusal> {
    let mut texts = Vec::new();
    for (index, shown) in elements(&value["content"]).iter().enumerate() {
        let at = format!("{at}.toolResult.content.{index}");
        match shown.as_object().map(members).unwrap_or_default()[..] {
            [("text", value)] => texts.push(text(value, &at)?.to_owned()),
            [("json", value)] if value.is_object() => texts.push(value.to_string()),
            [("image", value)] => check_image(value, &at)?,
            [("document", value)] => check_document(value, &at)?,
            _ => {
                return Err(invalid(format!(
                    "The format of the value at {at} is invalid."
                )));
            }
        }
    }
    let has_status = matches!(text_of(value, "status"), "" | "success" | "error");
    if !has_status || !value["content"].is_array() {
        return Err(invalid(format!("{at}.toolResult: not as it must be")));
    }
    Ok((text_of(value, "toolUseId"), texts.join(" ")))
}

fn check_image(value: &Value, at: &str) -> Result<(), Refusal> {
    let format = text_of(value, "format");
    let is_image = check::is_image(
        &format!("image/{format}"),
        text_of(&value["source"], "bytes"),
    );
    if is_image {
        return Ok(());
    }
    Err(invalid(format!(
        "The model returned the following errors: {at}.image.source.base64: Could not process image"
    )))
}

fn check_document(value: &Value, at: &str) -> Result<(), Refusal> {
    let name = text_of(value, "name");
    let is_named = !name.is_empty()
        && !name.contains("  ")
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || " -()[]".contains(c));
    let is_known = DOCUMENTS.contains(&text_of(value, "format"));
    if is_named && is_known && !text_of(&value["source"], "bytes").is_empty() {
        return Ok(());
    }
    Err(invalid(format!(
        "The document file name at {at} can only contain alphanumeric characters, whitespace \
         characters, hyphens, parentheses, and square brackets. The name can't contain more than \
         one consecutive whitespace character."
    )))
}

fn check_thought(value: &Value, at: &str) -> Result<(), Refusal> {
    let told = &value["reasoningText"];
    let is_whole = !text_of(value, "redactedContent").is_empty()
        || sign(text_of(told, "text")) == text_of(told, "signature");
    if is_whole {
        return Ok(());
    }
    Err(invalid(format!(
        "The model returned the following errors: {at}: Invalid `signature` in `thinking` block"
    )))
}

const DOCUMENTS: [&str; 9] = [
    "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md",
];
