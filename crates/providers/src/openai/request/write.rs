//! Into OpenAI's dialect.

use serde_json::value::RawValue;

use super::shared::{write_function, write_schema};
use super::write_message::write_turn;
use crate::exchange::{EncodeError, Plan};
use crate::json::Writer;
use crate::neutral::{Effort, Format, Reasoning, Request, Tool, ToolChoice, Unsaid};
use crate::openai::is_reasoning_model;
use crate::table::{MaxTokensField, StreamUsage};

/// The most stop sequences OpenAI takes.
const STOP_LIMIT: usize = 4;

/// Writes the body of a chat completion.
pub(crate) fn write_request(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
) -> Result<String, EncodeError> {
    request.note_unsaid(&[Unsaid::TopK, Unsaid::ServiceTier], plan.dropped);
    if request.turns.is_empty() {
        return Err(EncodeError::new("messages", "must hold a message"));
    }
    let mut out = Writer::with_capacity(1024);
    let mut fault = Ok(());
    out.object(|out| {
        out.key("model").str(plan.to.model);
        out.key("messages").array(|out| {
            for turn in &request.turns {
                if fault.is_ok() {
                    fault = write_turn(turn, plan, out);
                }
            }
        });
        if fault.is_ok() {
            fault = write_settings(request, plan, out);
        }
        write_reasoning(request, plan, out);
        write_format(request, out);
        write_tools(request, plan, out);
        if request.stream {
            out.key("stream").bool(true);
            if plan.to.quirks.stream_usage == StreamUsage::Asked {
                out.key("stream_options").object(|out| {
                    out.key("include_usage").bool(true);
                });
            }
        }
        if let Some(user) = &request.user
            && let Some(name) = taken(plan, "user")
        {
            out.key(name).text(user);
        }
    });
    fault.map(|()| out.into_string())
}

/// Returns the provider's name for a field, or notes that it takes none.
fn taken(plan: &mut Plan<'_>, name: &'static str) -> Option<&'static str> {
    if plan.to.quirks.refused.contains(&name) {
        plan.dropped.note(name);
        return None;
    }
    let renamed = plan
        .to
        .quirks
        .renamed
        .iter()
        .find(|(from, _)| *from == name);
    Some(renamed.map_or(name, |(_, to)| to))
}

fn write_settings(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    if let Some(max_tokens) = request.max_tokens {
        let field = match plan.to.quirks.max_tokens {
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
            MaxTokensField::MaxTokens => "max_tokens",
        };
        out.key(field).number(max_tokens);
    }
    let samples = !is_reasoning_model(plan.to.model);
    let mut sampling = |name: &'static str, value: Option<&RawValue>| {
        let Some(value) = value else { return };
        if !samples {
            plan.dropped.note(name);
        } else if let Some(name) = taken(plan, name) {
            out.key(name).raw(value);
        }
    };
    sampling("temperature", request.temperature);
    sampling("top_p", request.top_p);
    if request.stop.len() > STOP_LIMIT {
        return Err(EncodeError::new(
            "stop_sequences",
            format!("must be at most {STOP_LIMIT} for the model that serves this"),
        ));
    }
    if !request.stop.is_empty()
        && let Some(name) = taken(plan, "stop")
    {
        out.key(name).array(|out| {
            for sequence in &request.stop {
                out.text(sequence);
            }
        });
    }
    if request.logprobs.asked_by.is_some()
        && let Some(name) = taken(plan, "logprobs")
    {
        out.key(name).bool(true);
    }
    if let Some((_, count)) = request.logprobs.top
        && let Some(name) = taken(plan, "top_logprobs")
    {
        out.key(name).number(count);
    }
    for (name, value) in &request.openai_only {
        // OpenAI takes metadata only with what it is asked to keep.
        if name == "metadata" || plan.to.quirks.refused.contains(&name.as_ref()) {
            plan.dropped.note(name);
            continue;
        }
        let renamed = plan.to.quirks.renamed.iter().find(|(from, _)| from == name);
        out.key(renamed.map_or(name.as_ref(), |(_, to)| to))
            .raw(value);
    }
    Ok(())
}

fn write_reasoning(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    let effort = match request.reasoning {
        None | Some(Reasoning::Off) => return,
        Some(Reasoning::Effort(effort)) => effort,
        Some(Reasoning::BudgetTokens(tokens)) => Effort::of_budget(tokens),
    };
    if !is_reasoning_model(plan.to.model) {
        plan.dropped.note("thinking");
        return;
    }
    if let Some(name) = taken(plan, "reasoning_effort") {
        // Few models of OpenAI's go beyond.
        out.key(name).str(effort.min(Effort::High).as_str());
    }
}

fn write_format(request: &Request<'_>, out: &mut Writer) {
    let Some(format) = &request.format else {
        return;
    };
    out.key("response_format").object(|out| match format {
        Format::Object => {
            out.key("type").str("json_object");
        }
        Format::Schema { .. } => {
            out.key("type").str("json_schema");
            out.key("json_schema")
                .object(|out| write_schema(format, out));
        }
    });
}

fn write_tools(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    if request.tools.is_empty() {
        return;
    }
    out.key("tools").array(|out| {
        for tool in &request.tools {
            write_tool(tool, plan, out);
        }
    });
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => {
            out.key("tool_choice").str("auto");
        }
        Some(ToolChoice::Any) => {
            out.key("tool_choice").str(plan.to.quirks.any_tool);
        }
        Some(ToolChoice::None) => {
            out.key("tool_choice").str("none");
        }
        Some(ToolChoice::Named(name)) => {
            out.key("tool_choice").object(|out| {
                out.key("type").str("function");
                out.key("function").object(|out| {
                    out.key("name").str(&plan.tool_names.fit(name));
                });
            });
        }
    }
    if let Some(parallel) = request.parallel_tools
        && let Some(name) = taken(plan, "parallel_tool_calls")
    {
        out.key(name).bool(parallel);
    }
}

/// Writes a tool as the function it is.
pub(crate) fn write_tool(tool: &Tool<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("type").str("function");
        out.key("function").object(|out| {
            write_function(tool, plan, out);
            let takes_strict = !plan.to.quirks.refused.contains(&"strict");
            if let Some(strict) = tool.strict.filter(|_| takes_strict) {
                out.key("strict").bool(strict);
            }
        });
    });
}
