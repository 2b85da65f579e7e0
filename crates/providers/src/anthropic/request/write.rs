//! Into Anthropic's dialect.

use super::schema::bound;
use super::settings::Settings;
use super::write_content::{write_system, write_turn};
use crate::anthropic::abilities::Abilities;
use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::group::{Group, grouped};
use crate::neutral::tool_names::fit_id;
use crate::neutral::{Block, Content, Format, Request, Tool, ToolChoice, Unsaid};

/// Writes the body of a messages call.
pub(crate) fn write_request(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
) -> Result<String, EncodeError> {
    request.note_unsaid(&[Unsaid::OpenAiOnly, Unsaid::Logprobs], plan.dropped);
    let abilities = Abilities::of(plan.to.model);
    let settings = Settings::of(request, abilities, plan)?;
    let turns = messages(request);
    if turns.is_empty() {
        return Err(EncodeError::new(
            "messages",
            "must hold a message of the user's for the model that serves this",
        ));
    }
    let mut out = Writer::with_capacity(1024);
    let mut fault = Ok(());
    out.object(|out| {
        match plan.to.quirks.version_in_body {
            Some(version) => out.key("anthropic_version").str(version),
            None => out.key("model").str(plan.to.model),
        };
        out.key("max_tokens").number(settings.max_tokens);
        write_system(request, out);
        out.key("messages").array(|out| {
            for turn in &turns {
                if fault.is_ok() {
                    fault = write_turn(turn, plan, out);
                }
            }
        });
        settings.write(out);
        write_tools(request, &settings, plan, out);
        if request.stream {
            out.key("stream").bool(true);
        }
        if let Some(user) = &request.user {
            out.key("metadata").object(|out| {
                out.key("user_id").text(user);
            });
        }
        if let Some(tier) = &request.service_tier {
            match tier.as_ref() {
                "auto" | "priority" => out.key("service_tier").str("auto"),
                "default" => out.key("service_tier").str("standard_only"),
                _ => {
                    plan.dropped.note("service_tier");
                    out
                }
            };
        }
    });
    fault.map(|()| out.into_string())
}

/// Messages as Anthropic wants them: what one side says in a row, results of tools and thinking
/// first, and without empty text and unsigned thinking.
fn messages<'g, 'a>(request: &'g Request<'a>) -> Vec<Group<'g, 'a>> {
    let mut groups = grouped(request, is_sendable);
    groups.iter_mut().for_each(Group::lead_with_results);
    groups
}

fn is_sendable(block: &Block<'_>) -> bool {
    match &block.content {
        Content::Text(text) | Content::Refusal(text) => !text.is_blank(),
        Content::Thinking { signature, .. } => signature.is_some(),
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Redacted(_)
        | Content::Unknown { .. } => true,
    }
}

fn write_tools(
    request: &Request<'_>,
    settings: &Settings<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) {
    if let Some(Format::Schema {
        name,
        schema,
        description,
        ..
    }) = settings.format_by_tool
    {
        let name = plan
            .tool_names
            .fit(name.as_deref().unwrap_or("structured_output"))
            .into_owned();
        out.key("tools").array(|out| {
            out.object(|out| {
                out.key("name").str(&name);
                let asked = Text::plain("Gives the answer to the user in its final form.");
                let described = description.as_ref().unwrap_or(&asked);
                out.key("description").text(described);
                out.key("input_schema").verbatim(schema);
            });
        });
        out.key("tool_choice").object(|out| {
            out.key("type").str("tool");
            out.key("name").str(&name);
        });
        *plan.format_tool = Some(name);
        return;
    }
    if request.tools.is_empty() {
        return;
    }
    out.key("tools").array(|out| {
        for tool in &request.tools {
            write_tool(tool, plan, out);
        }
    });
    write_choice(request, plan, out);
}

fn write_tool(tool: &Tool<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("name").str(&plan.tool_names.fit(&tool.name));
        if let Some(description) = &tool.description {
            out.key("description").text(description);
        }
        let is_strict = tool.strict == Some(true) && takes_strict(plan);
        match &tool.schema {
            Some(schema) if is_strict => out
                .key("input_schema")
                .verbatim(&bound(schema, plan.dropped)),
            Some(schema) => out.key("input_schema").verbatim(schema),
            None => out
                .key("input_schema")
                .verbatim(r#"{"type":"object","properties":{}}"#),
        };
        if is_strict {
            out.key("strict").bool(true);
        }
        if let Some(cache) = tool.cache {
            out.key("cache_control").raw(cache);
        }
    });
}

/// Whether the model binds what it gives tools to their schemas; noted where it does not.
fn takes_strict(plan: &mut Plan<'_>) -> bool {
    let takes = Abilities::of(plan.to.model).structured_output;
    if !takes {
        plan.dropped.note("strict");
    }
    takes
}

fn write_choice(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    let one_at_a_time = request.parallel_tools == Some(false);
    if request.tool_choice.is_none() && !one_at_a_time {
        return;
    }
    out.key("tool_choice").object(|out| {
        match &request.tool_choice {
            None | Some(ToolChoice::Auto) => out.key("type").str("auto"),
            Some(ToolChoice::Any) => out.key("type").str("any"),
            Some(ToolChoice::None) => {
                out.key("type").str("none");
                return;
            }
            Some(ToolChoice::Named(name)) => {
                out.key("type").str("tool");
                out.key("name").str(&plan.tool_names.fit(name))
            }
        };
        if one_at_a_time {
            out.key("disable_parallel_tool_use").bool(true);
        }
    });
}

/// Writes the identifier of a tool call as the target takes it.
pub(super) fn tool_id<'i>(id: &'i str, plan: &Plan<'_>) -> std::borrow::Cow<'i, str> {
    fit_id(id, plan.to.quirks.tool_ids)
}
