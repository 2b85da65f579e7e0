//! Lines on their way to the log: gathered in one buffer, written by a thread of their own.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Takes whole lines and never waits for the log to be read.
///
/// A clone is the same queue.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    buffer: Mutex<Buffer>,
    /// Told when the first line comes, when half the room is taken, and when the queue ends.
    came: Condvar,
    /// Told when the thread has written all and ends.
    gone: Condvar,
}

#[derive(Default)]
struct Buffer {
    text: Vec<u8>,
    dropped: u64,
    is_ended: bool,
    is_written: bool,
}

impl Queue {
    /// A queue, and the thread that writes to `sink` what comes.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            buffer: Mutex::default(),
            came: Condvar::new(),
            gone: Condvar::new(),
        }));
        let own = queue.clone();
        Builder::new().name("log".into()).spawn(move || {
            own.write_to(sink);
        })?;
        Ok(queue)
    }

    /// Takes `line`, its end included, or drops it and counts that when there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut buffer = self.lock();
        let before = buffer.text.len();
        let after = before + line.len();
        if after > ROOM_BYTES {
            buffer.dropped += 1;
            return;
        }
        buffer.text.extend_from_slice(line);
        drop(buffer);
        if before == 0 || (before < HURRY_BYTES && after >= HURRY_BYTES) {
            self.0.came.notify_one();
        }
    }

    /// Ends the thread once it has written what is queued; waits at most `patience` for that.
    pub(super) fn end(&self, patience: Duration) {
        let mut buffer = self.lock();
        buffer.is_ended = true;
        self.0.came.notify_one();
        // Past the patience, nobody reads the log; what is queued is lost then.
        self.0
            .gone
            .wait_timeout_while(buffer, patience, |buffer| !buffer.is_written)
            .ok();
    }

    fn write_to(&self, mut sink: impl Write) {
        let mut lines = Vec::new();
        loop {
            lines.clear();
            lines.shrink_to(KEPT_BYTES);
            let (dropped, is_last) = self.take(&mut lines);
            // A sink that is gone takes no line and no complaint about it either.
            sink.write_all(&lines).ok();
            if dropped > 0 {
                writeln!(
                    sink,
                    "{dropped} log lines were dropped: the log was not read fast enough"
                )
                .ok();
            }
            if is_last {
                break;
            }
        }
        sink.flush().ok();
        self.lock().is_written = true;
        self.0.gone.notify_all();
    }

    /// Waits for lines, gathers those that follow shortly, and swaps them for the empty `lines`.
    /// Answers how many were dropped since the last time, and whether no more will come.
    fn take(&self, lines: &mut Vec<u8>) -> (u64, bool) {
        let buffer = self.lock();
        let buffer = self
            .0
            .came
            .wait_while(buffer, |buffer| buffer.text.is_empty() && !buffer.is_ended)
            .unwrap_or_else(PoisonError::into_inner);
        let waits = |buffer: &mut Buffer| buffer.text.len() < HURRY_BYTES && !buffer.is_ended;
        let (mut buffer, _) = self
            .0
            .came
            .wait_timeout_while(buffer, GATHER, waits)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut buffer.text, lines);
        (std::mem::take(&mut buffer.dropped), buffer.is_ended)
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("dropped", &self.lock().dropped)
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
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What may wait to be written; at some 500 bytes a line, eight thousand of them.
pub(super) const ROOM_BYTES: usize = 4 * 1024 * 1024;
/// With this much waiting, the thread gathers no more.
const HURRY_BYTES: usize = 256 * 1024;
/// Room that is kept when a burst is over.
const KEPT_BYTES: usize = 64 * 1024;
/// How long the first line waits for others: one wake-up and one write for all of them, where one
/// of each for every line cost more than a request's own work. Short enough for who watches the log.
const GATHER: Duration = Duration::from_millis(20);
