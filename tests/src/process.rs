//! A program that runs in the lab while the test goes on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::deadline::{Patience, eventually};

/// Dropping it kills the program.
#[derive(Debug)]
pub struct Process {
    name: String,
    /// `nsenter`, which waits outside of the lab's process namespace for the program inside.
    entered: Child,
    /// The program, by its number on the host.
    inner: Pid,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts a command that was made by [`crate::Place::command`].
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut entered = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for the test, which then ends it in its own order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = entered.stdout.take().context("its output is a pipe")?;
        let mut stderr = entered.stderr.take().context("its errors are a pipe")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            match stderr.read_to_end(&mut bytes) {
                Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => format!("(its errors could not be read: {error})"),
            }
        });
        let inner = inside(name, &mut entered)?;
        Ok(Self { name: name.to_owned(), entered, inner, lines, errors: Some(errors) })
    }

    /// Starts a command with this program's own terminal: it has no lines to be read, and hears a Ctrl-C itself.
    pub(crate) fn attach(name: &str, command: &mut Command) -> Result<Self> {
        let mut entered = command.stdin(Stdio::inherit()).spawn().with_context(|| format!("start {name}"))?;
        let inner = inside(name, &mut entered)?;
        let (_, lines) = channel();
        Ok(Self { name: name.to_owned(), entered, inner, lines, errors: None })
    }

    /// Starts a command whose input and output are a terminal of its own.
    pub(crate) fn in_terminal(name: &str, command: &mut Command) -> Result<Self> {
        let mut entered = command.spawn().with_context(|| format!("start {name}"))?;
        let inner = inside(name, &mut entered)?;
        let (_, lines) = channel();
        Ok(Self { name: name.to_owned(), entered, inner, lines, errors: None })
    }

    /// Its number on the host, for `/proc`.
    pub fn host_pid(&self) -> u32 {
        self.inner.as_raw_nonzero().get().unsigned_abs()
    }

    pub fn is_over(&mut self) -> Result<bool> {
        Ok(self.entered.try_wait()?.is_some())
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.inner, signal).with_context(|| format!("send {signal:?} to {}", self.name))
    }

    /// Stops it until it is to go on.
    ///
    /// `nsenter` sees that, and stops too: a moment later, which is waited for, or it would sleep through the other's end.
    pub fn pause(&self) -> Result<()> {
        eventually(&format!("{} to stop", self.name), Duration::from_secs(10), || {
            // Once more each time: when it goes on, nsenter lets the other go on too, and that may come late.
            self.signal(Signal::STOP)?;
            Ok((is_stopped(self.host_pid())? && is_stopped(self.entered.id())?).then_some(()))
        })
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        let entered = Pid::from_child(&self.entered);
        kill_process(entered, Signal::CONT).with_context(|| format!("let {} go on", self.name))?;
        self.signal(Signal::CONT)
    }

    /// The next line it prints.
    pub fn line(&mut self, limit: Duration) -> Result<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => bail!("{} printed nothing for {limit:?}", self.name),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.entered.wait()?;
                let errors = self.errors();
                bail!("{} ended ({status}) where a line was expected: {}", self.name, errors.trim());
            }
        }
    }

    /// What it has printed already and nobody has read.
    pub fn printed(&mut self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Reads lines up to the first that `wanted` takes.
    pub fn line_where(&mut self, limit: Duration, mut wanted: impl FnMut(&str) -> bool) -> Result<String> {
        let patience = Patience::of(limit);
        loop {
            let left =
                patience.left().with_context(|| format!("{}: no such line in {limit:?}", self.name))?;
            let line = self.line(left)?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }

    /// Waits for its end. What it printed and nobody has read is in the answer, with its exit status and its errors.
    pub fn end(&mut self, limit: Duration) -> Result<Ended> {
        let what = format!("the end of {}", self.name);
        let status = eventually(&what, limit, || Ok(self.entered.try_wait()?))?;
        // A signal from the terminal ends `nsenter` at once, and the program in its own time.
        let inner = PathBuf::from(format!("/proc/{}", self.host_pid()));
        eventually(&what, limit, || Ok((!inner.exists()).then_some(())))?;
        let lines = self.lines.iter().collect();
        Ok(Ended { status, lines, errors: self.errors() })
    }

    /// Sends `signal` and waits for the end.
    pub fn stop(&mut self, signal: Signal, limit: Duration) -> Result<Ended> {
        self.signal(signal)?;
        self.end(limit)
    }

    /// All it has written to its error output, once it is over.
    fn errors(&mut self) -> String {
        self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub lines: Vec<String>,
    pub errors: String,
}

impl Ended {
    /// Demands exit status 0.
    pub fn success(self) -> Result<Self> {
        if !self.status.success() {
            bail!("{}: {}", self.status, self.errors.trim());
        }
        Ok(self)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.entered.try_wait(), Ok(None)) {
            // It may end by itself in between, and then there is nothing to do.
            if kill_process(self.inner, Signal::KILL).is_ok() {
                // One that was paused would not hear of it.
                if kill_process(Pid::from_child(&self.entered), Signal::CONT).is_ok() {
                    drop(self.entered.wait());
                }
            }
        }
    }
}

/// The program that `nsenter` has started.
fn inside(name: &str, entered: &mut Child) -> Result<Pid> {
    let inner = eventually(&format!("{name} inside the lab"), Duration::from_secs(10), || {
        if entered.try_wait()?.is_some() {
            // Over already: nobody will send it a signal.
            return Ok(Some(entered.id()));
        }
        only_child(entered.id())
    })?;
    i32::try_from(inner).ok().and_then(Pid::from_raw).context("a process has a number")
}

/// Whether a process was stopped by a signal, or is over.
fn is_stopped(pid: u32) -> Result<bool> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    Ok(stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['T', 'Z'])))
}

/// The one child of a process, once it has one.
fn only_child(pid: u32) -> Result<Option<u32>> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let child = children.split_whitespace().next();
    child.map(str::parse).transpose().with_context(|| format!("read {path}"))
}
