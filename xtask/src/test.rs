//! `cargo xtask test`: every test there is, those with a kernel and a Docker included.

mod tally;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::run;
use crate::packages::{LAB, ensure};
use crate::workspace::Workspace;
use tally::Tally;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Only the tests whose names contain this
    #[arg(long)]
    filter: Option<String>,
}

/// What is tested, in this order: the quick and pure first.
const SUITES: [(&str, &[&str]); 2] = [
    ("pure", &["test", "--no-fail-fast"]),
    ("kernel and Docker", &["test", "--no-fail-fast", "--package", "dtraf-tests"]),
];

pub(crate) fn test(workspace: &Workspace, args: &Args) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the tests with a kernel and a Docker need root; `cargo test` runs those that do not");
    }
    ensure(&LAB, args.yes)?;
    // The end-to-end tests run the program that lies beside them.
    run(cargo(workspace).args(["build", "--package", "dtraf"]))?;

    let mut tallies = Vec::new();
    for (name, words) in SUITES {
        let mut command = cargo(workspace);
        command.args(words);
        if let Some(filter) = &args.filter {
            command.args(["--", filter]);
        }
        tallies.push((name, suite(&mut command).with_context(|| format!("run the {name} tests"))?));
    }
    let total = tallies.iter().fold(Tally::default(), |sum, (_, tally)| sum.plus(tally));

    println!();
    for (name, tally) in &tallies {
        println!("{name}: {}{tally}", if tally.succeeded { "" } else { "FAILED, " });
    }
    println!("{total}");
    if !total.succeeded {
        bail!("some tests failed");
    }
    if total.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs one `cargo test`, passing on what it prints and adding up its results.
fn suite(command: &mut Command) -> Result<Tally> {
    let mut cargo = command.stdout(Stdio::piped()).spawn().context("start cargo")?;
    let mut tally = Tally::default();
    for line in BufReader::new(cargo.stdout.take().context("its output is a pipe")?).lines() {
        let line = line.context("read cargo's output")?;
        println!("{line}");
        tally.add(&line);
    }
    tally.succeeded = cargo.wait()?.success();
    Ok(tally)
}

fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace.root());
    command
}
