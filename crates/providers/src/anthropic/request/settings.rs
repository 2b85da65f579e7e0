//! How the model is to answer, as the model at hand takes it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::schema::bound;
use crate::anthropic::abilities::{Abilities, Sampling, Thinking};
use crate::exchange::{EncodeError, Plan};
use crate::json::{Text, Writer};
use crate::neutral::{Content, Effort, Format, Reasoning, Request, Role, ToolChoice};

/// The settings to send.
#[derive(Debug)]
pub(crate) struct Settings<'r> {
    pub(crate) max_tokens: u64,
    pub(crate) temperature: Option<&'r str>,
    pub(crate) top_p: Option<&'r RawValue>,
    pub(crate) top_k: Option<&'r RawValue>,
    pub(crate) stop: &'r [Text<'r>],
    pub(crate) thinking: Option<ThinkingSetting>,
    /// The schema of the answer.
    pub(crate) format: Option<Cow<'r, str>>,
    /// A form of the answer that this model can only be given as a tool.
    pub(crate) format_by_tool: Option<&'r Format<'r>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum ThinkingSetting {
    Budget(u64),
    Adaptive(&'static str),
}

/// The smallest budget of thinking tokens that is taken.
const MIN_BUDGET: u64 = 1_024;

impl<'r> Settings<'r> {
    pub(crate) fn of(
        request: &'r Request<'r>,
        abilities: Abilities,
        plan: &mut Plan<'_>,
    ) -> Result<Self, EncodeError> {
        let mut settings = Self {
            max_tokens: request
                .max_tokens
                .unwrap_or_else(|| plan.to.default_max_tokens.into()),
            temperature: request.temperature.map(clamped),
            top_p: request.top_p,
            top_k: request.top_k,
            stop: &request.stop,
            thinking: None,
            format: None,
            format_by_tool: None,
        };
        settings.take_format(request, abilities, plan)?;
        settings.take_thinking(request, abilities, plan);
        settings.settle_sampling(abilities, plan);
        Ok(settings)
    }

    fn take_format(
        &mut self,
        request: &'r Request<'r>,
        abilities: Abilities,
        plan: &mut Plan<'_>,
    ) -> Result<(), EncodeError> {
        let Some(format @ Format::Schema { schema, .. }) = &request.format else {
            return Ok(());
        };
        if abilities.structured_output {
            self.format = Some(bound(schema, plan.dropped));
        } else if request.tools.is_empty() {
            self.format_by_tool = Some(format);
        } else {
            return Err(EncodeError::new(
                "response_format",
                "can't be had together with tools from the model that serves this",
            ));
        }
        Ok(())
    }

    fn take_thinking(&mut self, request: &Request<'_>, abilities: Abilities, plan: &mut Plan<'_>) {
        let effort = match request.reasoning {
            None | Some(Reasoning::Off) => return,
            Some(Reasoning::Effort(effort)) => effort,
            Some(Reasoning::BudgetTokens(tokens)) => Effort::of_budget(tokens),
        };
        let is_forced = self.format_by_tool.is_some()
            || matches!(
                request.tool_choice,
                Some(ToolChoice::Any | ToolChoice::Named(_))
            );
        self.thinking = if is_forced || continues_unsigned(request) {
            None
        } else {
            match abilities.thinking {
                Thinking::None => None,
                Thinking::Adaptive { xhigh } => Some(ThinkingSetting::Adaptive(match effort {
                    Effort::Minimal => Effort::Low.as_str(),
                    Effort::XHigh if !xhigh => Effort::High.as_str(),
                    effort => effort.as_str(),
                })),
                Thinking::Budget if self.max_tokens <= MIN_BUDGET => None,
                Thinking::Budget => Some(ThinkingSetting::Budget(
                    effort.budget_tokens().min(self.max_tokens - 1),
                )),
            }
        };
        if self.thinking.is_none() {
            plan.dropped.note("reasoning_effort");
        }
    }

    /// Leaves out sampling that the model, or thinking, does not go with.
    fn settle_sampling(&mut self, abilities: Abilities, plan: &mut Plan<'_>) {
        let thinks = self.thinking.is_some();
        if abilities.sampling == Sampling::Refused || thinks {
            for (is_given, name) in [
                (self.temperature.take().is_some(), "temperature"),
                (self.top_p.take().is_some(), "top_p"),
                (self.top_k.take().is_some(), "top_k"),
            ] {
                if is_given {
                    plan.dropped.note(name);
                }
            }
        }
        if abilities.sampling == Sampling::OneOf
            && self.temperature.is_some()
            && self.top_p.is_some()
        {
            self.top_p = None;
            plan.dropped.note("top_p");
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        if let Some(temperature) = self.temperature {
            out.key("temperature").verbatim(temperature);
        }
        if let Some(top_p) = self.top_p {
            out.key("top_p").raw(top_p);
        }
        if let Some(top_k) = self.top_k {
            out.key("top_k").raw(top_k);
        }
        if !self.stop.is_empty() {
            out.key("stop_sequences").array(|out| {
                for sequence in self.stop.iter().filter(|sequence| !sequence.is_blank()) {
                    out.text(sequence);
                }
            });
        }
        let effort = self.thinking.and_then(|thinking| thinking.write(out));
        if effort.is_none() && self.format.is_none() {
            return;
        }
        out.key("output_config").object(|out| {
            if let Some(effort) = effort {
                out.key("effort").str(effort);
            }
            if let Some(schema) = &self.format {
                out.key("format").object(|out| {
                    out.key("type").str("json_schema");
                    out.key("schema").verbatim(schema);
                });
            }
        });
    }
}

impl ThinkingSetting {
    /// Writes `thinking`, and returns the effort that goes elsewhere.
    pub(crate) fn write(self, out: &mut Writer) -> Option<&'static str> {
        let mut effort = None;
        out.key("thinking").object(|out| match self {
            Self::Budget(tokens) => {
                out.key("type").str("enabled");
                out.key("budget_tokens").number(tokens);
            }
            Self::Adaptive(name) => {
                out.key("type").str("adaptive");
                effort = Some(name);
            }
        });
        effort
    }
}

/// Anthropic's temperatures end at 1.
fn clamped(raw: &RawValue) -> &str {
    match raw.get().parse::<f64>() {
        Ok(temperature) if temperature > 1.0 => "1",
        _ => raw.get(),
    }
}

/// Tells whether the model is in the middle of calling tools and its earlier thinking is lost or
/// unsigned: it then refuses to think on.
fn continues_unsigned(request: &Request<'_>) -> bool {
    let mut turns = request.turns.iter().rev();
    let answers_tool = turns
        .by_ref()
        .take_while(|turn| turn.role == Role::User)
        .flat_map(|turn| &turn.blocks)
        .any(|block| matches!(block.content, Content::ToolResult { .. }));
    answers_tool
        && !request
            .turns
            .iter()
            .rev()
            .skip_while(|turn| turn.role != Role::Assistant)
            .take_while(|turn| turn.role == Role::Assistant)
            .flat_map(|turn| &turn.blocks)
            .any(|block| {
                matches!(
                    block.content,
                    Content::Thinking {
                        signature: Some(_),
                        ..
                    } | Content::Redacted(_)
                )
            })
}
