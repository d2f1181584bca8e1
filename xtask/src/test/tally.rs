//! Adding up what test programs say at their ends.

use std::fmt::{self, Display, Formatter};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// By the exit status: a program that crashed counted nothing.
    pub(crate) succeeded: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self { passed: 0, failed: 0, succeeded: true }
    }
}

impl Tally {
    /// Takes a line such as `test result: ok. 5 passed; 0 failed; 0 ignored; ...`; any other counts for nothing.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.split_once("test result: ").and_then(|(_, result)| result.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or_default(),
                Some((number, "failed")) => self.failed += number.parse::<u64>().unwrap_or_default(),
                _ => {}
            }
        }
    }

    pub(crate) fn plus(self, other: &Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            succeeded: self.succeeded && other.succeeded,
        }
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_several_programs_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 6 tests",
            "test a::passed ... ok",
            "test result: ok. 6 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.00s",
        ] {
            tally.add(line);
        }
        assert_eq!((tally.passed, tally.failed), (7, 2));
    }

    #[test]
    fn one_failed_program_fails_the_sum() {
        let failed = Tally { succeeded: false, ..Tally::default() };
        assert!(!Tally::default().plus(&failed).plus(&Tally::default()).succeeded);
    }
}
