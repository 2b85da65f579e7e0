//! What the chores print, all of it on standard output: it is what they are run for.

use std::io::{self, Write as _};

/// Prints one line. A reader that is gone is no reason to stop.
pub(crate) fn line(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Prints each problem and answers whether there is none.
pub(crate) fn problems(problems: &[String]) -> bool {
    for problem in problems {
        line(&format!("problem: {problem}"));
    }
    match problems.len() {
        0 => line("no problems"),
        1 => line("1 problem"),
        count => line(&format!("{count} problems")),
    }
    problems.is_empty()
}
