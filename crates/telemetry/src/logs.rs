//! The process's log: one line an event on standard error, as text or as JSON.
//!
//! Lines go through a bounded queue to a thread of their own, so that a log that nobody reads (a full
//! pipe) never holds a request up. What does not fit is dropped and counted, and the count is told as
//! soon as there is room.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::TryInitError;

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

/// Keeps the log running; dropping it writes what is queued and ends the log's thread.
#[derive(Debug)]
pub struct LogGuard {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

/// Starts the process's log on standard error. Keep the guard until the process ends.
///
/// # Errors
///
/// [`LogError`] when the filter is not valid, a log was started before, or no thread can be had.
pub fn init(settings: LogSettings<'_>) -> Result<LogGuard, LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let (queue, guard) = start(io::stderr())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parse_filter(settings.filter)?)
        .with_ansi(settings.is_colored)
        .with_writer(queue);
    let started = match settings.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(LogError::Started)?;
    Ok(guard)
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

/// Lines that may wait to be written: at some 300 bytes each, a few megabytes at most.
const QUEUE_LINES: usize = 8192;

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    End,
}

/// Takes whole lines and never waits.
#[derive(Clone)]
struct Queue {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Write for Queue {
    /// Takes `line`, which the subscriber hands over in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.lines.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(sink: impl Write + Send + 'static) -> Result<(Queue, LogGuard), LogError> {
    let (lines, received) = sync_channel(QUEUE_LINES);
    let queue = Queue {
        lines,
        dropped: Arc::default(),
    };
    let dropped = Arc::clone(&queue.dropped);
    let thread = Builder::new()
        .name("log".into())
        .spawn(move || write_lines(&received, &dropped, sink))
        .map_err(LogError::Thread)?;
    Ok((
        queue.clone(),
        LogGuard {
            queue,
            thread: Some(thread),
        },
    ))
}

fn write_lines(received: &Receiver<Message>, dropped: &AtomicU64, mut sink: impl Write) {
    while let Ok(Message::Line(line)) = received.recv() {
        // A sink that is gone takes no line and no complaint about it either.
        sink.write_all(&line).ok();
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            writeln!(
                sink,
                "{lost} log lines were dropped: the log was not read fast enough"
            )
            .ok();
        }
    }
    sink.flush().ok();
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // A full queue means that nobody reads the log: waiting for room could take for ever.
        let ended = self.queue.lines.try_send(Message::End).is_ok();
        if let Some(thread) = self.thread.take()
            && ended
        {
            // The thread does not panic: every failure of the sink is ignored in it.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests;
