//! One message from OpenAI's dialect.

use serde_json::value::RawValue;

use crate::exchange::EncodeError;
use crate::json::{Object, Sort, Text};
use crate::neutral::block::cache_mark;
use crate::neutral::{Block, Content, Input, Place, Role, Source, Turn, expect};

pub(super) fn read_message<'a>(
    index: usize,
    message: &Object<'a>,
) -> Result<Turn<'a>, EncodeError> {
    let place = Place::Message(index);
    let role = expect::required_string(message, "role", place)?;
    let mut turn = Turn {
        role: Role::User,
        blocks: Vec::with_capacity(1),
    };
    match role.as_ref() {
        "user" => read_content(index, message, &mut turn.blocks)?,
        "system" | "developer" => {
            turn.role = match role.as_ref() {
                "system" => Role::System,
                _ => Role::Developer,
            };
            read_content(index, message, &mut turn.blocks)?;
        }
        "assistant" => {
            turn.role = Role::Assistant;
            read_assistant(index, message, &mut turn.blocks)?;
        }
        "tool" => {
            let id = expect::required_string(message, "tool_call_id", place)?;
            let mut content = Vec::with_capacity(1);
            read_content(index, message, &mut content)?;
            let mut result = Block::new(
                place,
                Content::ToolResult {
                    id,
                    content,
                    is_error: false,
                },
            );
            result.cache = cache_mark(message);
            turn.blocks.push(result);
        }
        role => {
            return Err(EncodeError::new(
                format_args!("{place}.role"),
                format!(
                    "must be one of system, developer, user, assistant, tool, and is \"{role}\""
                ),
            ));
        }
    }
    Ok(turn)
}

fn read_content<'a>(
    index: usize,
    message: &Object<'a>,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), EncodeError> {
    let at = format_args!("messages[{index}].content").to_string();
    let Some(raw) = message.get("content") else {
        return Ok(());
    };
    if let Some(text) = Text::of(raw) {
        let mut block = Block::new(Place::Message(index), Content::Text(text));
        block.cache = cache_mark(message);
        blocks.push(block);
        return Ok(());
    }
    if Sort::of(raw) != Sort::Array {
        return Err(expect::wrong(raw, at, "a string or an array of parts"));
    }
    let parts = expect::objects(raw, at, |part| Place::Part(index, part))?;
    for (at, part) in parts.iter().enumerate() {
        let place = Place::Part(index, at);
        let mut block = Block::new(place, read_part(place, part)?);
        block.cache = cache_mark(part);
        blocks.push(block);
    }
    Ok(())
}

fn read_part<'a>(place: Place, part: &Object<'a>) -> Result<Content<'a>, EncodeError> {
    let kind = expect::required_string(part, "type", place)?;
    let text = |name: &str| match part.get(name) {
        Some(raw) => expect::text(raw, format_args!("{place}.{name}")),
        None => Err(EncodeError::new(
            format_args!("{place}.{name}"),
            "is required",
        )),
    };
    match kind.as_ref() {
        "text" | "input_text" | "output_text" => Ok(Content::Text(text("text")?)),
        "refusal" => Ok(Content::Refusal(text("refusal")?)),
        "image_url" => {
            let url = match part.object("image_url") {
                Some(image) => image.text("url"),
                None => part.text("image_url"),
            };
            let at = format_args!("{place}.image_url").to_string();
            let url = url.ok_or_else(|| EncodeError::new(&at, "must hold a url"))?;
            let source = Source::of_url(url).ok_or_else(|| {
                EncodeError::new(&at, "must be a web address, or data:<type>;base64,<data>")
            })?;
            Ok(Content::Image(source))
        }
        "file" => read_file(place, part),
        "input_audio" => {
            let at = format!("{place}.input_audio");
            let Some(audio) = part.object("input_audio") else {
                return Err(EncodeError::new(at, "is required"));
            };
            Ok(Content::Audio {
                format: expect::required_string(&audio, "format", &at)?,
                data: expect::required_string(&audio, "data", &at)?,
            })
        }
        _ => Ok(Content::Unknown { kind }),
    }
}

fn read_file<'a>(place: Place, part: &Object<'a>) -> Result<Content<'a>, EncodeError> {
    let at = format!("{place}.file");
    let Some(file) = part.object("file") else {
        return Err(EncodeError::new(at, "is required"));
    };
    let source = match file.text("file_data") {
        Some(data) => Source::of_url(data)
            .filter(|source| matches!(source, Source::Base64 { .. }))
            .ok_or_else(|| {
                EncodeError::new(
                    format_args!("{at}.file_data"),
                    "must be data:<type>;base64,<data>",
                )
            })?,
        None => Source::File,
    };
    Ok(Content::Document {
        source,
        name: file.text("filename"),
    })
}

fn read_assistant<'a>(
    index: usize,
    message: &Object<'a>,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), EncodeError> {
    let place = Place::Message(index);
    read_thinking(index, message, blocks)?;
    read_content(index, message, blocks)?;
    if let Some(block) = blocks.last_mut() {
        block.lacks("annotations", message);
    }
    if let Some(refusal) = message.text("refusal") {
        blocks.push(Block::new(place, Content::Refusal(refusal)));
    }
    if message.get("function_call").is_some() {
        return Err(EncodeError::new(
            format_args!("{place}.function_call"),
            "is not understood by the model that serves this: use tool_calls",
        ));
    }
    let Some(calls) = message.get("tool_calls") else {
        return Ok(());
    };
    let at = format!("{place}.tool_calls");
    for (call, raw) in expect::array(calls, &at)?.into_iter().enumerate() {
        blocks.push(read_call(index, call, raw)?);
    }
    Ok(())
}

fn read_call(index: usize, call: usize, raw: &RawValue) -> Result<Block<'_>, EncodeError> {
    let at = format!("messages[{index}].tool_calls[{call}]");
    let object = expect::object(raw, &at)?;
    let id = expect::required_string(&object, "id", &at)?;
    let at = format!("{at}.function");
    let Some(function) = object.object("function") else {
        return Err(EncodeError::new(at, "is required"));
    };
    let name = expect::required_string(&function, "name", &at)?;
    let input = match function.get("arguments") {
        Some(raw) => Input::Quoted(expect::text(raw, format_args!("{at}.arguments"))?),
        None => Input::Quoted(Text::plain("")),
    };
    let mut block = Block::new(
        Place::ToolCall(index, call),
        Content::ToolCall { id, name, input },
    );
    block.cache = cache_mark(&object);
    Ok(block)
}

/// Reads earlier thinking: whole blocks with their signatures when the client kept them, else the
/// bare text.
fn read_thinking<'a>(
    index: usize,
    message: &Object<'a>,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), EncodeError> {
    let place = Place::Message(index);
    let Some(raw) = message.get("thinking_blocks") else {
        let text = message
            .text("reasoning_content")
            .or_else(|| message.text("reasoning"));
        if let Some(text) = text {
            let signature = None;
            blocks.push(Block::new(place, Content::Thinking { text, signature }));
        }
        return Ok(());
    };
    for raw in expect::array(raw, format_args!("{place}.thinking_blocks"))? {
        let block = expect::object(raw, format_args!("{place}.thinking_blocks"))?;
        if let Some(data) = block.text("data") {
            blocks.push(Block::new(place, Content::Redacted(data)));
        } else if let Some(text) = block.text("thinking") {
            let signature = block.text("signature").filter(|text| !text.is_empty());
            blocks.push(Block::new(place, Content::Thinking { text, signature }));
        }
    }
    Ok(())
}
