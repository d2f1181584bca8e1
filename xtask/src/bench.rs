//! `cargo xtask bench`: what dtraf costs, measured on hosts that were made for it.
//!
//! Each benchmark says how it measures, in what it prints and in what it writes. Figures are compared with others of the
//! same run only: what a machine does in a second differs from one hour to the next.

mod figures;
mod forwarding;
mod ledger;
mod machine;
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
use forwarding::Forwarding;
use ledger::Ledger;
use machine::Machine;
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
    let mut results =
        Results { version: 1, machine: Machine::read()?, forwarding: None, ledger: None, view: None };
    let all = forwarding::Args::default();
    let forwarding = match &args.bench {
        Some(Bench::Forwarding(chosen)) => Some(chosen),
        Some(Bench::Ledger | Bench::View(_)) => None,
        None => Some(&all),
    };
    let every_view = view::Args::default();
    let view = match &args.bench {
        Some(Bench::View(chosen)) => Some(chosen),
        Some(Bench::Ledger | Bench::Forwarding(_)) => None,
        None => Some(&every_view),
    };
    println!("\n{}", results.machine);
    if matches!(args.bench, None | Some(Bench::Ledger)) {
        let measured = ledger::measure(workspace)?;
        println!("\n{measured}");
        results.ledger = Some(measured);
    }
    if let Some(chosen) = view {
        let measured = view::measure(workspace, chosen)?;
        println!("\n{measured}");
        results.view = Some(measured);
    }
    let mut failed = 0;
    if let Some(chosen) = forwarding {
        let measured = forwarding::measure(workspace, chosen)?;
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
