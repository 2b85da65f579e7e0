//! The items of an input.

use serde_json::value::RawValue;

use crate::exchange::EncodeError;
use crate::json::{Object, Sort, Text};
use crate::neutral::{Block, Content, Input, Place, Role, Source, Turn, expect};

/// Reads an input, a string or items, and appends its turns.
pub(super) fn read_input<'a>(
    raw: &'a RawValue,
    turns: &mut Vec<Turn<'a>>,
) -> Result<(), EncodeError> {
    if let Some(text) = Text::of(raw) {
        turns.push(Turn {
            role: Role::User,
            blocks: vec![Block::new(Place::Item(0), Content::Text(text))],
        });
        return Ok(());
    }
    if Sort::of(raw) != Sort::Array {
        return Err(expect::wrong(raw, "input", "a string or an array of items"));
    }
    let items = expect::objects(raw, "input", Place::Item)?;
    for (index, item) in items.iter().enumerate() {
        let Some((role, blocks)) = read_item(Place::Item(index), item)? else {
            continue;
        };
        match turns.last_mut() {
            // A message of the assistant's and the calls after it are one turn.
            Some(turn) if turn.role == role && role == Role::Assistant => {
                turn.blocks.extend(blocks);
            }
            _ => turns.push(Turn { role, blocks }),
        }
    }
    Ok(())
}

/// What the identifiers of reasoning items begin with, OpenAI's and the gateway's own.
const REASONING_ID: &str = "rs_";

/// What one side says.
type Spoken<'a> = (Role, Vec<Block<'a>>);

/// Reads one item; `None` for one that only its own provider could read.
fn read_item<'a>(place: Place, item: &Object<'a>) -> Result<Option<Spoken<'a>>, EncodeError> {
    let kind = item.string("type").unwrap_or_else(|| "message".into());
    let one = |content| vec![Block::new(place, content)];
    Ok(Some(match kind.as_ref() {
        "message" => {
            let role = match expect::required_string(item, "role", place)?.as_ref() {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                "system" => Role::System,
                "developer" => Role::Developer,
                role => {
                    return Err(EncodeError::new(
                        format_args!("{place}.role"),
                        format!(
                            "must be one of user, assistant, system, developer, and is \"{role}\""
                        ),
                    ));
                }
            };
            (role, read_content(place, item.get("content"))?)
        }
        "function_call" => {
            let arguments = match item.get("arguments") {
                Some(raw) => expect::text(raw, format_args!("{place}.arguments"))?,
                None => Text::plain(""),
            };
            let call = Content::ToolCall {
                id: expect::required_string(item, "call_id", place)?,
                name: expect::required_string(item, "name", place)?,
                input: Input::Quoted(arguments),
            };
            (Role::Assistant, one(call))
        }
        "function_call_output" => {
            let result = Content::ToolResult {
                id: expect::required_string(item, "call_id", place)?,
                content: read_content(place, item.get("output"))?,
                is_error: false,
            };
            (Role::User, one(result))
        }
        "reasoning" => return Ok(None),
        "item_reference" => {
            let id = expect::required_string(item, "id", place)?;
            // As good as the item itself, which means nothing elsewhere.
            if id.starts_with(REASONING_ID) {
                return Ok(None);
            }
            return Err(EncodeError::new(
                format_args!("{place}.id"),
                "must not refer to an earlier item, for the model that serves this keeps none: \
                 send the item itself (clients do with `store` set to false)",
            ));
        }
        kind => {
            return Err(EncodeError::new(
                format_args!("{place}.type"),
                format!("the model that serves this does not take items of type \"{kind}\""),
            ));
        }
    }))
}

fn read_content<'a>(
    place: Place,
    raw: Option<&'a RawValue>,
) -> Result<Vec<Block<'a>>, EncodeError> {
    let Some(raw) = raw else {
        return Err(EncodeError::new(
            format_args!("{place}.content"),
            "is required",
        ));
    };
    if let Some(text) = Text::of(raw) {
        return Ok(vec![Block::new(place, Content::Text(text))]);
    }
    expect::objects(raw, format_args!("{place}.content"), |_| place)?
        .iter()
        .map(|part| {
            let mut block = Block::new(place, read_part(place, part)?);
            block.lacks("annotations", part);
            Ok(block)
        })
        .collect()
}

fn read_part<'a>(place: Place, part: &Object<'a>) -> Result<Content<'a>, EncodeError> {
    let kind = expect::required_string(part, "type", place)?;
    let text = |name: &str| {
        part.text(name)
            .ok_or_else(|| EncodeError::new(format_args!("{place}.{name}"), "is required"))
    };
    let url = |url| {
        Source::of_url(url).ok_or_else(|| {
            EncodeError::new(place, "must be a web address, or data:<type>;base64,<data>")
        })
    };
    match kind.as_ref() {
        "input_text" | "output_text" | "text" => Ok(Content::Text(text("text")?)),
        "refusal" => Ok(Content::Refusal(text("refusal")?)),
        "input_image" => Ok(Content::Image(match part.text("image_url") {
            Some(image) => url(image)?,
            None => Source::File,
        })),
        "input_file" => Ok(Content::Document {
            source: match part.text("file_data").or_else(|| part.text("file_url")) {
                Some(file) => url(file)?,
                None => Source::File,
            },
            name: part.text("filename"),
        }),
        "input_audio" => {
            let Some(audio) = part.object("input_audio") else {
                return Err(EncodeError::new(
                    format_args!("{place}.input_audio"),
                    "is required",
                ));
            };
            Ok(Content::Audio {
                format: expect::required_string(&audio, "format", place)?,
                data: expect::required_string(&audio, "data", place)?,
            })
        }
        _ => Ok(Content::Unknown { kind }),
    }
}
