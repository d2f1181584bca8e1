//! `cargo xtask bench view`: how long the live view takes from a key to the screen, and what it costs a core to watch.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dtraf_tests::{Crowd, CrowdOptions, Dtraf, Patience, Process, Terminal, eventually};
use rustix::process::Signal;
use serde::Serialize;

use super::figures::Spread;
use super::machine::{self, process_seconds};
use super::traffic;
use crate::workspace::Workspace;

/// How long the machine may take to be quiet before something is measured.
const SETTLING: Duration = Duration::from_secs(30);
/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(20);
const SIZE: (u16, u16) = (200, 50);
/// Readings are so far apart that few of their pictures come when a key's is waited for.
const INTERVAL: Duration = Duration::from_secs(10);
const METHOD: &str = "`dtraf run` in a terminal of its own, a crowd of containers, datagrams to one after the other. A key is \
timed from when it is written to the terminal until the end of the next picture is read. CPU time is the whole process's, all of \
its counting included, at one reading each second; without the view it is the same with --headless.";

/// Keys that ask for different kinds of work. They are pressed in this order, and lead back to where they began.
const KEYS: [(&str, &[u8]); 23] = [
    ("move", b"j"),
    ("to the end", b"G"),
    ("to the beginning", b"g"),
    ("sort", b"s"),
    ("reverse", b"r"),
    ("rank by another", b"t"),
    ("units", b"u"),
    ("hold", b" "),
    ("go on", b" "),
    ("filter", b"/"),
    ("filter: a letter", b"9"),
    ("filter: forget it", b"\x15"),
    ("filter: leave it", b"\r"),
    ("open a container", b"\r"),
    ("back", b"\x1b"),
    ("ports", b"\t"),
    ("scopes", b"\t"),
    ("open a scope", b"\r"),
    ("forget the filter", b"\x1b"),
    ("scopes again", b"\t"),
    ("networks", b"\t"),
    ("projects", b"\t"),
    ("containers", b"\t"),
];

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How many containers
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
    containers: u32,
    /// How often each key is pressed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// For how many seconds CPU time is taken
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(5..=600))]
    time: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { containers: 1000, rounds: 5, time: 20 }
    }
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Watching {
    method: &'static str,
    containers: u32,
    columns: u16,
    rows: u16,
    keys: Vec<Key>,
    /// In hundredths of one core.
    percent_with_view: f64,
    percent_headless: f64,
}

/// From a key to the end of the picture.
#[derive(Debug, Serialize)]
struct Key {
    name: &'static str,
    milliseconds: Spread,
}

pub(crate) fn measure(workspace: &Workspace, args: &Args) -> Result<Watching> {
    println!("\nview: {} containers", args.containers);
    let release = workspace.target().join("release");
    let crowd = Crowd::start(&CrowdOptions {
        containers: usize::try_from(args.containers)?,
        tool: Some(release.join("dtraf-lab")),
        ..CrowdOptions::default()
    })?;
    let dtraf = Dtraf::on(crowd.host(), &release.join("dtraf"));
    traffic::while_some_passes(&crowd, || watched(&crowd, &dtraf, args))
}

fn watched(crowd: &Crowd, dtraf: &Dtraf<'_>, args: &Args) -> Result<Watching> {
    let program = dtraf.program().to_str().context("the program's path is no text")?;
    let open = |interval: Duration| -> Result<Terminal> {
        let interval = format!("--interval={}s", interval.as_secs());
        let terminal = Terminal::open(crowd.host(), SIZE, program, &["run", &interval])?;
        all_are_counted(dtraf, args)?;
        machine::settle(SETTLING)?;
        Ok(terminal)
    };
    let mut terminal = open(INTERVAL)?;
    // Two readings make a rate.
    std::thread::sleep(2 * INTERVAL);
    let keys = keys(&mut terminal, args.rounds)?;
    terminal.leave(b"q", LIMIT)?;
    let mut terminal = open(Duration::from_secs(1))?;
    let percent_with_view = percent(&terminal.process, args)?;
    terminal.leave(b"q", LIMIT)?;
    let running = dtraf.start(&["run", "--headless", "--interval=1s"])?;
    all_are_counted(dtraf, args)?;
    machine::settle(SETTLING)?;
    let percent_headless = percent(&running.process, args)?;
    running.stop(Signal::INT)?;
    let ((columns, rows), containers) = (SIZE, args.containers);
    Ok(Watching { method: METHOD, containers, columns, rows, keys, percent_with_view, percent_headless })
}

fn all_are_counted(dtraf: &Dtraf<'_>, args: &Args) -> Result<()> {
    eventually("all containers to be counted", Duration::from_mins(1), || {
        let Ok(report) = dtraf.stats() else { return Ok(None) };
        let counted = report.containers.iter().filter(|container| container.figures().is_ok()).count();
        Ok((u32::try_from(counted)? == args.containers).then_some(()))
    })
}

fn keys(terminal: &mut Terminal, rounds: u32) -> Result<Vec<Key>> {
    let mut times = vec![Vec::new(); KEYS.len()];
    for _ in 0..rounds {
        for (times, (name, key)) in times.iter_mut().zip(KEYS) {
            // A reading's picture is over by then.
            terminal.settle(Duration::from_millis(50));
            let time = terminal.press(key, LIMIT).with_context(|| format!("press the key: {name}"))?;
            times.push(time.as_secs_f64() * 1000.0);
        }
    }
    let keys = times.into_iter().zip(KEYS).map(|(times, (name, _))| {
        Ok(Key { name, milliseconds: Spread::of(times).context("there was no round")? })
    });
    keys.collect()
}

/// How much of one core a process takes, in hundredths.
fn percent(process: &Process, args: &Args) -> Result<f64> {
    std::thread::sleep(machine::BEGINNING);
    let patience = Patience::of(Duration::from_secs(args.time.into()));
    let before = process_seconds(process.host_pid())?;
    while let Some(left) = patience.left() {
        std::thread::sleep(left);
    }
    Ok((process_seconds(process.host_pid())? - before) / f64::from(args.time) * 100.0)
}

impl Display for Watching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "live view, {} containers, {}x{} cells", self.containers, self.columns, self.rows)?;
        writeln!(f, "{:<20}{:>9}{:>9}{:>9}", "key to screen, ms", "median", "least", "most")?;
        for Key { name, milliseconds: Spread { median, least, most } } in &self.keys {
            writeln!(f, "  {name:<18}{median:>9.2}{least:>9.2}{most:>9.2}")?;
        }
        write!(
            f,
            "of one core, at one reading each second: {:.1} % with the view, {:.1} % without",
            self.percent_with_view, self.percent_headless
        )
    }
}
