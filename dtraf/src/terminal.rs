//! Where output goes, and bringing it there.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

use crate::view::{Fit, Paint};

/// What standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdout {
    Terminal {
        columns: usize,
        paint: Paint,
    },
    /// A file, a pipe, the journal.
    Elsewhere,
}

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Present,
    Gone,
}

impl Stdout {
    /// Looks anew: terminals change their size.
    pub(crate) fn look() -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Self::Elsewhere;
        }
        // Terminals that do not know their size say 0.
        let columns = tcgetwinsize(&stdout).map_or(0, |size| size.ws_col);
        Self::Terminal {
            columns: if columns == 0 { 80 } else { usize::from(columns) },
            paint: if wants_no_colour() { Paint::Plain } else { Paint::Colour },
        }
    }

    /// How much room there is.
    pub(crate) fn fit(self) -> Fit {
        match self {
            Self::Terminal { columns, .. } => Fit::Columns(columns),
            Self::Elsewhere => Fit::Rows,
        }
    }

    pub(crate) fn paint(self) -> Paint {
        match self {
            Self::Terminal { paint, .. } => paint,
            Self::Elsewhere => Paint::Plain,
        }
    }
}

/// <https://no-color.org>
fn wants_no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Writes all of `text` to standard output. A reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) -> io::Result<Reader> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::Present),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}
