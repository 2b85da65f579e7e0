//! What the program shows, on standard output; in colour on a terminal.

use std::error::Error;
use std::io::{self, IsTerminal as _, Stdout, Write as _, stdout};

use crate::tally::Tally;

/// Writes the story.
#[derive(Debug)]
pub(crate) struct Screen {
    out: Stdout,
    is_colored: bool,
    steps: usize,
}

/// One target as the health of its upstream tells it.
#[derive(Debug)]
pub(crate) struct TargetLine {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) reason: String,
}

#[derive(Clone, Copy)]
enum Color {
    Bold,
    Dim,
    Green,
    Red,
    Blue,
    Orange,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let out = stdout();
        let is_colored = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            out,
            is_colored,
            steps: 0,
        }
    }

    pub(crate) fn step(&mut self, title: &str) -> io::Result<()> {
        self.steps += 1;
        let title = self.paint(Color::Bold, &format!("{} {title}", self.steps));
        writeln!(self.out, "\n{title}")
    }

    pub(crate) fn fact(&mut self, name: &str, value: &str) -> io::Result<()> {
        writeln!(self.out, "  {name:<10} {value}")
    }

    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(Color::Dim, text);
        writeln!(self.out, "  {text}")
    }

    pub(crate) fn bars(&mut self, tally: &Tally) -> io::Result<()> {
        for (provider, color) in [("openai", Color::Blue), ("anthropic", Color::Orange)] {
            let count = tally.served_by(provider);
            let bar = self.paint(color, &"█".repeat(count));
            writeln!(self.out, "  {provider:<10} {bar} {count}")?;
        }
        let answered = format!("{} of {} answered", tally.answered(), tally.asked);
        let color = if tally.failed == 0 {
            Color::Green
        } else {
            Color::Red
        };
        let answered = self.paint(color, &answered);
        writeln!(self.out, "  {answered}")
    }

    pub(crate) fn health(&mut self, targets: &[TargetLine]) -> io::Result<()> {
        for target in targets {
            let color = if target.state.eq_ignore_ascii_case("healthy") {
                Color::Green
            } else {
                Color::Red
            };
            let state = self.paint(color, &target.state);
            let reason = if target.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", target.reason)
            };
            writeln!(self.out, "  {:<14} {state}{reason}", target.name)?;
        }
        Ok(())
    }

    pub(crate) fn begin(&mut self, title: &str) -> io::Result<()> {
        write!(self.out, "  {title}\n    ")?;
        self.out.flush()
    }

    /// Shows a piece of a stream as it comes.
    pub(crate) fn piece(&mut self, text: &str) -> io::Result<()> {
        let text = text.replace('\n', " ");
        write!(self.out, "{text}")?;
        self.out.flush()
    }

    pub(crate) fn end_pieces(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Shows an error and what caused it. When even that fails there is nothing left to do.
    pub(crate) fn failure(&mut self, error: &(dyn Error + 'static)) {
        let mut text = format!("error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let text = self.paint(Color::Red, &text);
        writeln!(self.out, "\n{text}").ok();
    }

    fn paint(&self, color: Color, text: &str) -> String {
        if !self.is_colored {
            return text.to_owned();
        }
        let code = match color {
            Color::Bold => "1",
            Color::Dim => "2",
            Color::Green => "32",
            Color::Red => "31",
            Color::Blue => "34",
            Color::Orange => "38;5;208",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
