//! From OpenAI's dialect.

use serde_json::value::RawValue;

use super::read_message::read_message;
use crate::exchange::EncodeError;
use crate::json::{Body, Sort};
use crate::neutral::block::cache_mark;
use crate::neutral::{Effort, Format, Reasoning, Request, Tool, ToolChoice, expect};

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
            "tools" | "tool_choice" | "parallel_tool_calls" | "functions" | "function_call" => {
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
        "temperature" => request.temperature = Some(expect::number(raw, name)?),
        "top_p" => request.top_p = Some(expect::number(raw, name)?),
        "top_k" => request.top_k = Some(expect::number(raw, name)?),
        "stream" => request.stream = expect::bool(raw, name)?,
        "user" | "safety_identifier" => request.user = Some(expect::text(raw, name)?),
        "service_tier" => request.service_tier = Some(expect::string(raw, name)?),
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
        "top_logprobs" => {
            request.logprobs.top = Some(("top_logprobs", expect::count(raw, name)?));
        }
        "response_format" => request.format = read_format(raw)?,
        "reasoning_effort" => request.reasoning = Some(read_effort(raw)?),
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
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_effort(raw: &RawValue) -> Result<Reasoning, EncodeError> {
    let name = expect::string(raw, "reasoning_effort")?;
    match name.as_ref() {
        "none" => Ok(Reasoning::Off),
        name => Effort::of(name).map(Reasoning::Effort).ok_or_else(|| {
            EncodeError::new(
                "reasoning_effort",
                "must be one of none, minimal, low, medium, high, xhigh, max",
            )
        }),
    }
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
            let Some(schema) = described.get("schema") else {
                return Err(EncodeError::new(format_args!("{at}.schema"), "is required"));
            };
            expect::object(schema, format_args!("{at}.schema"))?;
            Ok(Some(Format::Schema {
                name: described.string("name"),
                description: described.text("description"),
                schema: schema.get().into(),
                strict: described.bool("strict"),
            }))
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
        "parallel_tool_calls" => request.parallel_tools = Some(expect::bool(raw, name)?),
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
    let kind = expect::required_string(&tool, "type", &at)?;
    if kind != "function" {
        return Err(EncodeError::new(
            format_args!("{at}.type"),
            format!(
                "must be \"function\": the model that serves this has no tool of type \"{kind}\""
            ),
        ));
    }
    let at = format!("{at}.function");
    let Some(described) = tool.get("function") else {
        return Err(EncodeError::new(at, "is required"));
    };
    let function = expect::object(described, &at)?;
    let schema = function.get("parameters");
    if let Some(schema) = schema {
        expect::object(schema, format_args!("{at}.parameters"))?;
    }
    Ok(Tool {
        name: expect::required_string(&function, "name", &at)?,
        description: function.text("description"),
        schema: schema.map(|schema| schema.get().into()),
        strict: function.bool("strict"),
        cache: cache_mark(&tool).or_else(|| cache_mark(&function)),
    })
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
    match expect::string(raw, at)?.as_ref() {
        "auto" => Ok(ToolChoice::Auto),
        "required" | "any" => Ok(ToolChoice::Any),
        "none" => Ok(ToolChoice::None),
        _ => Err(EncodeError::new(
            at,
            "must be one of auto, required, none, or name a function",
        )),
    }
}
