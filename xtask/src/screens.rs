//! `cargo xtask screens`: the pictures of the live view in the documents, made by the program.
//!
//! A document says before a block of code which screen it is: `<!-- screen NAME -->`.

mod document;
mod shot;
mod stage;

use std::collections::btree_map::{BTreeMap, Entry};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use dtraf_tests::{Dtraf, Lab};

use crate::command::run;
use crate::packages::{LAB, ensure};
use crate::workspace::Workspace;
use shot::{BY_RULES, SHOTS, Shot, Window};
use stage::Stage;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

/// Documents that have screens.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/live-view.md"];

/// Until trends and graphs have something to show.
const FILLING: Duration = Duration::from_secs(45);

pub(crate) fn screens(workspace: &Workspace, args: &Args) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the screens are of a Docker host in namespaces of its own: that needs root");
    }
    ensure(&LAB, args.yes)?;
    for package in ["dtraf", "dtraf-tests"] {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace.root()).args(["build", "--release", "--package", package]);
        run(&mut cargo)?;
    }
    let lab = Lab::start()?;
    let dtraf = Dtraf::at(&lab, &workspace.root().join("target/release/dtraf"));
    let stage = Stage::set(&lab)?;
    let mut taken = BTreeMap::new();
    for (backend, shots) in [("--backend=ebpf", &SHOTS[..]), ("--backend=iptables", &BY_RULES)] {
        taken.extend(take(&lab, &dtraf, &stage, backend, shots)?);
        dtraf.run(&["uninstall", "--yes"])?;
    }
    for document in DOCUMENTS {
        let changed = document::fill(&workspace.root().join(document), &taken)?;
        println!("{document}: {changed} screens");
    }
    Ok(())
}

/// Opens a window of each size beside a dtraf that counts, and takes one picture after the other.
fn take(
    lab: &Lab,
    dtraf: &Dtraf<'_>,
    stage: &Stage<'_>,
    backend: &str,
    shots: &[Shot],
) -> Result<Vec<(&'static str, String)>> {
    let ledger = format!("--db={}", stage::LEDGER);
    let _counting = dtraf.start(&["run", "--headless", "--flush=1s", &ledger, backend])?;
    stage::wait(dtraf)?;
    stage::allow(dtraf, &ledger)?;
    let mut windows = BTreeMap::new();
    for shot in shots {
        if let Entry::Vacant(place) = windows.entry(shot.size) {
            place.insert(Window::open(lab, dtraf.program(), shot.size, &ledger)?);
        }
    }
    stage.play(|| {
        sleep(FILLING);
        shots.iter().map(|shot| Ok((shot.name, windows[&shot.size].take(shot)?))).collect()
    })
}
