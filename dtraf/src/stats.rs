//! `dtraf stats`: one look at what is counted, beside a daemon or after one.

mod counters;
mod onlooker;

use anyhow::Context as _;

pub(crate) use self::onlooker::Onlooker;
use crate::config::{Pace, Stats};
use crate::terminal::{Reader, print};
use crate::view::render;

pub(crate) async fn run(config: Stats) -> anyhow::Result<()> {
    let mut onlooker = Onlooker::new(config.backend, &config.bpffs).await?;
    loop {
        let (report, _) = onlooker.report().await?;
        let report = report.select(&config.containers)?;
        let reached = print(&render(&report, &config.view)).context("write to standard output")?;
        match config.pace {
            Pace::Every(pace) if reached == Reader::Present => tokio::time::sleep(pace).await,
            _ => return Ok(()),
        }
    }
}
