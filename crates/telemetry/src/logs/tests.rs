use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::queue::{Queue, ROOM_BYTES};
use super::{LogError, parse_filter};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe that nobody reads until it is told to go on.
struct Stuck {
    reached: Sender<()>,
    go_on: Receiver<()>,
    lines: Lines,
    is_first: bool,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::take(&mut self.is_first) {
            self.reached.send(()).unwrap();
            self.go_on.recv().unwrap();
        }
        self.lines.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_end_writes_what_is_queued() {
    let lines = Lines::default();
    let queue = Queue::start(lines.clone()).unwrap();
    for index in 0..100 {
        queue.push(format!("{index}\n").as_bytes());
    }
    queue.end(LONG);
    let written: String = (0..100).map(|index| format!("{index}\n")).collect();
    assert_eq!(lines.text(), written);
}

#[test]
fn a_log_that_nobody_reads_drops_lines_and_tells_how_many() {
    let (reached, stuck) = channel();
    let (release, go_on) = channel();
    let lines = Lines::default();
    let sink = Stuck {
        reached,
        go_on,
        lines: lines.clone(),
        is_first: true,
    };
    let queue = Queue::start(sink).unwrap();
    queue.push(b"first\n");
    stuck.recv().unwrap();
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    let room = ROOM_BYTES / line.len();
    for _ in 0..room + 3 {
        queue.push(&line);
    }
    // Nobody reads: the end waits no longer than it is told.
    queue.end(Duration::ZERO);
    release.send(()).unwrap();
    queue.end(LONG);
    let text = lines.text();
    assert_eq!(text.lines().filter(|line| line.len() == 1023).count(), room);
    assert!(text.ends_with("\n3 log lines were dropped: the log was not read fast enough\n"));
}

#[test]
fn a_thread_that_sleeps_between_lines_writes_each() {
    let lines = Lines::default();
    let (wrote, written) = channel();
    let queue = Queue::start(Telling {
        lines: lines.clone(),
        wrote,
    })
    .unwrap();
    for index in 0..3 {
        queue.push(format!("{index}\n").as_bytes());
        written.recv().unwrap();
    }
    assert_eq!(lines.text(), "0\n1\n2\n");
}

/// Says when something was written.
struct Telling {
    lines: Lines,
    wrote: Sender<()>,
}

impl Write for Telling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.lines.write(bytes)?;
        if written > 0 {
            self.wrote.send(()).ok();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn an_empty_filter_means_info_and_a_wrong_one_is_refused() {
    assert_eq!(parse_filter(" ").unwrap().to_string(), "info");
    assert_eq!(
        parse_filter("warn,x=debug").unwrap().to_string(),
        "x=debug,warn"
    );
    assert!(matches!(
        parse_filter("x=loud"),
        Err(LogError::Filter { .. })
    ));
}
