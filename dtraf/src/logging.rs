//! The log: to stderr, and while a screen is shown to whoever shows it.
//!
//! Lines that were diverted are not lost: they are printed when the screen is gone.

use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{Level, Log, Metadata, Record};
use tokio::sync::mpsc;

use crate::clock;
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::tui::{Said, Weight};

/// Lines that are kept while a screen is shown; of the others only the number.
const KEPT: usize = 1000;

static DIVERTED: Mutex<Option<Diverted>> = Mutex::new(None);

/// Where lines go while a screen is shown.
#[derive(Debug)]
struct Diverted {
    lines: Vec<String>,
    dropped: usize,
    said: mpsc::UnboundedSender<Said>,
}

struct Logger(env_logger::Logger);

/// Logs what `RUST_LOG` asks for, or `level` and above.
pub(crate) fn start(level: &str) {
    let logger = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level)).build();
    let filter = logger.filter();
    // Nobody else sets one.
    if log::set_boxed_logger(Box::new(Logger(logger))).is_ok() {
        log::set_max_level(filter);
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.0.matches(record) {
            return;
        }
        match diverted().as_mut() {
            Some(diverted) => diverted.take(record),
            None => self.0.log(record),
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

impl Diverted {
    fn take(&mut self, record: &Record<'_>) {
        let text = record.args().to_string();
        if self.lines.len() < KEPT {
            let (at, level, target) = (names::second(clock::now()), record.level(), record.target());
            self.lines.push(format!("[{at} {level:<5} {target}] {}", neutral(&text)));
        } else {
            self.dropped += 1;
        }
        let weight = match record.level() {
            Level::Error => Weight::Error,
            Level::Warn => Weight::Warning,
            Level::Info | Level::Debug | Level::Trace => Weight::Other,
        };
        // Nobody listens any more when the screen is about to go.
        drop(self.said.send(Said { weight, text }));
    }
}

fn diverted() -> MutexGuard<'static, Option<Diverted>> {
    DIVERTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives nothing is written to stderr. What came in between is, when it is dropped.
#[derive(Debug)]
pub(crate) struct Diversion(());

/// Diverts the log, and returns what it says.
pub(crate) fn divert() -> (Diversion, mpsc::UnboundedReceiver<Said>) {
    let (said, heard) = mpsc::unbounded_channel();
    *diverted() = Some(Diverted { lines: Vec::new(), dropped: 0, said });
    (Diversion(()), heard)
}

impl Drop for Diversion {
    fn drop(&mut self) {
        let Some(Diverted { lines, dropped, .. }) = diverted().take() else { return };
        let mut text: String = lines.into_iter().map(|line| line + "\n").collect();
        if dropped > 0 {
            text.extend(["(", &dropped.to_string(), " more lines were logged)\n"]);
        }
        // Nobody is left to tell when stderr is gone too.
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }
}
