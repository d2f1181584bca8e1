//! dtraf: a traffic accountant for Docker hosts.
//!
//! A program: [`main`] is all that it has for others, and [`bench`] what its benchmarks need.

mod cli;
mod config;
mod exit;
mod clock;
mod zone;
mod logging;
mod host;
mod terminal;
mod screen;
mod live;
mod docker;
mod links;
mod sockets;
mod source;
mod store;
mod accounting;
mod view;
mod daemon;
mod stats;
mod report;
mod accounts;
mod calibration;
mod quota;
mod ledger;
mod top;
mod rules;
mod doctor;
mod uninstall;
#[doc(hidden)]
pub mod bench;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::runtime::Builder;

use self::cli::Cli;
use self::config::Config;
use self::terminal::Stdout;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let stdout = Stdout::look();
    let config = match Config::resolve(Cli::parse(), stdout) {
        Ok(config) => config,
        Err(error) => return exit::with(Err(error.into())),
    };
    // A view has little room for lines.
    logging::start(if config.is_live() { "warn" } else { "info" });
    exit::with(run(config))
}

/// One thread: the daemon has one owner of all state, and what blocks is done beside it.
fn run(config: Config) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start the event loop")?;
    runtime.block_on(async {
        match config {
            Config::Run(config) => Box::pin(daemon::run(config)).await,
            Config::Stats(config) => stats::run(config).await,
            Config::Report(config) => report::run(&config),
            Config::Account(config) => accounts::run(config),
            Config::Reset(config) => accounts::reset(config),
            Config::Calibration(config) => calibration::run(config),
            Config::Quota(config) => quota::run(config),
            Config::Ledger(config) => ledger::run(config),
            Config::Top(config) => top::run(config).await,
            Config::Rules(config) => rules::run(config).await,
            Config::Doctor(config) => doctor::run(config).await,
            Config::Uninstall(config) => uninstall::run(config).await,
        }
    })
}
