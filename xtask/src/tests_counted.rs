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
///
/// Where nextest closes, its line alone counts: it prints the runner's own lines of tests that failed.
pub(crate) fn count(lines: &[String]) -> Counted {
    let is_nextest = |line: &&str| line.starts_with("Summary [");
    let closings: Vec<&str> = lines.iter().map(|line| line.trim_start()).collect();
    let closings: Vec<&str> = if closings.iter().any(is_nextest) {
        closings.into_iter().filter(is_nextest).collect()
    } else {
        closings
            .into_iter()
            .filter(|line| is_closing(line))
            .collect()
    };
    let mut sum = Counted::default();
    for closing in closings {
        let number = |word| number_before(closing, word).unwrap_or(0);
        sum += Counted {
            passed: number("passed"),
            failed: number("failed") + number("timed"),
        };
    }
    sum
}

fn is_closing(line: &str) -> bool {
    line.starts_with("test result:")
        || line.ends_with(" failed") && line.starts_with(|first: char| first.is_ascii_digit())
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
    fn what_nextest_repeats_of_failed_tests_does_not_count_twice() {
        let lines = [
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored",
            "     Summary [   3.2s] 70 tests run: 69 passed, 1 failed, 0 skipped",
        ];
        let counted = count(&lines.map(str::to_owned));
        assert_eq!(
            counted,
            Counted {
                passed: 69,
                failed: 1
            }
        );
    }

    #[test]
    fn other_lines_do_not_count() {
        check("test a_request_failed ... ok", 0, 0);
        check("3 crates passed, and nothing else", 0, 0);
    }
}
