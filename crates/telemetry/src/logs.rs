//! The process's log: one line an event on standard error, as text or as JSON.
//!
//! Lines go through a bounded buffer to a thread of their own, which writes them 20 ms after the
//! first of them at the latest, so that a log that nobody reads (a full pipe) never holds a request up.
//! What does not fit is dropped and counted, and the count is told as soon as there is room.
//! Diagnostics come through `tracing`; the access log has a writer of its own in the same form.

pub(crate) mod access;
mod line;
mod queue;

use std::io;
use std::time::Duration;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::util::TryInitError;

use self::queue::Queue;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people: aligned text, in colour where asked for.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How the log is started.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings<'a> {
    /// How a line is written.
    pub format: LogFormat,
    /// Which events are written, in the directives that `RUST_LOG` knows: `info`, or
    /// `warn,ai_gateway_proxy=debug`. Empty means `info`.
    pub filter: &'a str,
    /// Whether text is in colour.
    pub is_colored: bool,
}

/// Why the log did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter does not read as directives.
    #[error("the log filter {filter:?} is not valid")]
    Filter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process has a log already.
    #[error("the log was started before")]
    Started(#[source] TryInitError),
    /// The thread that writes could not be started.
    #[error("the log's thread could not be started")]
    Thread(#[source] io::Error),
}

/// Keeps the log running; dropping it writes what is queued and ends the log's thread, but waits no
/// longer than two seconds for that.
#[derive(Debug)]
pub struct LogGuard {
    queue: Queue,
}

/// Starts the process's log on standard error. Keep the guard until the process ends.
///
/// # Errors
///
/// [`LogError`] when the filter is not valid, a log was started before, or no thread can be had.
pub fn init(settings: LogSettings<'_>) -> Result<LogGuard, LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let filter = parse_filter(settings.filter)?;
    let queue = Queue::start(io::stderr()).map_err(LogError::Thread)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(settings.is_colored)
        .with_writer(queue.clone());
    let started = match settings.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(LogError::Started)?;
    access::write_to(queue.clone(), settings.format);
    Ok(LogGuard { queue })
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let directives = if filter.trim().is_empty() {
        "info"
    } else {
        filter
    };
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| LogError::Filter {
            filter: filter.to_owned(),
            source,
        })
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.end(PATIENCE);
    }
}

/// How long the end waits for a log that is not being read.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
