//! From OpenAI's dialect.

use serde_json::value::RawValue;

use super::read_message::read_message;
use super::shared::{self, check_kind, read_choice_word, read_effort, read_function, read_schema};
use crate::exchange::EncodeError;
use crate::json::{Body, Sort};
use crate::neutral::block::cache_mark;
use crate::neutral::{Format, Request, Tool, ToolChoice, expect};

/// Fields that a dialect other than OpenAI's may well have under another name.
const OPENAI_ONLY: [&str; 17] = [
    "audio",
    "frequency_penalty",
    "logit_bias",
    "metadata",
    "moderation",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "seed",
    "store",
    "verbosity",
    "web_search_options",
    "min_p",
    "repetition_penalty",
    "top_a",
    "random_seed",
];

/// Reads the body of a chat completion.
pub(crate) fn read_request(body: &str) -> Result<Request<'_>, EncodeError> {
    let Body { fields, listed } = expect::body(body)?;
    let mut request = Request::default();
    for (index, message) in listed.iter().enumerate() {
        request.turns.push(read_message(index, message)?);
    }
    // What was asked under the newer name counts.
    let mut older_max_tokens = None;
    for (name, raw) in fields {
        if Sort::of(raw) == Sort::Null {
            continue;
        }
        match name.as_ref() {
            "max_tokens" => older_max_tokens = Some(expect::count(raw, "max_tokens")?),
            "tools" | "tool_choice" | "functions" | "function_call" => {
                take_tools(&mut request, &name, raw)?;
            }
            "model" | "stream_options" | expect::MESSAGES => {}
            _ if take_setting(&mut request, &name, raw)? => {}
            _ if OPENAI_ONLY.contains(&name.as_ref()) => request.openai_only.push((name, raw)),
            _ => request.unknown.push(name.into_owned()),
        }
    }
    request.max_tokens = request.max_tokens.or(older_max_tokens);
    Ok(request)
}

/// Takes a field that says how to answer; `false` when it is none of them.
fn take_setting<'a>(
    request: &mut Request<'a>,
    name: &str,
    raw: &'a RawValue,
) -> Result<bool, EncodeError> {
    match name {
        "max_completion_tokens" => request.max_tokens = Some(expect::count(raw, name)?),
        "top_k" => request.top_k = Some(expect::number(raw, name)?),
        "stop" => {
            request.stop = match Sort::of(raw) {
                Sort::String => vec![expect::text(raw, name)?],
                _ => expect::array(raw, name)?
                    .into_iter()
                    .enumerate()
                    .map(|(index, raw)| expect::text(raw, format_args!("stop[{index}]")))
                    .collect::<Result<_, _>>()?,
            };
        }
        "logprobs" => {
            request.logprobs.asked_by = expect::bool(raw, name)?.then_some("logprobs");
        }
        "response_format" => request.format = read_format(raw)?,
        "reasoning_effort" => request.reasoning = Some(read_effort(raw, name)?),
        "n" => {
            if expect::count(raw, name)? != 1 {
                return Err(EncodeError::new(
                    name,
                    "must be 1: the model that serves this gives one answer",
                ));
            }
        }
        "modalities" => {
            for (index, raw) in expect::array(raw, name)?.into_iter().enumerate() {
                if raw.get() != "\"text\"" {
                    return Err(EncodeError::new(
                        format_args!("modalities[{index}]"),
                        "must be \"text\": the model that serves this answers in text",
                    ));
                }
            }
        }
        _ => return shared::take_setting(request, name, raw),
    }
    Ok(true)
}

fn read_format(raw: &RawValue) -> Result<Option<Format<'_>>, EncodeError> {
    let format = expect::object(raw, "response_format")?;
    let kind = expect::required_string(&format, "type", "response_format")?;
    match kind.as_ref() {
        "text" => Ok(None),
        "json_object" => Ok(Some(Format::Object)),
        "json_schema" => {
            let at = "response_format.json_schema";
            let Some(described) = format.get("json_schema") else {
                return Err(EncodeError::new(at, "is required"));
            };
            let described = expect::object(described, at)?;
            read_schema(&described, at).map(Some)
        }
        _ => Err(EncodeError::new(
            "response_format.type",
            "must be one of text, json_object, json_schema",
        )),
    }
}

fn take_tools<'a>(
    request: &mut Request<'a>,
    name: &str,
    raw: &'a RawValue,
) -> Result<(), EncodeError> {
    match name {
        "tools" => {
            for (index, raw) in expect::array(raw, name)?.into_iter().enumerate() {
                request.tools.push(read_tool(index, raw)?);
            }
        }
        "tool_choice" => request.tool_choice = Some(read_choice(raw)?),
        _ => {
            return Err(EncodeError::new(
                name,
                "is not understood by the model that serves this: use tools and tool_choice",
            ));
        }
    }
    Ok(())
}

fn read_tool(index: usize, raw: &RawValue) -> Result<Tool<'_>, EncodeError> {
    let at = format!("tools[{index}]");
    let tool = expect::object(raw, &at)?;
    check_kind(&tool, &at)?;
    let at = format!("{at}.function");
    let Some(described) = tool.get("function") else {
        return Err(EncodeError::new(at, "is required"));
    };
    let function = expect::object(described, &at)?;
    let cache = cache_mark(&tool).or_else(|| cache_mark(&function));
    let function = read_function(&function, &at)?;
    Ok(Tool { cache, ..function })
}

fn read_choice(raw: &RawValue) -> Result<ToolChoice<'_>, EncodeError> {
    let at = "tool_choice";
    if Sort::of(raw) == Sort::Object {
        let choice = expect::object(raw, at)?;
        let Some(function) = choice.object("function") else {
            return Err(EncodeError::new(
                at,
                "must name a function: {\"type\":\"function\",\"function\":{\"name\":…}}",
            ));
        };
        let name = expect::required_string(&function, "name", "tool_choice.function")?;
        return Ok(ToolChoice::Named(name));
    }
    read_choice_word(raw)
}
