//! How dtraf ends: an exit status, and at most one error, told once.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::accounting::statement::period::PeriodError;
use crate::config::ConfigError;
use crate::quota::OverQuota;
use crate::view::neutral::neutral;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const OVER_QUOTA: u8 = 3;

/// Ends the program: 0 when all is done; otherwise the error goes to stderr.
pub(crate) fn with(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // Nobody is left to tell when stderr is gone too.
    drop(io::stderr().lock().write_all(told(&error).as_bytes()));
    let is_usage = error.is::<ConfigError>() || error.is::<PeriodError>();
    let status = if is_usage {
        USAGE
    } else if error.is::<OverQuota>() {
        OVER_QUOTA
    } else {
        FAILED
    };
    ExitCode::from(status)
}

/// `dtraf: attempt: subject: cause`. A cause that the error before it spells out
/// already is not repeated.
fn told(error: &anyhow::Error) -> String {
    let mut line = String::from("dtraf");
    let mut last = String::new();
    for cause in error.chain() {
        let cause = neutral(&cause.to_string()).into_owned();
        if !last.ends_with(&cause) {
            line += ": ";
            line += &cause;
        }
        last = cause;
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "permission denied")
    }

    #[test]
    fn the_whole_chain_is_told_once() {
        let error = anyhow::Error::from(refused()).context("/sys/fs/bpf/dtraf").context("pin map TOTALS");
        assert_eq!(told(&error), "dtraf: pin map TOTALS: /sys/fs/bpf/dtraf: permission denied\n");
    }

    #[test]
    fn a_cause_that_was_spelled_out_is_not_repeated() {
        let error = anyhow::Error::from(refused()).context("open the map: permission denied");
        assert_eq!(told(&error), "dtraf: open the map: permission denied\n");
    }

    #[test]
    fn names_in_errors_are_harmless() {
        let error = anyhow::anyhow!("no such container: \u{1b}[2J");
        assert_eq!(told(&error), "dtraf: no such container: \\u{1b}[2J\n");
    }

    #[test]
    fn contradicting_options_are_a_matter_of_usage() {
        let error = ConfigError::QuotaBeyondEntries { quota: 2, entries: 1 };
        assert_eq!(format!("{:?}", with(Err(error.into()))), format!("{:?}", ExitCode::from(USAGE)));
    }
}
