//! Requests.

mod settings;
mod write;
mod write_content;
mod write_tools;

pub(crate) use write::write_request;
