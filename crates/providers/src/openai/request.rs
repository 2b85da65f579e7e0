//! Requests.

mod read;
mod read_message;
pub(crate) mod shared;
mod write;
mod write_message;

pub(crate) use read::read_request;
pub(crate) use write::{write_request, write_tool};
pub(crate) use write_message::write_turn;
