//! Runs a command, shows how it goes, keeps what it printed, and leaves nothing of it running.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, Write as _, stderr};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) lines: Vec<String>,
    pub(crate) status: ExitStatus,
}

/// What is shown of a command on a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Show {
    /// The last line, and all of them only if it fails.
    Last,
    /// Each line, above the one that says how far it has come.
    Each,
}

/// Runs `command` to its end, at most for `limit`.
///
/// On a terminal a spinner shows what `show` says, and becomes a bar while lines begin with
/// `[3/20]`; elsewhere every line is passed on as it comes. All lines go to `log` too.
pub(crate) fn run(
    mut command: Command,
    log: &Path,
    limit: Duration,
    show: Show,
) -> Result<Finished> {
    let shown = Shown::start(show);
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !shown.is_terminal() {
        // A group of its own, so that whatever the command leaves behind can be found and ended. On a
        // terminal it stays in ours, so that Ctrl-C ends it.
        command.process_group(0);
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("{name} did not start"))?;
    let group = (!shown.is_terminal()).then(|| child.id());
    let read = read_lines(&mut child, log, limit, &shown);
    if read.is_err() {
        child.kill().ok();
    }
    let status = child.wait().with_context(|| format!("{name} was lost"))?;
    let left = group.map_or(0, end_group);
    let lines = read.inspect_err(|_error| shown.failed(&[]))?;
    shown.end();
    if !status.success() {
        shown.failed(&lines);
    }
    if left > 0 {
        bail!("{name} left {left} processes running; they were ended");
    }
    Ok(Finished { lines, status })
}

fn read_lines(
    child: &mut Child,
    log: &Path,
    limit: Duration,
    shown: &Shown,
) -> Result<Vec<String>> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let (sender, received) = channel();
    if let Some(stdout) = child.stdout.take() {
        send_lines(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        send_lines(stderr, sender.clone());
    }
    drop(sender);
    let deadline = now() + limit;
    let mut lines = Vec::new();
    loop {
        match received.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(line) => {
                writeln!(log, "{line}").context("cannot write the log")?;
                shown.line(&line);
                lines.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(lines),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the command took longer than {} s", limit.as_secs());
            }
        }
    }
}

/// Sends each line until the stream ends. The thread ends with the stream, which ends with the child.
fn send_lines(stream: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|count| count > 0)
        {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if to.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// Ends every process that is left in `group` and answers how many there were.
fn end_group(group: u32) -> usize {
    let left = members_of(group);
    if left > 0 {
        let all = format!("-{group}");
        Command::new("kill")
            .args(["-KILL", "--", &all])
            .status()
            .ok();
    }
    left
}

/// The processes of a group, zombies left out; none where there is no `/proc`.
fn members_of(group: u32) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else {
        return 0;
    };
    let is_member = |stat: String| {
        // After the name in brackets: the state, the parent, the group.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next();
        state != Some("Z") && fields.nth(1) == Some(&group.to_string())
    };
    let stats = entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| is_member(stat.clone())).count()
}

/// How a running command is shown.
struct Shown {
    spinner: Option<ProgressBar>,
    show: Show,
}

impl Shown {
    fn start(show: Show) -> Self {
        let spinner = stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed:>4} {wide_msg}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Self { spinner, show }
    }

    fn is_terminal(&self) -> bool {
        self.spinner.is_some()
    }

    fn line(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => {
                if let Some((done, all)) = progress(line) {
                    if spinner.length() != Some(all)
                        && let Ok(style) = ProgressStyle::with_template(BAR)
                    {
                        spinner.set_style(style);
                        spinner.set_length(all);
                    }
                    spinner.set_position(done);
                }
                if self.show == Show::Each {
                    spinner.println(line);
                }
                spinner.set_message(line.to_owned());
            }
            None => report::line(line),
        }
    }

    fn end(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }

    /// Shows what a terminal has not shown yet.
    fn failed(&self, lines: &[String]) {
        self.end();
        if self.is_terminal() && self.show == Show::Last {
            for line in lines {
                report::line(line);
            }
        }
    }
}

const BAR: &str = "  {bar:24} {pos}/{len} {elapsed:>4} {wide_msg}";

/// How far a command has come, when the line begins with it: `[3/20]`.
fn progress(line: &str) -> Option<(u64, u64)> {
    let (counts, _) = line.strip_prefix('[')?.split_once(']')?;
    let (done, all) = counts.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

/// The time, for durations that people read.
#[expect(
    clippy::disallowed_methods,
    reason = "a chore runs in real time and has no paused clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Show, progress, run};

    fn shell(name: &str, script: &str, limit: Duration) -> anyhow::Result<super::Finished> {
        let log = std::env::temp_dir().join(format!("xtask-{}-{name}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let finished = run(command, &log, limit, Show::Last);
        std::fs::remove_file(log).ok();
        finished
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn both_streams_are_kept_and_the_status_is_told() {
        let finished = shell("both", "echo one; echo two >&2; exit 3", LONG).unwrap();
        let mut lines = finished.lines.clone();
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(finished.status.code(), Some(3));
    }

    #[test]
    fn a_line_may_begin_with_how_far_it_has_come() {
        assert_eq!(progress("[3/20] ok    plain"), Some((3, 20)));
        for line in ["3/20", "[3/20", "[a/20] x", "[] x", ""] {
            assert_eq!(progress(line), None, "{line}");
        }
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let error = shell("long", "sleep 30", Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
    }

    #[test]
    fn a_process_left_behind_is_ended_and_told() {
        let error = shell("left", "sleep 30 >/dev/null 2>&1 & true", LONG).unwrap_err();
        assert!(error.to_string().contains("left 1 processes"), "{error}");
    }
}
