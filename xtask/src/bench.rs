//! `cargo xtask bench`: what dtraf costs, measured on hosts that were made for it.
//!
//! Each benchmark says how it measures, in what it prints and in what it writes. Figures are compared with others of the
//! same run only: what a machine does in a second differs from one hour to the next.

mod daemon;
mod edges;
mod figures;
mod forwarding;
mod ledger;
mod machine;
mod packet;
mod reading;
mod traffic;
mod view;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use serde::Serialize;

use crate::command::run;
use crate::packages::{BENCH, LAB, ensure};
use crate::workspace::Workspace;
use daemon::Daemons;
use forwarding::Forwarding;
use ledger::Ledger;
use machine::Machine;
use packet::Packets;
use reading::Readings;
use view::Watching;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install what is missing without asking
    #[arg(long, global = true)]
    yes: bool,
    /// Write the results there, for programs
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// All of them without it
    #[command(subcommand)]
    bench: Option<Bench>,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// How many packets a host forwards, with dtraf and without
    Forwarding(forwarding::Args),
    /// How large a year's ledger is, and how long a month's report takes
    Ledger,
    /// What `dtraf run` takes of a host, and how soon it counts
    Daemon(daemon::Args),
    /// What a packet costs in dtraf's programs, and in programs that do less
    Packet(packet::Args),
    /// How long one reading of all counters takes
    Reading(reading::Args),
    /// How long the live view takes from a key to the screen, and what it costs
    View(view::Args),
}

/// What is written for programs. Fields may be added; what changes a field's meaning changes `version`.
#[derive(Debug, Serialize)]
struct Results {
    version: u32,
    machine: Machine,
    forwarding: Option<Forwarding>,
    ledger: Option<Ledger>,
    view: Option<Watching>,
    packet: Option<Packets>,
    reading: Option<Readings>,
    daemon: Option<Daemons>,
}

/// What is to be measured: what was asked for, or all of it.
#[derive(Debug, Default)]
struct Chosen {
    forwarding: Option<forwarding::Args>,
    ledger: bool,
    view: Option<view::Args>,
    packet: Option<packet::Args>,
    reading: Option<reading::Args>,
    daemon: Option<daemon::Args>,
}

impl Chosen {
    fn of(bench: Option<&Bench>) -> Self {
        let nothing = Self::default();
        match bench {
            Some(Bench::Forwarding(args)) => Self { forwarding: Some(args.clone()), ..nothing },
            Some(Bench::Ledger) => Self { ledger: true, ..nothing },
            Some(Bench::Daemon(args)) => Self { daemon: Some(args.clone()), ..nothing },
            Some(Bench::Packet(args)) => Self { packet: Some(args.clone()), ..nothing },
            Some(Bench::Reading(args)) => Self { reading: Some(args.clone()), ..nothing },
            Some(Bench::View(args)) => Self { view: Some(args.clone()), ..nothing },
            None => Self {
                forwarding: Some(forwarding::Args::default()),
                ledger: true,
                view: Some(view::Args::default()),
                packet: Some(packet::Args::default()),
                reading: Some(reading::Args::default()),
                daemon: Some(daemon::Args::default()),
            },
        }
    }
}

pub(crate) fn bench(workspace: &Workspace, args: &Args) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("benchmarks make namespaces and load programs into the kernel: they need root");
    }
    ensure(LAB.iter().chain(&BENCH), args.yes)?;
    for package in ["dtraf", "dtraf-tests"] {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace.root()).args(["build", "--release", "--package", package]);
        run(&mut cargo)?;
    }
    let mut results = Results {
        version: 1,
        machine: Machine::read()?,
        forwarding: None,
        ledger: None,
        view: None,
        packet: None,
        reading: None,
        daemon: None,
    };
    println!("\n{}", results.machine);
    let chosen = Chosen::of(args.bench.as_ref());
    if chosen.ledger {
        let measured = ledger::measure(workspace)?;
        println!("\n{measured}");
        results.ledger = Some(measured);
    }
    if let Some(args) = &chosen.packet {
        let measured = packet::measure(workspace, args)?;
        println!("\n{measured}");
        results.packet = Some(measured);
    }
    if let Some(args) = &chosen.reading {
        let measured = reading::measure(workspace, args)?;
        println!("\n{measured}");
        results.reading = Some(measured);
    }
    if let Some(args) = &chosen.daemon {
        let measured = daemon::measure(workspace, args)?;
        println!("\n{measured}");
        results.daemon = Some(measured);
    }
    if let Some(args) = &chosen.view {
        let measured = view::measure(workspace, args)?;
        println!("\n{measured}");
        results.view = Some(measured);
    }
    let mut failed = 0;
    if let Some(args) = &chosen.forwarding {
        let measured = forwarding::measure(workspace, args)?;
        println!("\n{measured}");
        failed = measured.failed();
        results.forwarding = Some(measured);
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&results)? + "\n";
        fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
        println!("\nwritten: {}", path.display());
    }
    if failed > 0 {
        bail!("{failed} setups could not be measured");
    }
    Ok(())
}
