//! Requests.

mod read;
mod schema;
mod settings;
mod write;
mod write_content;

pub(crate) use read::read_request;
pub(crate) use settings::Settings;
pub(crate) use write::write_request;
pub(crate) use write_content::JSON_ONLY;
