//! `cargo xtask bench daemon`: what `dtraf run` takes of a host, and how soon it counts.

mod report;
mod start;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dtraf_tests::{Crowd, CrowdOptions, Dtraf, Running, eventually};
use rustix::process::Signal;
use serde::Serialize;

use super::machine::{self, process_seconds};
use super::traffic;
use crate::workspace::Workspace;
use start::{Arrival, Start};

/// How long the machine may take to be quiet before something is measured.
const SETTLING: Duration = Duration::from_secs(30);
/// How long it may take until all are counted.
const READY: Duration = Duration::from_mins(2);
/// Of the start-up.
const MOST: usize = 1000;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only this; may be repeated
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,
    /// For how many seconds CPU time is taken
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=600))]
    time: u32,
    /// How often dtraf is started, and a container comes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// CPU time and memory
    Rest,
    /// From nothing, and where all is attached: as dtraf chooses, by clsact and by TCX
    Start,
    /// From a container's interface to its being counted
    Arrival,
}

impl Default for Args {
    fn default() -> Self {
        Self { parts: Vec::new(), time: 60, rounds: 5 }
    }
}

impl Args {
    fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Daemons {
    method: &'static str,
    seconds: u32,
    rest: Vec<Rest>,
    starts: Vec<Start>,
    arrivals: Vec<Arrival>,
}

/// What it takes while it counts.
#[derive(Debug, Serialize)]
struct Rest {
    containers: usize,
    /// Of one core.
    percent: f64,
    /// In kilobytes, by the names that `/proc/PID/status` has for them.
    memory: BTreeMap<String, u64>,
}

pub(crate) fn measure(workspace: &Workspace, args: &Args) -> Result<Daemons> {
    let mut measured = Daemons {
        method: report::METHOD,
        seconds: args.time,
        rest: Vec::new(),
        starts: Vec::new(),
        arrivals: Vec::new(),
    };
    if args.has(Part::Rest) {
        for containers in [100, MOST] {
            println!("\ndaemon: {containers} containers, {} s", args.time);
            let crowd = crowd(workspace, containers)?;
            measured.rest.push(rest(workspace, &crowd, args)?);
        }
    }
    if args.has(Part::Start) {
        for attach in ["auto", "clsact", "tcx"] {
            println!("\ndaemon: start with {MOST} interfaces, {attach}");
            let crowd = crowd(workspace, MOST)?;
            measured.starts.extend(start::starts(&dtraf(workspace, &crowd), MOST, attach, args.rounds)?);
        }
    }
    if args.has(Part::Arrival) {
        for attach in ["clsact", "tcx"] {
            println!("\ndaemon: a container comes, {attach}");
            let crowd = crowd(workspace, 100)?;
            measured.arrivals.push(start::arrival(&crowd, &dtraf(workspace, &crowd), attach, args.rounds)?);
        }
    }
    Ok(measured)
}

fn crowd(workspace: &Workspace, containers: usize) -> Result<Crowd> {
    let tool = Some(workspace.target().join("release/dtraf-lab"));
    Crowd::start(&CrowdOptions { containers, tool, ..CrowdOptions::default() })
}

fn dtraf<'a>(workspace: &Workspace, crowd: &'a Crowd) -> Dtraf<'a> {
    Dtraf::on(crowd.host(), &workspace.target().join("release/dtraf"))
}

fn rest(workspace: &Workspace, crowd: &Crowd, args: &Args) -> Result<Rest> {
    let dtraf = dtraf(workspace, crowd);
    // Attached by filters, which takes microseconds for each.
    let running =
        dtraf.start(&["run", "--headless", "--backend=ebpf", "--attach=clsact", "--interval=1s"])?;
    let containers = crowd.members().len();
    all_are_counted(&dtraf, containers)?;
    traffic::while_some_passes(crowd, || {
        std::thread::sleep(machine::BEGINNING);
        machine::settle(SETTLING)?;
        let pid = running.process.host_pid();
        let before = process_seconds(pid)?;
        std::thread::sleep(Duration::from_secs(args.time.into()));
        let percent = (process_seconds(pid)? - before) / f64::from(args.time) * 100.0;
        Ok(Rest { containers, percent, memory: memory(pid)? })
    })
    .and_then(|rest| stop(running).map(|()| rest))
}

fn all_are_counted(dtraf: &Dtraf<'_>, containers: usize) -> Result<()> {
    eventually("all containers to be counted", READY, || {
        let Ok(report) = dtraf.stats() else { return Ok(None) };
        let counted = report.containers.iter().filter(|container| container.figures().is_ok()).count();
        Ok((counted == containers).then_some(()))
    })
}

fn stop(running: Running) -> Result<()> {
    running.stop(Signal::TERM).map(drop)
}

/// What of its memory is in the machine's.
fn memory(pid: u32) -> Result<BTreeMap<String, u64>> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let wanted = ["VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem"];
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, value)| {
            let kilobytes = value.trim().trim_end_matches(" kB");
            Ok((name.to_owned(), kilobytes.parse().with_context(|| format!("read {name} in {path}"))?))
        })
        .collect()
}
