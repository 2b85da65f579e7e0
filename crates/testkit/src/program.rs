//! One of the gateway's programs, run as a child process.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A running child process and what it printed. Dropping it kills the process.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    output: Output,
    _readers: JoinSet<()>,
}

/// Why a program is not as the test needs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It could not be started, stopped or waited for.
    #[error("{name} could not be run")]
    Run {
        /// The program.
        name: String,
        /// What running it met.
        source: io::Error,
    },
    /// It did not print what was waited for.
    #[error("{name} did not print {text:?} within {} s; it printed:\n{output}", within.as_secs())]
    Silent {
        /// The program.
        name: String,
        /// The text waited for.
        text: String,
        /// How long.
        within: Duration,
        /// What it printed in place of it.
        output: String,
    },
    /// It did not end in time.
    #[error("{name} did not end within {} s; it printed:\n{output}", within.as_secs())]
    Running {
        /// The program.
        name: String,
        /// How long it was given.
        within: Duration,
        /// What it printed.
        output: String,
    },
}

impl Program {
    /// Starts `command` with its standard output and standard error captured, line by line.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Run`] when it does not start.
    pub fn start(mut command: Command) -> Result<Self, ProgramError> {
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProgramError::Run {
                name: name.clone(),
                source,
            })?;
        let output = Output::new();
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(output.clone().read(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(output.clone().read(stderr));
        }
        Ok(Self {
            name,
            child,
            output,
            _readers: readers,
        })
    }

    /// Everything it printed so far, on either stream.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Its process id; `None` when it has ended and was waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has printed a line with `text` and returns the first such line.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Silent`] when it has not `within` the time, or its output ended before.
    pub async fn line_with(&self, text: &str, within: Duration) -> Result<String, ProgramError> {
        let found = timeout(within, self.output.line_with(text))
            .await
            .ok()
            .flatten();
        found.ok_or_else(|| ProgramError::Silent {
            name: self.name.clone(),
            text: text.to_owned(),
            within,
            output: self.output(),
        })
    }

    /// Kills it at once, as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Run`] when it cannot be killed.
    pub async fn kill(&mut self) -> Result<(), ProgramError> {
        let killed = self.child.kill().await;
        killed.map_err(|source| ProgramError::Run {
            name: self.name.clone(),
            source,
        })
    }

    /// Asks it to end, as a service manager does (SIGTERM), and waits for it.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Running`] when it has not ended `within` the time, [`ProgramError::Run`] when
    /// it cannot be asked.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus, ProgramError> {
        self.signal("TERM").await?;
        self.wait(within).await
    }

    /// Sends it a signal by its short name, such as `HUP`; nothing when it has ended.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Run`] when the signal cannot be sent.
    pub async fn signal(&self, name: &str) -> Result<(), ProgramError> {
        let Some(id) = self.child.id() else {
            return Ok(());
        };
        let asked = Command::new("kill")
            .args([&format!("-{name}"), &id.to_string()])
            .status()
            .await;
        asked.map(|_| ()).map_err(|source| ProgramError::Run {
            name: self.name.clone(),
            source,
        })
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus, ProgramError> {
        match timeout(within, self.child.wait()).await {
            Ok(ended) => ended.map_err(|source| ProgramError::Run {
                name: self.name.clone(),
                source,
            }),
            Err(_elapsed) => Err(ProgramError::Running {
                name: self.name.clone(),
                within,
                output: self.output(),
            }),
        }
    }
}

/// The lines that a program printed.
#[derive(Clone, Debug)]
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Output {
    fn new() -> Self {
        Self {
            lines: Arc::default(),
            changed: Arc::new(watch::Sender::new(())),
        }
    }

    async fn read(self, stream: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
            self.changed.send_modify(|()| {});
        }
    }

    async fn line_with(&self, text: &str) -> Option<String> {
        let mut changed = self.changed.subscribe();
        loop {
            let found = {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.iter().find(|line| line.contains(text)).cloned()
            };
            if found.is_some() {
                return found;
            }
            // The sender lives as long as `self`, so that this waits until a line comes.
            changed.changed().await.ok()?;
        }
    }

    fn text(&self) -> String {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }
}
