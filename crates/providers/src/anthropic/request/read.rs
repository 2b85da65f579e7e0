//! From Anthropic's dialect.

use std::fmt::Display;

use serde_json::value::RawValue;

use crate::exchange::EncodeError;
use crate::json::{Body, Object, Sort, Text};
use crate::neutral::block::{cache_mark, is_base64};
use crate::neutral::{
    Block, Content, Effort, Format, Input, Place, Reasoning, Request, Role, Source, Tool,
    ToolChoice, Turn, expect,
};

/// Reads the body of a messages call.
pub(crate) fn read_request(body: &str) -> Result<Request<'_>, EncodeError> {
    let Body { fields, listed } = expect::body(body)?;
    let mut request = Request::default();
    for (index, message) in listed.iter().enumerate() {
        request.turns.push(read_message(index, message)?);
    }
    let mut effort = None;
    for (name, raw) in fields {
        if Sort::of(raw) == Sort::Null {
            continue;
        }
        match name.as_ref() {
            "system" => {
                let mut blocks = Vec::new();
                read_content(raw, &name, &mut blocks, |_| Place::System, Results::Refused)?;
                let role = Role::System;
                request.turns.insert(0, Turn { role, blocks });
            }
            "output_config" => {
                let config = expect::object(raw, "output_config")?;
                effort = config.string("effort").and_then(|name| Effort::of(&name));
                if let Some(format) = config.get("format") {
                    request.format = Some(read_format(format, "output_config.format")?);
                }
            }
            "output_format" => request.format = Some(read_format(raw, "output_format")?),
            "model" | expect::MESSAGES => {}
            _ if take_setting(&mut request, &name, raw)? => {}
            _ => request.unknown.push(name.into_owned()),
        }
    }
    if let (Some(effort), Some(Reasoning::Effort(_)) | None) = (effort, request.reasoning) {
        request.reasoning = Some(Reasoning::Effort(effort));
    }
    Ok(request)
}

/// Takes a field that says how to answer; `false` when it is none of them.
fn take_setting<'a>(
    request: &mut Request<'a>,
    name: &str,
    raw: &'a RawValue,
) -> Result<bool, EncodeError> {
    match name {
        "max_tokens" => request.max_tokens = Some(expect::count(raw, name)?),
        "temperature" => request.temperature = Some(expect::number(raw, name)?),
        "top_p" => request.top_p = Some(expect::number(raw, name)?),
        "top_k" => request.top_k = Some(expect::number(raw, name)?),
        "stream" => request.stream = expect::bool(raw, name)?,
        "service_tier" => request.service_tier = Some(expect::string(raw, name)?),
        "stop_sequences" => {
            request.stop = expect::array(raw, name)?
                .into_iter()
                .enumerate()
                .map(|(index, raw)| expect::text(raw, format_args!("stop_sequences[{index}]")))
                .collect::<Result<_, _>>()?;
        }
        "metadata" => request.user = expect::object(raw, name)?.text("user_id"),
        "thinking" => {
            request.reasoning = read_thinking(raw)?;
            request.wants_thoughts = wants_thoughts(raw);
        }
        "tools" => {
            for (index, raw) in expect::array(raw, name)?.into_iter().enumerate() {
                request.tools.push(read_tool(index, raw)?);
            }
        }
        "tool_choice" => read_choice(request, raw)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_thinking(raw: &RawValue) -> Result<Option<Reasoning>, EncodeError> {
    let thinking = expect::object(raw, "thinking")?;
    let kind = expect::required_string(&thinking, "type", "thinking")?;
    match kind.as_ref() {
        "disabled" => Ok(Some(Reasoning::Off)),
        "adaptive" => Ok(Some(Reasoning::Effort(Effort::High))),
        "enabled" => {
            let Some(budget) = thinking.get("budget_tokens") else {
                return Err(EncodeError::new("thinking.budget_tokens", "is required"));
            };
            let tokens = expect::count(budget, "thinking.budget_tokens")?;
            Ok(Some(Reasoning::BudgetTokens(tokens)))
        }
        _ => Err(EncodeError::new(
            "thinking.type",
            "must be one of enabled, adaptive, disabled",
        )),
    }
}

/// Thoughts are shown unless they are to be left out, or not to be had.
fn wants_thoughts(raw: &RawValue) -> bool {
    Object::of(raw).is_some_and(|thinking| {
        let is = |name, value| thinking.string(name).as_deref() == Some(value);
        !is("type", "disabled") && !is("display", "omitted")
    })
}

fn read_format<'a>(raw: &'a RawValue, at: &str) -> Result<Format<'a>, EncodeError> {
    let format = expect::object(raw, at)?;
    let Some(schema) = format.get("schema") else {
        return Err(EncodeError::new(format_args!("{at}.schema"), "is required"));
    };
    expect::object(schema, format_args!("{at}.schema"))?;
    Ok(Format::Schema {
        name: None,
        description: None,
        schema: schema.get().into(),
        strict: Some(true),
    })
}

fn read_tool(index: usize, raw: &RawValue) -> Result<Tool<'_>, EncodeError> {
    let at = format!("tools[{index}]");
    let tool = expect::object(raw, &at)?;
    if let Some(kind) = tool.string("type").filter(|kind| kind != "custom") {
        return Err(EncodeError::new(
            format_args!("{at}.type"),
            format!("the model that serves this has no tool of type \"{kind}\""),
        ));
    }
    let schema = tool.get("input_schema");
    if let Some(schema) = schema {
        expect::object(schema, format_args!("{at}.input_schema"))?;
    }
    Ok(Tool {
        name: expect::required_string(&tool, "name", &at)?,
        description: tool.text("description"),
        schema: schema.map(|schema| schema.get().into()),
        strict: tool.bool("strict"),
        cache: cache_mark(&tool),
    })
}

fn read_choice<'a>(request: &mut Request<'a>, raw: &'a RawValue) -> Result<(), EncodeError> {
    let choice = expect::object(raw, "tool_choice")?;
    let kind = expect::required_string(&choice, "type", "tool_choice")?;
    request.tool_choice = Some(match kind.as_ref() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(expect::required_string(&choice, "name", "tool_choice")?),
        _ => {
            return Err(EncodeError::new(
                "tool_choice.type",
                "must be one of auto, any, tool, none",
            ));
        }
    });
    if let Some(disabled) = choice.bool("disable_parallel_tool_use") {
        request.parallel_tools = Some(!disabled);
    }
    Ok(())
}

fn read_message<'a>(index: usize, message: &Object<'a>) -> Result<Turn<'a>, EncodeError> {
    let place = Place::Message(index);
    let role = match expect::required_string(message, "role", place)?.as_ref() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        role => {
            return Err(EncodeError::new(
                format_args!("{place}.role"),
                format!("must be user or assistant, and is \"{role}\""),
            ));
        }
    };
    let mut blocks = Vec::with_capacity(1);
    let at = format!("{place}.content");
    let Some(content) = message.get("content") else {
        return Err(EncodeError::new(at, "is required"));
    };
    read_content(
        content,
        &at,
        &mut blocks,
        |part| Place::Part(index, part),
        Results::Allowed,
    )?;
    Ok(Turn { role, blocks })
}

/// Whether content may hold results of tools. Results may not hold results, or their depth would
/// be the caller's to choose.
#[derive(Clone, Copy)]
enum Results {
    Allowed,
    Refused,
}

/// Reads content: a string, or an array of blocks.
fn read_content<'a>(
    raw: &'a RawValue,
    at: impl Display,
    blocks: &mut Vec<Block<'a>>,
    place: impl Fn(usize) -> Place,
    results: Results,
) -> Result<(), EncodeError> {
    if let Some(text) = Text::of(raw) {
        blocks.push(Block::new(place(0), Content::Text(text)));
        return Ok(());
    }
    if Sort::of(raw) != Sort::Array {
        return Err(expect::wrong(raw, at, "a string or an array of blocks"));
    }
    for (index, object) in expect::objects(raw, at, &place)?.iter().enumerate() {
        let place = place(index);
        if matches!(results, Results::Refused)
            && object.string("type").as_deref() == Some("tool_result")
        {
            return Err(EncodeError::new(
                place,
                "the result of a tool may not hold another",
            ));
        }
        let mut block = Block::new(place, read_block(place, object)?);
        block.lacks("citations", object);
        block.cache = cache_mark(object);
        blocks.push(block);
    }
    Ok(())
}

fn read_block<'a>(place: Place, block: &Object<'a>) -> Result<Content<'a>, EncodeError> {
    let kind = expect::required_string(block, "type", place)?;
    let text = |name: &str| match block.get(name) {
        Some(raw) => expect::text(raw, format_args!("{place}.{name}")),
        None => Err(EncodeError::new(
            format_args!("{place}.{name}"),
            "is required",
        )),
    };
    match kind.as_ref() {
        "text" => Ok(Content::Text(text("text")?)),
        "image" => Ok(Content::Image(read_source(place, block)?)),
        "document" => Ok(Content::Document {
            source: read_source(place, block)?,
            name: block.text("title"),
        }),
        "tool_use" => {
            let input = match block.get("input") {
                Some(raw) if Sort::of(raw) == Sort::Object => Input::Object(raw),
                Some(raw) => {
                    return Err(expect::wrong(
                        raw,
                        format_args!("{place}.input"),
                        "an object",
                    ));
                }
                None => Input::Quoted(Text::plain("{}")),
            };
            Ok(Content::ToolCall {
                id: expect::required_string(block, "id", place)?,
                name: expect::required_string(block, "name", place)?,
                input,
            })
        }
        "tool_result" => {
            let mut content = Vec::with_capacity(1);
            if let Some(raw) = block.get("content") {
                // A fault inside is told by the block that holds it.
                let at = format_args!("{place}.content");
                read_content(raw, at, &mut content, |_| place, Results::Refused)?;
            }
            Ok(Content::ToolResult {
                id: expect::required_string(block, "tool_use_id", place)?,
                content,
                is_error: block.bool("is_error").unwrap_or(false),
            })
        }
        "thinking" => Ok(Content::Thinking {
            text: text("thinking")?,
            signature: block.text("signature").filter(|text| !text.is_empty()),
        }),
        "redacted_thinking" => Ok(Content::Redacted(text("data")?)),
        _ => Ok(Content::Unknown { kind }),
    }
}

fn read_source<'a>(place: Place, block: &Object<'a>) -> Result<Source<'a>, EncodeError> {
    let at = format!("{place}.source");
    let Some(source) = block.object("source") else {
        return Err(EncodeError::new(at, "is required"));
    };
    let text = |name: &str| {
        source
            .text(name)
            .ok_or_else(|| EncodeError::new(format_args!("{at}.{name}"), "is required"))
    };
    let kind = expect::required_string(&source, "type", &at)?;
    match kind.as_ref() {
        "base64" => {
            let data = text("data")?.into_decoded();
            if !is_base64(&data) {
                return Err(EncodeError::new(
                    format_args!("{at}.data"),
                    "must be base64",
                ));
            }
            Ok(Source::base64(text("media_type")?.into_decoded(), data))
        }
        "url" => Ok(Source::Url(text("url")?)),
        "text" => Ok(Source::PlainText(text("data")?)),
        "file" => Ok(Source::File),
        _ => Err(EncodeError::new(
            format_args!("{at}.type"),
            "must be one of base64, url, text, file",
        )),
    }
}
