//! What chat completions and responses say alike.

use serde_json::value::RawValue;

use crate::exchange::{EncodeError, Plan};
use crate::json::{Object, Writer};
use crate::neutral::{Effort, Format, Reasoning, Request, Tool, ToolChoice, expect};

/// Takes a field that says how to answer; `false` when it is none of those that are alike.
pub(crate) fn take_setting<'a>(
    request: &mut Request<'a>,
    name: &str,
    raw: &'a RawValue,
) -> Result<bool, EncodeError> {
    match name {
        "temperature" => request.temperature = Some(expect::number(raw, name)?),
        "top_p" => request.top_p = Some(expect::number(raw, name)?),
        "stream" => request.stream = expect::bool(raw, name)?,
        "user" | "safety_identifier" => request.user = Some(expect::text(raw, name)?),
        "service_tier" => request.service_tier = Some(expect::string(raw, name)?),
        "parallel_tool_calls" => request.parallel_tools = Some(expect::bool(raw, name)?),
        "top_logprobs" => {
            request.logprobs.top = Some(("top_logprobs", expect::count(raw, name)?));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

pub(crate) fn read_effort(raw: &RawValue, at: &str) -> Result<Reasoning, EncodeError> {
    let name = expect::string(raw, at)?;
    match name.as_ref() {
        "none" => Ok(Reasoning::Off),
        name => Effort::of(name).map(Reasoning::Effort).ok_or_else(|| {
            EncodeError::new(
                at,
                "must be one of none, minimal, low, medium, high, xhigh, max",
            )
        }),
    }
}

/// Reads a form of the answer from the object that describes its schema.
pub(crate) fn read_schema<'a>(described: &Object<'a>, at: &str) -> Result<Format<'a>, EncodeError> {
    let at = format!("{at}.schema");
    let Some(schema) = described.get("schema") else {
        return Err(EncodeError::new(at, "is required"));
    };
    expect::object(schema, at)?;
    Ok(Format::Schema {
        name: described.string("name"),
        description: described.text("description"),
        schema: schema.get().into(),
        strict: described.bool("strict"),
    })
}

/// Checks that a tool is a function: others run at their own provider.
pub(crate) fn check_kind(tool: &Object<'_>, at: &str) -> Result<(), EncodeError> {
    let kind = expect::required_string(tool, "type", at)?;
    if kind == "function" {
        return Ok(());
    }
    Err(EncodeError::new(
        format_args!("{at}.type"),
        format!("must be \"function\": the model that serves this has no tool of type \"{kind}\""),
    ))
}

/// Reads a tool from the object that describes its function.
pub(crate) fn read_function<'a>(function: &Object<'a>, at: &str) -> Result<Tool<'a>, EncodeError> {
    let schema = function.get("parameters");
    if let Some(schema) = schema {
        expect::object(schema, format_args!("{at}.parameters"))?;
    }
    Ok(Tool {
        name: expect::required_string(function, "name", at)?,
        description: function.text("description"),
        schema: schema.map(|schema| schema.get().into()),
        strict: function.bool("strict"),
        cache: None,
    })
}

/// Reads a choice of tools that is a word.
pub(crate) fn read_choice_word(raw: &RawValue) -> Result<ToolChoice<'_>, EncodeError> {
    let at = "tool_choice";
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

/// Writes what describes a form of the answer by its schema into an object that is open; nothing for
/// any other.
pub(crate) fn write_schema(format: &Format<'_>, out: &mut Writer) {
    let Format::Schema {
        name,
        description,
        schema,
        strict,
    } = format
    else {
        return;
    };
    out.key("name")
        .str(name.as_deref().unwrap_or("structured_output"));
    if let Some(description) = description {
        out.key("description").text(description);
    }
    out.key("schema").verbatim(schema);
    if let Some(strict) = strict {
        out.key("strict").bool(*strict);
    }
}

/// Writes what describes a function, but for `strict`, into an object that is open.
pub(crate) fn write_function(tool: &Tool<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.key("name").str(&plan.tool_names.fit(&tool.name));
    if let Some(description) = &tool.description {
        out.key("description").text(description);
    }
    match &tool.schema {
        Some(schema) => out.key("parameters").verbatim(schema),
        None => out
            .key("parameters")
            .verbatim(r#"{"type":"object","properties":{}}"#),
    };
}
