//! `dtraf run`: what counts is chosen, then counts until a signal comes.

mod desk;
mod ebpf;
mod print;
mod signals;

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use self::print::Printer;
use self::signals::Signals;
use crate::config::Run;
use crate::docker::Docker;
use crate::host;
use crate::links::Links;

/// What every backend needs of the host.
struct Host {
    links: Links,
    docker: Docker,
    signals: Signals,
    printer: Printer,
}

/// Counts until a signal comes, or once.
pub(crate) async fn run(config: Run) -> anyhow::Result<()> {
    host::check()?;
    let links = Links::connect()?;
    let docker = Docker::connect(links.clone()).await?;
    let signals = Signals::new()?;
    let counting = ebpf::start(&config)?;
    let printer = Printer::new(config.view, host::origin());
    ebpf::run(counting, config, Host { links, docker, signals, printer }).await
}

fn ticks(pace: Duration) -> Interval {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
