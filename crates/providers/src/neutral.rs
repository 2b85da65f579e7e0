//! The form between dialects: a conversation as ordered content blocks.
//!
//! Each dialect reads into it and writes from it. Values that need no change stay slices of the
//! document they came from.

pub(crate) mod answer;
pub(crate) mod block;
pub(crate) mod citation;
pub(crate) mod event;
pub(crate) mod expect;
pub(crate) mod group;
pub(crate) mod logprobs;
pub(crate) mod request;
pub(crate) mod schema;
pub(crate) mod tool_names;

pub(crate) use answer::{Answer, Stop};
pub(crate) use block::{Block, Content, Input, Place, Source};
pub(crate) use citation::{Citation, Span, Unit};
pub(crate) use event::Event;
pub(crate) use logprobs::{AskedLogprobs, Logprobs};
pub(crate) use request::{
    Effort, Format, Reasoning, Request, Role, Tool, ToolChoice, Turn, Unsaid,
};
pub(crate) use tool_names::ToolNames;
