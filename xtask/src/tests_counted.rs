//! Reads from what test runners print how many tests passed and failed.

use std::ops::AddAssign;

/// Tests that ran.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counted {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Adds up the closing lines of cargo's own runner, of nextest and of the Python clients' checks.
pub(crate) fn count(lines: &[String]) -> Counted {
    let mut sum = Counted::default();
    for line in lines {
        let closing = line.trim_start();
        let is_closing = closing.starts_with("test result:")
            || closing.starts_with("Summary [")
            || closing.ends_with(" failed")
                && closing.starts_with(|first: char| first.is_ascii_digit());
        if is_closing {
            let number = |word| number_before(closing, word).unwrap_or(0);
            sum += Counted {
                passed: number("passed"),
                failed: number("failed") + number("timed"),
            };
        }
    }
    sum
}

fn number_before(line: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).find_map(|pair| match pair {
        [number, next] if next.trim_end_matches([';', ',']) == word => number.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Counted, count};

    #[track_caller]
    fn check(line: &str, passed: u64, failed: u64) {
        assert_eq!(
            count(&[line.to_owned()]),
            Counted { passed, failed },
            "{line}"
        );
    }

    #[test]
    fn closing_lines_of_every_runner_count() {
        check(
            "test result: ok. 13 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            13,
            0,
        );
        check(
            "     Summary [   3.2s] 70 tests run: 68 passed (1 slow), 2 failed, 1 skipped",
            68,
            2,
        );
        check(
            "  Summary [ 90.0s] 5 tests run: 3 passed, 1 failed, 1 timed out, 0 skipped",
            3,
            2,
        );
        check("12 passed, 1 failed", 12, 1);
    }

    #[test]
    fn other_lines_do_not_count() {
        check("test a_request_failed ... ok", 0, 0);
        check("3 crates passed, and nothing else", 0, 0);
    }
}
