//! dtraf in the lab: as a user would run it on a Docker host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::Lab;
use crate::built;
use crate::deadline::Patience;
use crate::place::{Place, finish};
use crate::process::{Ended, Process};
use crate::report::Report;

/// How long dtraf may take for one answer.
const LIMIT: Duration = Duration::from_secs(20);

/// The program, on one host.
#[derive(Debug)]
pub struct Dtraf<'a> {
    host: &'a Place,
    program: PathBuf,
    /// Value of `TZ`; that of the tests when `None`.
    zone: Option<String>,
}

impl<'a> Dtraf<'a> {
    /// The program as its sources are now.
    pub fn new(lab: &'a Lab) -> Result<Self> {
        Self::of_host(lab.host())
    }

    pub fn at(lab: &'a Lab, program: &Path) -> Self {
        Self::on(lab.host(), program)
    }

    /// The program as its sources are now, on a host that may be no lab's.
    pub fn of_host(host: &'a Place) -> Result<Self> {
        Ok(Self::on(host, &built::dtraf()?))
    }

    pub fn on(host: &'a Place, program: &Path) -> Self {
        Self { host, program: program.to_path_buf(), zone: None }
    }

    /// The same program, started with this `TZ`.
    #[must_use]
    pub fn in_zone(&self, zone: &str) -> Self {
        Self { host: self.host, program: self.program.clone(), zone: Some(zone.to_owned()) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.host.command(&self.program);
        command.args(args).envs(self.zone.iter().map(|zone| ("TZ", zone)));
        command
    }

    /// Its file, for those who start it in a way of their own.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it to its end and demands success.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        finish(&mut self.command(args), &format!("dtraf {}", args.join(" ")))
    }

    /// Runs it to its end, whatever that is.
    pub fn end(&self, args: &[&str]) -> Result<Ended> {
        self.start(args)?.process.end(LIMIT)
    }

    /// What `dtraf stats` says now.
    pub fn stats(&self) -> Result<Report> {
        Report::read(&self.run(&["stats", "--format=json"])?)
    }

    /// Starts it with this program's own terminal.
    pub fn attach(&self, args: &[&str]) -> Result<Process> {
        Process::attach("dtraf", &mut self.command(args))
    }

    /// Starts it.
    pub fn start(&self, args: &[&str]) -> Result<Running> {
        let name = format!("dtraf {}", args.join(" "));
        Ok(Running { process: Process::start(&name, &mut self.command(args))? })
    }
}

/// dtraf, running. Dropping it kills it, which must do no harm.
#[derive(Debug)]
pub struct Running {
    pub process: Process,
}

impl Running {
    /// The next report of `dtraf run --format=json`.
    pub fn report(&mut self) -> Result<Report> {
        Report::read(&self.process.line(LIMIT)?)
    }

    /// Reads reports up to the first that `wanted` takes.
    pub fn report_where(&mut self, mut wanted: impl FnMut(&Report) -> bool) -> Result<Report> {
        let patience = Patience::of(LIMIT);
        while patience.left().is_some() {
            let report = self.report()?;
            if wanted(&report) {
                return Ok(report);
            }
        }
        bail!("dtraf made no such report within {LIMIT:?}")
    }

    /// Ends it by a signal and demands that it says so with exit status 0.
    pub fn stop(mut self, signal: Signal) -> Result<Ended> {
        self.process.stop(signal, LIMIT)?.success()
    }
}
