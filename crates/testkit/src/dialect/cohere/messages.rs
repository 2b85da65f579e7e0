//! The messages of a conversation.

use serde_json::{Map, Value};

use super::{Asked, Refusal};
use crate::dialect::{check, elements, text_of};

pub(super) fn read(messages: &Value, asked: &mut Asked) -> Result<(), Refusal> {
    // Tool calls that have no result yet.
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in elements(messages).iter().enumerate() {
        let at = format!("messages[{index}]");
        let role = text_of(message, "role");
        if role != "tool" && !open.is_empty() {
            return Err(invalid(&at, "each tool call must have its result"));
        }
        let known: &[&str] = match role {
            "system" | "user" => &["role", "content"],
            "assistant" => &["role", "content", "tool_calls", "tool_plan", "citations"],
            "tool" => &["role", "content", "tool_call_id"],
            _ => return Err(invalid(&at, "role must be system, user, assistant or tool")),
        };
        if let Some(unknown) = check::unknown_member(message, known) {
            return Err(invalid(&at, &format!("unknown field '{unknown}'")));
        }
        let content = Content::read(&message["content"], role, &at)?;
        let text = content.texts.join(" ");
        asked.images += content.images;
        match role {
            "system" => asked.count_instructions(&text),
            "tool" => {
                let id = text_of(message, "tool_call_id");
                let Some(position) = open.iter().position(|made| *made == id) else {
                    return Err(invalid(&at, "a tool result must follow its tool call"));
                };
                open.remove(position);
                asked.count_input(&text);
                asked.tool_results.push(text);
            }
            "user" => {
                asked.count_input(&text);
                asked.question = text;
                asked.tool_results.clear();
            }
            _ => {
                asked.count_input(&text);
                open = read_calls(message, &content, &at)?;
            }
        }
    }
    match elements(messages).last().map(|last| text_of(last, "role")) {
        Some("user" | "tool") if open.is_empty() => Ok(()),
        None => Err(invalid("messages", "must have at least 1 message")),
        Some(_) => Err(invalid(
            "messages",
            "the last message must be the user's, or a tool's result",
        )),
    }
}

fn invalid(at: &str, problem: &str) -> Refusal {
    Refusal::invalid(format!("invalid request: {at}: {problem}"))
}

/// What a message says.
#[derive(Default)]
struct Content<'a> {
    texts: Vec<&'a str>,
    images: usize,
    thoughts: usize,
}

impl<'a> Content<'a> {
    fn read(content: &'a Value, role: &str, at: &str) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let parts = match content {
            Value::String(text) if !text.is_empty() => {
                read.texts.push(text);
                return Ok(read);
            }
            Value::Null if role == "assistant" => return Ok(read),
            Value::Array(parts) if !parts.is_empty() => parts,
            _ => return Err(invalid(at, "must have content")),
        };
        for part in parts {
            match (text_of(part, "type"), role) {
                ("text", _) if !text_of(part, "text").is_empty() => {
                    read.texts.push(text_of(part, "text"));
                }
                ("image_url", "user") => {
                    let url = text_of(&part["image_url"], "url");
                    if !check::is_image_url(url) && !url.starts_with("http") {
                        return Err(invalid(at, "invalid image"));
                    }
                    read.images += 1;
                }
                ("thinking", "assistant") if part["thinking"].is_string() => read.thoughts += 1,
                ("document", "tool") => {}
                _ => return Err(invalid(at, "content of a type that it can't have")),
            }
        }
        Ok(read)
    }
}

/// The identifiers of the calls in a message of the assistant's, which says or calls something.
fn read_calls<'a>(
    message: &'a Value,
    content: &Content<'_>,
    at: &str,
) -> Result<Vec<&'a str>, Refusal> {
    let calls = elements(&message["tool_calls"]);
    if calls.is_empty() && content.texts.is_empty() {
        return Err(invalid(at, "must have content or tool_calls"));
    }
    let is_call = |call: &Value| {
        let function = &call["function"];
        text_of(call, "type") == "function"
            && !text_of(call, "id").is_empty()
            && !text_of(function, "name").is_empty()
            && serde_json::from_str::<Map<String, Value>>(text_of(function, "arguments")).is_ok()
    };
    if !calls.iter().all(is_call) {
        return Err(invalid(at, "tool_calls: not as they were made"));
    }
    Ok(calls.iter().map(|call| text_of(call, "id")).collect())
}
