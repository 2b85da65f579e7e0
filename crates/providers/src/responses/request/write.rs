//! Into the Responses API.

use super::read::INCLUDED_LOGPROBS;
use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::{
    Block, Content, Effort, Format, Reasoning, Request, Role, Source, Tool, ToolChoice, Turn,
    Unsaid,
};
use crate::openai::is_reasoning_model;
use crate::openai::shared::{write_function, write_schema};

/// Writes the body of a call that creates a response, which the provider is not to keep.
pub(crate) fn write_request(
    request: &Request<'_>,
    plan: &mut Plan<'_>,
) -> Result<String, EncodeError> {
    let unsaid = [
        Unsaid::OpenAiOnly,
        Unsaid::Stop,
        Unsaid::TopK,
        Unsaid::ServiceTier,
    ];
    request.note_unsaid(&unsaid, plan.dropped);
    let mut out = Writer::with_capacity(1024);
    let mut fault = Ok(());
    out.object(|out| {
        out.key("model").str(plan.to.model);
        out.key("input").array(|out| {
            for turn in &request.turns {
                if fault.is_ok() {
                    fault = write_turn(turn, plan, out);
                }
            }
        });
        out.key("store").bool(false);
        write_settings(request, plan, out);
        write_tools(request, plan, out);
        if request.stream {
            out.key("stream").bool(true);
        }
    });
    fault.map(|()| out.into_string())
}

fn write_settings(request: &Request<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    if let Some(max_tokens) = request.max_tokens {
        out.key("max_output_tokens").number(max_tokens);
    }
    let reasons = is_reasoning_model(plan.to.model);
    for (name, value) in [
        ("temperature", request.temperature),
        ("top_p", request.top_p),
    ] {
        match value {
            Some(value) if !reasons => {
                out.key(name).raw(value);
            }
            Some(_) => plan.dropped.note(name),
            None => {}
        }
    }
    let effort = match request.reasoning {
        None | Some(Reasoning::Off) => None,
        Some(Reasoning::Effort(effort)) => Some(effort),
        Some(Reasoning::BudgetTokens(tokens)) => Some(Effort::of_budget(tokens)),
    };
    let is_off = request.reasoning == Some(Reasoning::Off);
    // Told only to who asks for it: some accounts may not.
    let wants_thoughts = request.wants_thoughts && !is_off;
    if reasons && (effort.is_some() || wants_thoughts) {
        out.key("reasoning").object(|out| {
            if let Some(effort) = effort {
                out.key("effort").str(effort.min(Effort::High).as_str());
            }
            if wants_thoughts {
                out.key("summary").str("auto");
            }
        });
    } else if effort.is_some() {
        plan.dropped.note("reasoning_effort");
    }
    if request.logprobs.asked_by.is_some() {
        out.key("include").array(|out| {
            out.verbatim(INCLUDED_LOGPROBS);
        });
    }
    if let Some((_, count)) = request.logprobs.top {
        out.key("top_logprobs").number(count);
    }
    if let Some(user) = &request.user {
        out.key("user").text(user);
    }
    if let Some(format) = &request.format {
        out.key("text").object(|out| {
            write_format(format, out.key("format"));
        });
    }
}

fn write_format(format: &Format<'_>, out: &mut Writer) {
    out.object(|out| match format {
        Format::Object => {
            out.key("type").str("json_object");
        }
        Format::Schema { .. } => {
            out.key("type").str("json_schema");
            write_schema(format, out);
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
            out.key("tool_choice").str("required");
        }
        Some(ToolChoice::None) => {
            out.key("tool_choice").str("none");
        }
        Some(ToolChoice::Named(name)) => {
            out.key("tool_choice").object(|out| {
                out.key("type").str("function");
                out.key("name").str(&plan.tool_names.fit(name));
            });
        }
    }
    if let Some(parallel) = request.parallel_tools {
        out.key("parallel_tool_calls").bool(parallel);
    }
}

fn write_tool(tool: &Tool<'_>, plan: &mut Plan<'_>, out: &mut Writer) {
    out.object(|out| {
        out.key("type").str("function");
        write_function(tool, plan, out);
        // Left out, it would count as true here.
        out.key("strict").bool(tool.strict.unwrap_or(false));
    });
}

fn write_turn(turn: &Turn<'_>, plan: &mut Plan<'_>, out: &mut Writer) -> Result<(), EncodeError> {
    let role = match turn.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut spoken: Vec<&Block<'_>> = Vec::new();
    for block in &turn.blocks {
        match &block.content {
            Content::ToolCall { id, name, input } => {
                write_message(role, &std::mem::take(&mut spoken), out)?;
                out.object(|out| {
                    out.key("type").str("function_call");
                    out.key("call_id").str(id);
                    out.key("name").str(&plan.tool_names.fit(name));
                    out.key("arguments").text(&input.quoted());
                });
            }
            Content::ToolResult {
                id,
                content,
                is_error,
            } => {
                write_result(id, content, *is_error, out);
                spoken.extend(
                    content
                        .iter()
                        .filter(|block| !matches!(block.content, Content::Text(_))),
                );
            }
            Content::Thinking { .. } | Content::Redacted(_) => {}
            Content::Text(text) if text.is_empty() => {}
            _ => spoken.push(block),
        }
    }
    write_message(role, &spoken, out)
}

fn write_result(id: &str, content: &[Block<'_>], is_error: bool, out: &mut Writer) {
    let failed = is_error.then(|| Text::plain("The tool failed:"));
    let texts = content.iter().filter_map(|block| match &block.content {
        Content::Text(text) => Some(text),
        _ => None,
    });
    let text = Text::join(failed.iter().chain(texts), "\\n");
    out.object(|out| {
        out.key("type").str("function_call_output");
        out.key("call_id").str(id);
        match text {
            Some(text) => out.key("output").text(&text),
            None => out.key("output").str(""),
        };
    });
}

fn write_message(role: &str, blocks: &[&Block<'_>], out: &mut Writer) -> Result<(), EncodeError> {
    if blocks.is_empty() {
        return Ok(());
    }
    let text_kind = match role {
        "assistant" => "output_text",
        _ => "input_text",
    };
    let mut fault = Ok(());
    out.object(|out| {
        out.key("type").str("message");
        out.key("role").str(role);
        out.key("content").array(|out| {
            for block in blocks {
                if fault.is_ok() {
                    fault = write_part(block, text_kind, out);
                }
            }
        });
    });
    fault
}

fn write_part(block: &Block<'_>, text_kind: &str, out: &mut Writer) -> Result<(), EncodeError> {
    let refuse = |message: String| Err(EncodeError::new(block.place, message));
    match &block.content {
        Content::Text(text)
        | Content::Refusal(text)
        | Content::Document {
            source: Source::PlainText(text),
            ..
        } => {
            out.object(|out| {
                out.key("type").str(text_kind);
                out.key("text").text(text);
            });
        }
        Content::Image(source) => {
            let Some(url) = url(source) else {
                return refuse("a file that another provider keeps can't be read by the model that serves this: send its data".to_owned());
            };
            out.object(|out| {
                out.key("type").str("input_image");
                out.key("image_url").text(&url);
            });
        }
        Content::Document { source, name } => {
            let Some(url) = url(source) else {
                return refuse("a file that another provider keeps can't be read by the model that serves this: send its data".to_owned());
            };
            let field = match source {
                Source::Url(_) => "file_url",
                _ => "file_data",
            };
            out.object(|out| {
                out.key("type").str("input_file");
                if let Some(name) = name {
                    out.key("filename").text(name);
                }
                out.key(field).text(&url);
            });
        }
        Content::Unknown { kind } => {
            return refuse(format!(
                "the model that serves this does not take content of type \"{kind}\""
            ));
        }
        Content::Audio { .. } => {
            return refuse("the model that serves this does not take sound".to_owned());
        }
        Content::ToolCall { .. }
        | Content::ToolResult { .. }
        | Content::Thinking { .. }
        | Content::Redacted(_) => {}
    }
    Ok(())
}

fn url<'s>(source: &'s Source<'_>) -> Option<Text<'s>> {
    match source {
        Source::Base64 { media_type, data } => {
            Some(Text::plain(&format!("data:{media_type};base64,{data}")))
        }
        Source::Url(url) => Some(url.clone()),
        Source::PlainText(_) | Source::File => None,
    }
}
