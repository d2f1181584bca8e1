//! dtraf: a traffic accountant for Docker hosts.

mod cli;
mod config;
mod exit;
mod clock;
mod host;
mod terminal;
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
mod rules;
mod doctor;
mod uninstall;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::runtime::Builder;

use self::cli::Cli;
use self::config::Config;
use self::terminal::Stdout;

fn main() -> ExitCode {
    let stdout = Stdout::look();
    let config = match Config::resolve(Cli::parse(), stdout) {
        Ok(config) => config,
        Err(error) => return exit::with(Err(error.into())),
    };
    // Lines in between would spoil a table that is drawn again and again.
    let level = if config.is_drawn(stdout) { "warn" } else { "info" };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level)).init();
    exit::with(run(config))
}

/// One thread: the daemon has one owner of all state, and what blocks is done beside it.
fn run(config: Config) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start the event loop")?;
    runtime.block_on(async {
        match config {
            Config::Run(config) => daemon::run(config).await,
            Config::Stats(config) => stats::run(config).await,
            Config::Report(config) => report::run(&config),
            Config::Rules(config) => rules::run(config).await,
            Config::Doctor(config) => doctor::run(config).await,
            Config::Uninstall(config) => uninstall::run(config).await,
        }
    })
}
