//! A request as a conversation and what is asked of the model.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::exchange::Dropped;
use crate::json::Text;
use crate::neutral::{AskedLogprobs, Block};

/// A request, whichever dialect it came in.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) turns: Vec<Turn<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    pub(crate) parallel_tools: Option<bool>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) temperature: Option<&'a RawValue>,
    pub(crate) top_p: Option<&'a RawValue>,
    pub(crate) top_k: Option<&'a RawValue>,
    pub(crate) stop: Vec<Text<'a>>,
    pub(crate) format: Option<Format<'a>>,
    pub(crate) logprobs: AskedLogprobs,
    pub(crate) reasoning: Option<Reasoning>,
    /// Whether the caller asks in so many words to be told what is thought.
    pub(crate) wants_thoughts: bool,
    pub(crate) user: Option<Text<'a>>,
    pub(crate) service_tier: Option<Cow<'a, str>>,
    pub(crate) stream: bool,
    /// Fields that only OpenAI's dialect has, by their names there.
    pub(crate) openai_only: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Names of fields that no other dialect has.
    pub(crate) unknown: Vec<String>,
}

/// What a request may say and a dialect may have no words for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unsaid {
    /// The fields that only OpenAI's dialect has.
    OpenAiOnly,
    Logprobs,
    OneToolAtATime,
    ServiceTier,
    Stop,
    TopK,
    User,
}

impl Request<'_> {
    /// Lists what is left out: the fields that no other dialect has, and those of `unsaid` that the
    /// request gives.
    pub(crate) fn note_unsaid(&self, unsaid: &[Unsaid], dropped: &mut Dropped) {
        for name in &self.unknown {
            dropped.note(name);
        }
        let blocks = self.turns.iter().flat_map(|turn| &turn.blocks);
        for name in blocks.filter_map(|block| block.unsaid) {
            dropped.note(name);
        }
        for unsaid in unsaid {
            let (is_given, name) = match unsaid {
                Unsaid::OpenAiOnly => {
                    for (name, _) in &self.openai_only {
                        dropped.note(name);
                    }
                    continue;
                }
                Unsaid::Logprobs => {
                    self.logprobs.note(dropped);
                    continue;
                }
                Unsaid::OneToolAtATime => {
                    (self.parallel_tools == Some(false), "parallel_tool_calls")
                }
                Unsaid::ServiceTier => (self.service_tier.is_some(), "service_tier"),
                Unsaid::Stop => (!self.stop.is_empty(), "stop"),
                Unsaid::TopK => (self.top_k.is_some(), "top_k"),
                Unsaid::User => (self.user.is_some(), "user"),
            };
            if is_given {
                dropped.note(name);
            }
        }
    }
}

/// One message.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) blocks: Vec<Block<'a>>,
}

/// Who speaks. Results of tools are the user's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// A function the model may call.
#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) description: Option<Text<'a>>,
    /// JSON Schema, as text.
    pub(crate) schema: Option<Cow<'a, str>>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Option<&'a RawValue>,
}

/// Which tool the model is to call.
#[derive(Debug)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    Any,
    None,
    Named(Cow<'a, str>),
}

/// Which form the answer's text is to have.
#[derive(Debug)]
pub(crate) enum Format<'a> {
    Object,
    Schema {
        name: Option<Cow<'a, str>>,
        description: Option<Text<'a>>,
        /// JSON Schema, as text.
        schema: Cow<'a, str>,
        strict: Option<bool>,
    },
}

/// How much the model is to think.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reasoning {
    Off,
    Effort(Effort),
    BudgetTokens(u64),
}

/// How hard the model is to think, in OpenAI's steps.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::XHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The budget of thinking tokens that comes closest.
    pub(crate) const fn budget_tokens(self) -> u64 {
        match self {
            Self::Minimal | Self::Low => 1_024,
            Self::Medium => 2_048,
            Self::High => 4_096,
            Self::XHigh => 8_192,
            Self::Max => 16_384,
        }
    }

    /// The effort that a budget of thinking tokens comes closest to.
    pub(crate) const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=1_535 => Self::Low,
            1_536..=3_071 => Self::Medium,
            _ => Self::High,
        }
    }
}
