use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::{LogError, Message, QUEUE_LINES, parse_filter, start};

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
fn dropping_the_guard_writes_what_is_queued() {
    let lines = Lines::default();
    let (mut queue, guard) = start(lines.clone()).unwrap();
    for index in 0..100 {
        writeln!(queue, "{index}").unwrap();
    }
    drop(guard);
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
    let (mut queue, guard) = start(sink).unwrap();
    queue.write_all(b"first\n").unwrap();
    stuck.recv().unwrap();
    for _ in 0..QUEUE_LINES + 3 {
        queue.write_all(b"more\n").unwrap();
    }
    release.send(()).unwrap();
    // Waits for room, as the guard does not when it is dropped.
    queue.lines.send(Message::End).unwrap();
    drop(queue);
    let LogGuardParts { thread } = guard.into();
    thread.join().unwrap();
    let text = lines.text();
    assert_eq!(
        text.lines().filter(|line| *line == "more").count(),
        QUEUE_LINES
    );
    assert!(
        text.contains("3 log lines were dropped"),
        "{}",
        text.replace("more\n", "")
    );
}

struct LogGuardParts {
    thread: std::thread::JoinHandle<()>,
}

impl From<super::LogGuard> for LogGuardParts {
    fn from(mut guard: super::LogGuard) -> Self {
        Self {
            thread: guard.thread.take().unwrap(),
        }
    }
}

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
