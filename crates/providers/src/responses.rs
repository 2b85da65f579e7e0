//! OpenAI's responses.

pub(crate) mod error;
mod item;
mod request;
mod response;
mod stream;
mod usage;

pub(crate) use request::{read_request, write_request};
pub(crate) use response::{read_answer, write_answer};
pub(crate) use stream::{Reader, Writer};
pub(crate) use usage::{read_usage, write_usage};
