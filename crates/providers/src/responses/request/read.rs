//! From the Responses API.

use serde_json::value::RawValue;

use super::read_item::read_input;
use crate::exchange::EncodeError;
use crate::json::{Object, Sort};
use crate::neutral::{
    Block, Content, Format, Place, Request, Role, Tool, ToolChoice, Turn, expect,
};
use crate::openai::shared::{
    self, check_kind, read_choice_word, read_effort, read_function, read_schema,
};

/// Reads the body of a call that creates a response.
pub(crate) fn read_request(body: &str) -> Result<Request<'_>, EncodeError> {
    let fields: Object<'_> = serde_json::from_str(body)
        .map_err(|_| EncodeError::new("body", "must be a JSON object"))?;
    let mut request = Request::default();
    if let Some(raw) = fields.get("instructions") {
        let text = expect::text(raw, "instructions")?;
        request.turns.push(Turn {
            role: Role::Developer,
            blocks: vec![Block::new(Place::System, Content::Text(text))],
        });
    }
    match fields.get("input") {
        Some(raw) => read_input(raw, &mut request.turns)?,
        None => return Err(EncodeError::new("input", "is required")),
    }
    for (name, raw) in fields {
        if Sort::of(raw) == Sort::Null {
            continue;
        }
        match name.as_ref() {
            "model" | "input" | "instructions" => {}
            // What is kept for later calls, and what it is kept with.
            "store" | "truncation" | "stream_options" => {}
            "previous_response_id" | "conversation" | "prompt" => {
                return Err(EncodeError::new(
                    name,
                    "needs what an earlier call left with a provider, which the model that serves this does not keep: send the whole input",
                ));
            }
            "background" => {
                if expect::bool(raw, "background")? {
                    return Err(EncodeError::new(
                        name,
                        "must be false for the model that serves this",
                    ));
                }
            }
            "metadata" | "prompt_cache_key" => {
                request.openai_only.push((name, raw));
            }
            _ if take_setting(&mut request, &name, raw)? => {}
            _ => request.unknown.push(name.into_owned()),
        }
    }
    Ok(request)
}

/// What asks for logprobs, as it is written in `include`.
pub(super) const INCLUDED_LOGPROBS: &str = "\"message.output_text.logprobs\"";

/// Takes a field that says how to answer; `false` when it is none of them.
fn take_setting<'a>(
    request: &mut Request<'a>,
    name: &str,
    raw: &'a RawValue,
) -> Result<bool, EncodeError> {
    match name {
        "max_output_tokens" => request.max_tokens = Some(expect::count(raw, name)?),
        // What else can be asked for is of tools that the provider runs, or for its own use.
        "include" => {
            let asked = expect::array(raw, name)?;
            let asks = asked.iter().any(|raw| raw.get() == INCLUDED_LOGPROBS);
            request.logprobs.asked_by = asks.then_some("include");
        }
        "reasoning" => {
            let reasoning = expect::object(raw, name)?;
            if let Some(effort) = reasoning.get("effort") {
                request.reasoning = Some(read_effort(effort, "reasoning.effort")?);
            }
        }
        "text" => {
            let text = expect::object(raw, name)?;
            if let Some(format) = text.get("format") {
                request.format = read_format(format)?;
            }
            if text.get("verbosity").is_some() {
                request.unknown.push("text.verbosity".to_owned());
            }
        }
        "tools" => {
            let tools = expect::objects(raw, name, |at| format!("tools[{at}]"))?;
            for (index, tool) in tools.iter().enumerate() {
                request.tools.push(read_tool(index, tool)?);
            }
        }
        "tool_choice" => request.tool_choice = Some(read_choice(raw)?),
        _ => return shared::take_setting(request, name, raw),
    }
    Ok(true)
}

fn read_format(raw: &RawValue) -> Result<Option<Format<'_>>, EncodeError> {
    let at = "text.format";
    let format = expect::object(raw, at)?;
    match expect::required_string(&format, "type", at)?.as_ref() {
        "text" => Ok(None),
        "json_object" => Ok(Some(Format::Object)),
        "json_schema" => read_schema(&format, at).map(Some),
        _ => Err(EncodeError::new(
            "text.format.type",
            "must be one of text, json_object, json_schema",
        )),
    }
}

fn read_tool<'a>(index: usize, tool: &Object<'a>) -> Result<Tool<'a>, EncodeError> {
    let at = format!("tools[{index}]");
    check_kind(tool, &at)?;
    read_function(tool, &at)
}

fn read_choice(raw: &RawValue) -> Result<ToolChoice<'_>, EncodeError> {
    let at = "tool_choice";
    if Sort::of(raw) == Sort::Object {
        let choice = expect::object(raw, at)?;
        if choice.string("type").as_deref() != Some("function") {
            return Err(EncodeError::new(at, "must name a function"));
        }
        return Ok(ToolChoice::Named(expect::required_string(
            &choice, "name", at,
        )?));
    }
    read_choice_word(raw)
}
