//! Into Google's dialect.

use std::collections::HashMap;

use super::generation;
use super::settings::write_settings;
use super::write_part::{write_part, write_result};
use crate::exchange::{EncodeError, Plan};
use crate::json::Writer;
use crate::neutral::group::{Group, grouped};
use crate::neutral::{Block, Content, Request, Role, Tool, ToolChoice, Unsaid};

/// Writes the body of a generateContent call.
pub(crate) fn write_request(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
) -> Result<String, EncodeError> {
    let unsaid = [Unsaid::ServiceTier, Unsaid::User, Unsaid::OneToolAtATime];
    request.note_unsaid(&unsaid, plan.dropped);
    let calls = Calls::of(request);
    let groups = grouped(request, is_sendable);
    if groups.is_empty() {
        return Err(EncodeError::new(
            "messages",
            "must hold a message of the user's for the model that serves this",
        ));
    }
    let mut out = Writer::with_capacity(1024);
    let mut fault = Ok(());
    out.object(|out| {
        write_system(request, out);
        out.key("contents").array(|out| {
            for group in &groups {
                if fault.is_ok() {
                    fault = write_group(group, &calls, plan, out);
                }
            }
        });
        write_tools(request, plan, out);
        write_settings(request, plan, out);
    });
    fault.map(|()| out.into_string())
}

fn write_system(request: &Request<'_>, out: &mut Writer) {
    let texts: Vec<_> = request
        .turns
        .iter()
        .filter(|turn| matches!(turn.role, Role::System | Role::Developer))
        .flat_map(|turn| &turn.blocks)
        .filter_map(|block| match &block.content {
            Content::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        })
        .collect();
    if texts.is_empty() {
        return;
    }
    out.key("systemInstruction").object(|out| {
        out.key("parts").array(|out| {
            for text in texts {
                out.object(|out| {
                    out.key("text").text(text);
                });
            }
        });
    });
}

/// What results of tools need to know of their calls, which the dialect tells apart by name and
/// order alone.
struct Calls<'r> {
    names: HashMap<&'r str, (usize, &'r str)>,
}

impl<'r> Calls<'r> {
    fn of(request: &'r Request<'_>) -> Self {
        let calls = request
            .turns
            .iter()
            .flat_map(|turn| &turn.blocks)
            .filter_map(|block| match &block.content {
                Content::ToolCall { id, name, .. } => Some((id.as_ref(), name.as_ref())),
                _ => None,
            });
        Self {
            names: calls
                .enumerate()
                .map(|(at, (id, name))| (id, (at, name)))
                .collect(),
        }
    }

    /// The place of a call among all, and its name.
    fn find(&self, block: &Block<'_>) -> Option<(usize, &'r str)> {
        match &block.content {
            Content::ToolResult { id, .. } => self.names.get(id.as_ref()).copied(),
            _ => None,
        }
    }
}

/// Writes what one side says in a row. Results of tools stand alone, in the order of their calls;
/// what they show follows.
fn write_group(
    group: &Group<'_, '_>,
    calls: &Calls<'_>,
    plan: &mut Plan<'_>,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let role = match group.role {
        Role::Assistant => "model",
        Role::User | Role::System | Role::Developer => "user",
    };
    let mut results = Vec::new();
    let mut others: Vec<&Block<'_>> = Vec::new();
    for &block in &group.blocks {
        let Content::ToolResult { content, .. } = &block.content else {
            others.push(block);
            continue;
        };
        let Some((at, name)) = calls.find(block) else {
            return Err(EncodeError::new(
                block.place,
                "is the result of a tool call that is not in the conversation",
            ));
        };
        results.push((at, name, block));
        others.extend(
            content
                .iter()
                .filter(|shown| !matches!(shown.content, Content::Text(_))),
        );
    }
    results.sort_by_key(|(at, ..)| *at);
    if !results.is_empty() {
        write_content(role, out, |out| {
            for (_, name, block) in &results {
                write_result(block, &plan.tool_names.fit(name), out);
            }
        });
    }
    if others.is_empty() {
        return Ok(());
    }
    // A newer model refuses earlier calls without proof that they are its own; the first of a
    // turn may carry this stand-in for it.
    let mut unproven = generation(plan.to.model).is_some_and(|version| version >= (3, 0));
    let mut fault = Ok(());
    write_content(role, out, |out| {
        for block in others {
            let is_call = matches!(block.content, Content::ToolCall { .. });
            let proves = is_call && std::mem::take(&mut unproven);
            if fault.is_ok() {
                fault = write_part(block, proves, plan, out);
            }
        }
    });
    fault
}

fn write_content(role: &str, out: &mut Writer, parts: impl FnOnce(&mut Writer)) {
    out.object(|out| {
        out.key("role").str(role);
        out.key("parts").array(parts);
    });
}

fn is_sendable(block: &Block<'_>) -> bool {
    match &block.content {
        Content::Text(text) | Content::Refusal(text) => !text.is_empty(),
        // Thoughts of other models mean nothing here.
        Content::Thinking { .. } | Content::Redacted(_) => false,
        Content::Image(_)
        | Content::Document { .. }
        | Content::Audio { .. }
        | Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Unknown { .. } => true,
    }
}

fn write_tools(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    if request.tools.is_empty() {
        return;
    }
    out.key("tools").array(|out| {
        out.object(|out| {
            out.key("functionDeclarations").array(|out| {
                for tool in &request.tools {
                    write_tool(tool, plan, out);
                }
            });
        });
    });
    let (mode, name) = match &request.tool_choice {
        None => return,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::Any) => ("ANY", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some(name)),
    };
    out.key("toolConfig").object(|out| {
        out.key("functionCallingConfig").object(|out| {
            out.key("mode").str(mode);
            if let Some(name) = name {
                let name = plan.tool_names.fit(name);
                out.key("allowedFunctionNames").array(|out| {
                    out.str(&name);
                });
            }
        });
    });
}

fn write_tool(tool: &Tool<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("name").str(&plan.tool_names.fit(&tool.name));
        if let Some(description) = &tool.description {
            out.key("description").text(description);
        }
        if let Some(schema) = &tool.schema {
            out.key("parametersJsonSchema").verbatim(schema);
        }
    });
}
