//! How dtraf ends: an exit status, and at most one error, told once.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::view::neutral::neutral;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// An error, and what to do about it.
#[derive(Debug)]
pub(crate) struct Advised {
    error: anyhow::Error,
    advice: Cow<'static, str>,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.chain().nth(1)
    }
}

/// For results whose error has a remedy.
pub(crate) trait Advise<T> {
    /// Says what to do about the error, without adding to what failed.
    fn advise(self, advice: impl Into<Cow<'static, str>>) -> Result<T, Advised>;
}

impl<T, E: Into<anyhow::Error>> Advise<T> for Result<T, E> {
    fn advise(self, advice: impl Into<Cow<'static, str>>) -> Result<T, Advised> {
        self.map_err(|error| Advised { error: error.into(), advice: advice.into() })
    }
}

/// Ends the program: 0 when all is done; otherwise the error goes to stderr.
pub(crate) fn with(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // Nobody is left to tell when stderr is gone too.
    drop(io::stderr().lock().write_all(told(&error).as_bytes()));
    ExitCode::from(if error.is::<ConfigError>() { USAGE } else { FAILED })
}

/// `dtraf: attempt: subject: cause`, and the advice in lines of its own. A cause that the error before it spells out
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
    let advised = error.chain().filter_map(|cause| cause.downcast_ref::<Advised>());
    for advice in advised.flat_map(|advised| advised.advice.lines()) {
        line += &neutral(advice);
        line.push('\n');
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn refused() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "permission denied")
    }

    #[test]
    fn the_whole_chain_is_told_once_and_the_advice_behind_it() {
        let result = Err::<(), _>(refused()).context("/sys/fs/bpf/dtraf").advise("run it\nas root");
        let error = anyhow::Error::from(result.unwrap_err()).context("pin map TOTALS");
        assert_eq!(
            told(&error),
            "dtraf: pin map TOTALS: /sys/fs/bpf/dtraf: permission denied\nrun it\nas root\n"
        );
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
