//! Tools into Bedrock's dialect.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::anthropic::Settings;
use crate::exchange::Plan;
use crate::json::{Text, Writer};
use crate::neutral::{Content, Format, Request, Tool, ToolChoice};

use super::write_content::write_cache_point;

/// Writes `toolConfig`, which a conversation must have as soon as tools are spoken of in it.
pub(super) fn write_tools(
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
        let name = name.as_deref().unwrap_or("structured_output");
        let asked = Text::plain("Gives the answer to the user in its final form.");
        let tool = Tool {
            name: Cow::Borrowed(name),
            description: Some(description.clone().unwrap_or(asked)),
            schema: Some(Cow::Borrowed(schema)),
            strict: None,
            cache: None,
        };
        write_config(
            &[&tool],
            Some(&ToolChoice::Named(Cow::Borrowed(name))),
            plan,
            out,
        );
        *plan.format_tool = Some(plan.tool_names.fit(name).into_owned());
        return;
    }
    let used = used_tools(request);
    let is_withheld = matches!(request.tool_choice, Some(ToolChoice::None));
    if is_withheld && used.is_empty() {
        // The dialect has no word for "no tool".
        return;
    }
    if is_withheld && !request.tools.is_empty() {
        plan.dropped.note("tool_choice");
    }
    let known = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let stand_ins: Vec<Tool<'_>> = used
        .into_iter()
        .filter(|name| request.tools.is_empty() && !known(name))
        .map(|name| Tool {
            name: Cow::Borrowed(name),
            description: None,
            schema: None,
            strict: None,
            cache: None,
        })
        .collect();
    let tools: Vec<_> = request.tools.iter().chain(&stand_ins).collect();
    if !tools.is_empty() {
        write_config(&tools, request.tool_choice.as_ref(), plan, out);
    }
}

/// The names of tools that were called so far.
fn used_tools<'r>(request: &'r Request<'_>) -> BTreeSet<&'r str> {
    request
        .turns
        .iter()
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match &block.content {
            Content::ToolCall { name, .. } => Some(name.as_ref()),
            _ => None,
        })
        .collect()
}

fn write_config(
    tools: &[&Tool<'_>],
    choice: Option<&ToolChoice<'_>>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) {
    out.key("toolConfig").object(|out| {
        out.key("tools").array(|out| {
            for tool in tools {
                write_tool(tool, plan, out);
                if tool.cache.is_some() {
                    write_cache_point(out);
                }
            }
        });
        let (kind, name) = match choice {
            None | Some(ToolChoice::None) => return,
            Some(ToolChoice::Auto) => ("auto", None),
            Some(ToolChoice::Any) => ("any", None),
            Some(ToolChoice::Named(name)) => ("tool", Some(plan.tool_names.fit(name))),
        };
        out.key("toolChoice").object(|out| {
            out.key(kind).object(|out| {
                if let Some(name) = name {
                    out.key("name").str(&name);
                }
            });
        });
    });
}

fn write_tool(tool: &Tool<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("toolSpec").object(|out| {
            out.key("name").str(&plan.tool_names.fit(&tool.name));
            let description = tool.description.as_ref();
            if let Some(description) = description.filter(|text| !text.is_blank()) {
                out.key("description").text(description);
            }
            out.key("inputSchema").object(|out| {
                let schema = tool.schema.as_deref();
                out.key("json")
                    .verbatim(schema.unwrap_or(r#"{"type":"object","properties":{}}"#));
            });
        });
    });
}
