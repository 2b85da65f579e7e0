//! Requests: messages as OpenAI writes them, and settings of its own.

use serde_json::value::RawValue;

use crate::exchange::{EncodeError, Plan};
use crate::json::Writer;
use crate::neutral::{
    Block, Content, Effort, Format, Reasoning, Request, Tool, ToolChoice, Unsaid,
};
use crate::openai::{write_tool, write_turn};

/// Fields that OpenAI's dialect has too, under the same names.
const SHARED: [&str; 3] = ["seed", "frequency_penalty", "presence_penalty"];

/// The most stop sequences that are taken.
const STOP_LIMIT: usize = 5;

/// Writes the body of a chat call.
pub(crate) fn write_request(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
) -> Result<String, EncodeError> {
    let unsaid = [
        Unsaid::Logprobs,
        Unsaid::User,
        Unsaid::ServiceTier,
        Unsaid::OneToolAtATime,
    ];
    request.note_unsaid(&unsaid, plan.dropped);
    if request.turns.is_empty() {
        return Err(EncodeError::new("messages", "must hold a message"));
    }
    check_blocks(request)?;
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
        write_thinking(request, plan, out);
        write_format(request, out);
        write_tools(request, plan, out);
        out.key("stream").bool(request.stream);
    });
    fault.map(|()| out.into_string())
}

/// Refuses what the dialect has no part for.
fn check_blocks(request: &Request<'_>) -> Result<(), EncodeError> {
    let blocks = request.turns.iter().flat_map(|turn| &turn.blocks);
    blocks
        .flat_map(|block| match &block.content {
            Content::ToolResult { content, .. } => content.iter(),
            _ => std::slice::from_ref(block).iter(),
        })
        .try_for_each(check_block)
}

fn check_block(block: &Block<'_>) -> Result<(), EncodeError> {
    let refuse = |message: &str| Err(EncodeError::new(block.place, message));
    match &block.content {
        Content::Audio { .. } => refuse("the model that serves this does not take sound"),
        Content::Document { .. } => refuse("the model that serves this does not take documents"),
        Content::Text(_)
        | Content::Image(_)
        | Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Thinking { .. }
        | Content::Redacted(_)
        | Content::Refusal(_)
        | Content::Unknown { .. } => Ok(()),
    }
}

fn write_settings(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    if let Some(max_tokens) = request.max_tokens {
        out.key("max_tokens").number(max_tokens);
    }
    if let Some(top_p) = request.top_p {
        out.key("p").verbatim(within(top_p));
    }
    let mut given = |name: &str, value: Option<&RawValue>| {
        if let Some(value) = value {
            out.key(name).raw(value);
        }
    };
    given("temperature", request.temperature);
    given("k", request.top_k);
    for (name, value) in &request.openai_only {
        if SHARED.contains(&name.as_ref()) {
            given(name, Some(value));
        } else {
            plan.dropped.note(name);
        }
    }
    if request.stop.len() > STOP_LIMIT {
        return Err(EncodeError::new(
            "stop",
            format!("must be at most {STOP_LIMIT} for the model that serves this"),
        ));
    }
    if !request.stop.is_empty() {
        out.key("stop_sequences").array(|out| {
            for sequence in &request.stop {
                out.text(sequence);
            }
        });
    }
    Ok(())
}

/// The nearest share of the likeliest tokens that is taken: neither none nor all.
fn within(top_p: &RawValue) -> &str {
    match top_p.get().parse::<f64>() {
        Ok(share) if share > 0.99 => "0.99",
        Ok(share) if share < 0.01 => "0.01",
        _ => top_p.get(),
    }
}

fn write_thinking(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    let Some(reasoning) = request.reasoning else {
        return;
    };
    if !plan.to.model.contains("reasoning") {
        if reasoning != Reasoning::Off {
            plan.dropped.note("reasoning_effort");
        }
        return;
    }
    out.key("thinking").object(|out| {
        let budget = match reasoning {
            Reasoning::Off => {
                out.key("type").str("disabled");
                return;
            }
            Reasoning::Effort(effort) => Effort::budget_tokens(effort),
            Reasoning::BudgetTokens(tokens) => tokens,
        };
        out.key("type").str("enabled");
        out.key("token_budget").number(budget);
    });
}

fn write_format(request: &Request<'_>, out: &mut Writer) {
    let Some(format) = &request.format else {
        return;
    };
    out.key("response_format").object(|out| {
        out.key("type").str("json_object");
        if let Format::Schema { schema, .. } = format {
            out.key("json_schema").verbatim(schema);
        }
    });
}

/// Writes tools and which to use. The dialect can't name one: it is given that one alone, then.
fn write_tools(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    let named = match &request.tool_choice {
        Some(ToolChoice::Named(name)) => Some(name),
        Some(ToolChoice::Auto | ToolChoice::Any | ToolChoice::None) | None => None,
    };
    let is_given = |tool: &&Tool<'_>| named.is_none_or(|name| tool.name == *name);
    let tools: Vec<_> = request.tools.iter().filter(is_given).collect();
    if tools.is_empty() {
        return;
    }
    out.key("tools").array(|out| {
        for tool in tools {
            write_tool(tool, plan, out);
        }
    });
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::Any | ToolChoice::Named(_)) => {
            out.key("tool_choice").str("REQUIRED");
        }
        Some(ToolChoice::None) => {
            out.key("tool_choice").str("NONE");
        }
    }
}
