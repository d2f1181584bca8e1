//! `dtraf top`: the live view beside a dtraf that counts. It attaches nothing, and leaves nothing behind.

use std::time::Instant;

use anyhow::{Context as _, bail};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::accounting::report::Report;
use crate::config::Top;
use crate::daemon::Signals;
use crate::live::Live;
use crate::stats::Onlooker;
use crate::terminal::Reader;
use crate::view::tui::Occasion;

type Reading = anyhow::Result<(Report, Instant)>;

pub(crate) async fn run(config: Top) -> anyhow::Result<()> {
    let mut signals = Signals::new(true)?;
    let opening = config.opening;
    let mut readings = readings(config)?;
    // What cannot be read is told before the terminal is taken.
    let Some(first) = readings.recv().await else { return Ok(()) };
    let (report, taken) = first?;
    let mut live = Live::show(opening, Occasion::Top)?;
    live.report(report, taken)?;
    loop {
        let reader = tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            event = live.next() => live.take(event)?,
            reading = readings.recv() => match reading {
                Some(Ok((report, taken))) => live.report(report, taken)?,
                // The next reading is another chance.
                Some(Err(error)) => {
                    log::error!("{error:#}");
                    Reader::Present
                }
                None => bail!("the thread that reads has ended"),
            },
        };
        if reader == Reader::Gone {
            return Ok(());
        }
    }
}

/// Reads in a thread of its own: whoever types does not wait for Docker or a firewall. The first reading is the last one when it
/// fails.
fn readings(config: Top) -> anyhow::Result<mpsc::Receiver<Reading>> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start the reading")?;
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || runtime.block_on(read(config, sender)));
    Ok(receiver)
}

async fn read(config: Top, readings: mpsc::Sender<Reading>) {
    let mut onlooker = match Onlooker::new(config.backend, &config.bpffs).await {
        Ok(onlooker) => onlooker,
        Err(error) => return drop(readings.send(Err(error)).await),
    };
    let mut ticks = interval(config.pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if readings.send(onlooker.report().await).await.is_err() {
            return;
        }
    }
}
