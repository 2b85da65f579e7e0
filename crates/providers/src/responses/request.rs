//! Requests.

mod read;
mod read_item;
mod write;

pub(crate) use read::read_request;
pub(crate) use write::write_request;
