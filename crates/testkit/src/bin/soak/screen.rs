//! What a person sees of a run.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressStyle};

/// Prints one line. A reader that is gone is no reason to stop.
pub(crate) fn line(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Prints a count and what it is of.
pub(crate) fn count(number: impl std::fmt::Display, what: &str) {
    line(&format!("{number:>10}  {what}"));
}

/// A bar over so many steps; hidden where nobody looks.
pub(crate) fn bar(steps: u64, of: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    let template = "  {bar:40} {pos}/{len} {prefix} {elapsed}, {eta} to go {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_prefix(of)
}
