//! Streams of events.

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;
