//! What the chore says: progress to standard error, results to standard output.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

/// Where the chore's words go.
#[derive(Debug)]
pub(crate) struct Terminal {
    is_interactive: bool,
}

impl Terminal {
    /// Finds out whether a person watches.
    pub(crate) fn new() -> Self {
        Self {
            is_interactive: stderr().is_terminal(),
        }
    }

    /// Says what is being done, over the last such line where a person watches.
    pub(crate) fn step(&self, text: &str) {
        let (start, end) = if self.is_interactive {
            ("\r\x1b[K", "")
        } else {
            ("", "\n")
        };
        let mut out = stderr().lock();
        // Nobody left to tell is no reason to stop.
        let _: std::io::Result<()> = write!(out, "{start}{text}{end}").and_then(|()| out.flush());
    }

    /// Says something that stays.
    pub(crate) fn note(&self, text: &str) {
        self.step(text);
        if self.is_interactive {
            let _: std::io::Result<()> = writeln!(stderr().lock());
        }
    }

    /// Prints a result.
    ///
    /// # Errors
    ///
    /// When the standard output is closed.
    pub(crate) fn print(&self, text: &str) -> std::io::Result<()> {
        if self.is_interactive {
            self.step("");
        }
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}
