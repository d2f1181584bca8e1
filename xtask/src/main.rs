//! Developer commands: `cargo xtask --help`.
//!
//! Each command is one module. None of them installs anything without being asked to.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod bench;
mod build_ebpf;
mod clippy_ebpf;
mod command;
mod demo;
mod packages;
mod screens;
mod services;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "dtraf's developer commands")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the eBPF object that user space embeds, or check that it belongs to the sources
    ///
    /// `RUSTC_BPF` names a compiler with a BPF core library; without it the distribution's is taken, or a nightly.
    BuildEbpf(build_ebpf::Args),
    /// Lint the eBPF crate on its own target
    ClippyEbpf,
    /// Install what the other commands need
    Setup(setup::Args),
    /// Run every test, those that need root, a kernel and a Docker included
    Test(test::Args),
    /// Show dtraf on a private Docker host with two web servers and their visitors
    Demo(demo::Args),
    /// Measure what dtraf costs
    Bench(bench::Args),
    /// Make the pictures of the live view that the documents have
    Screens(screens::Args),
    /// Check the house rules that no compiler knows
    Tidy,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let workspace = Workspace::find();
    match cli.task {
        Task::BuildEbpf(args) => build_ebpf::run(&workspace, &args),
        Task::ClippyEbpf => clippy_ebpf::run(&workspace),
        Task::Setup(args) => setup::setup(&workspace, &args),
        Task::Test(args) => test::test(&workspace, &args),
        Task::Demo(args) => demo::demo(&workspace, &args),
        Task::Bench(args) => bench::bench(&workspace, &args),
        Task::Screens(args) => screens::screens(&workspace, &args),
        Task::Tidy => tidy::run(&workspace),
    }
}
