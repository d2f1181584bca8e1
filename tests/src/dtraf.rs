//! dtraf in the lab: as a user would run it on a Docker host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::Value;

use crate::Lab;
use crate::built::built;
use crate::place::finish;
use crate::process::{Ended, Process};

/// How long dtraf may take for one answer.
const LIMIT: Duration = Duration::from_secs(20);

/// The program, for one lab.
#[derive(Debug)]
pub struct Dtraf<'a> {
    lab: &'a Lab,
    program: PathBuf,
}

impl<'a> Dtraf<'a> {
    /// The program that was built beside this one.
    pub fn new(lab: &'a Lab) -> Result<Self> {
        Ok(Self::at(lab, &built("dtraf")?))
    }

    pub fn at(lab: &'a Lab, program: &Path) -> Self {
        Self { lab, program: program.to_path_buf() }
    }

    /// Runs it to its end and demands success.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        finish(self.lab.host().command(&self.program).args(args), &format!("dtraf {}", args.join(" ")))
    }

    /// Runs it to its end, whatever that is.
    pub fn end(&self, args: &[&str]) -> Result<Ended> {
        self.start(args)?.process.end(LIMIT)
    }

    /// Runs it to its end and reads the JSON that it prints.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.run(args)?;
        serde_json::from_str(&text).with_context(|| format!("read what dtraf {} printed", args.join(" ")))
    }

    /// Starts it.
    pub fn start(&self, args: &[&str]) -> Result<Running> {
        let name = format!("dtraf {}", args.join(" "));
        Ok(Running { process: Process::start(&name, self.lab.host().command(&self.program).args(args))? })
    }
}

/// dtraf, running. Dropping it kills it, which must do no harm.
#[derive(Debug)]
pub struct Running {
    pub process: Process,
}

impl Running {
    /// The next line it prints, as JSON.
    pub fn json(&mut self) -> Result<Value> {
        let line = self.process.line(LIMIT)?;
        serde_json::from_str(&line).with_context(|| format!("read dtraf's line {line:?}"))
    }

    /// Ends it by a signal and demands that it says so with exit status 0.
    pub fn stop(mut self, signal: Signal) -> Result<Ended> {
        self.process.stop(signal, LIMIT)?.success()
    }
}
