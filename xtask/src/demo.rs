//! `cargo xtask demo`: dtraf on a Docker host that was made for it, with traffic whose size is known.
//!
//! The Docker host is the tests' lab: private, and gone afterwards. The host's own Docker, if it has one, is not touched.

mod duration;
mod verdict;
mod visitors;

use std::io::IsTerminal as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dtraf_tests::{Dtraf, Lab, Outside, Patience, eventually};
use rustix::process::Signal;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::command::run;
use crate::packages::{LAB, ensure};
use crate::workspace::Workspace;
use visitors::{Site, Visitors};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// End after this time, such as 15s or 2m; without it Ctrl-C or q ends it
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    limit: Option<Duration>,
    /// More arguments for `dtraf run`
    #[arg(last = true)]
    run: Vec<String>,
}

/// Both serve container port 80: only the host's ports differ, and the sizes of their pages.
const SITES: [Site; 2] = [
    Site { name: "webapp1", host_port: 8080, page: "1m", page_bytes: 1_000_000 },
    Site { name: "webapp2", host_port: 8081, page: "100k", page_bytes: 100_000 },
];

pub(crate) fn demo(workspace: &Workspace, args: &Args) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the demo makes namespaces, runs dockerd and loads eBPF programs: it needs root");
    }
    ensure(&LAB, args.yes)?;
    let cargo = || {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace.root()).arg("build");
        cargo
    };
    run(cargo().args(["--release", "--package", "dtraf"]))?;
    run(cargo().args(["--package", "dtraf-tests", "--bin", "dtraf-lab"]))?;

    println!("starting a private Docker");
    let lab = Lab::start()?;
    let mut containers = Vec::new();
    for site in SITES {
        println!("starting {}: container port 80, host port {}", site.name, site.host_port);
        let container = lab.container(site.name).publish(&format!("{}:80", site.host_port));
        containers.push(container.web_server(80).start()?);
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("listen for Ctrl-C")?;
    }

    let dtraf = Dtraf::at(&lab, &workspace.target().join("release/dtraf"));
    let visits = watch(&lab, &dtraf, args, &interrupted)?;
    println!("\ndtraf run has ended; its programs go on counting. dtraf stats --ports:\n");
    println!("{}", dtraf.run(&["stats", "--ports"])?);
    let verdicts =
        containers.iter().zip(visits).map(|(container, visits)| verdict::of(&dtraf, container, visits));
    verdict::print(&verdicts.collect::<Result<Vec<_>>>()?)
}

/// Shows `dtraf run` while visitors come; what they have fetched in the end.
fn watch(
    lab: &Lab,
    dtraf: &Dtraf<'_>,
    args: &Args,
    interrupted: &AtomicBool,
) -> Result<Vec<visitors::Visits>> {
    let mut words = vec!["run", "--interval=1s"];
    let is_live = std::io::stdout().is_terminal();
    if !is_live {
        // Elsewhere it prints.
        words.extend(["--ports", "--format=table"]);
    }
    words.extend(args.run.iter().map(String::as_str));
    println!("visitors come to {}; dtraf {}\n", Outside::HOST_V4, words.join(" "));
    let mut running = dtraf.attach(&words)?;
    // Who came before it was attached would be in the shortfall, and not on port 80.
    eventually("dtraf to count the containers", Duration::from_secs(20), || {
        if running.is_over()? {
            bail!("dtraf {} ended early", words.join(" "));
        }
        let Ok(report) = dtraf.stats() else { return Ok(None) };
        let counts =
            |site: &Site| report.container(site.name).is_ok_and(|container| container.figures().is_ok());
        Ok(SITES.iter().all(counts).then_some(()))
    })?;
    let visitors = Visitors::start(lab.outside().place(), &SITES);

    let patience = args.limit.map(Patience::of);
    let mut is_left = false;
    while !interrupted.load(Ordering::Relaxed) && patience.is_none_or(|patience| patience.left().is_some()) {
        is_left = running.is_over()?;
        if is_left && is_live {
            break;
        }
        if is_left {
            bail!("dtraf {} ended early", words.join(" "));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let visits = visitors.stop();
    let limit = Duration::from_secs(10);
    let ended = if is_left {
        // `q` or Ctrl-C at the live view, which takes both as keys.
        running.end(limit)?.success()?
    } else if interrupted.load(Ordering::Relaxed) {
        // At a terminal it has heard the Ctrl-C, too.
        running.end(limit).or_else(|_| running.stop(Signal::INT, limit))?
    } else {
        running.stop(Signal::INT, limit)?.success()?
    };
    drop(ended);
    Ok(visits)
}
