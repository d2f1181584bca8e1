//! `dtraf top`: the live view beside a dtraf that counts. It attaches nothing, and leaves nothing behind.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::accounting::identity::Timestamp;
use crate::accounting::kept::Kept;
use crate::accounting::report::Report;
use crate::clock;
use crate::config::Top;
use crate::config::file::File;
use crate::daemon::Signals;
use crate::live::Live;
use crate::stats::Onlooker;
use crate::store::{Archive, StoreError};
use crate::terminal::Reader;
use crate::view::tui::{Event, Occasion};

/// What counters say, and what the ledger has if that is new.
struct Reading {
    report: Report,
    taken: Instant,
    kept: Option<Kept>,
}

pub(crate) async fn run(config: Top) -> anyhow::Result<()> {
    let mut signals = Signals::new(true)?;
    let opening = config.opening;
    let mut readings = readings(config)?;
    // What cannot be read is told before the terminal is taken.
    let Some(first) = readings.recv().await else { return Ok(()) };
    let first = first?;
    let mut live = Live::show(opening, Occasion::Top)?;
    let mut reader = show(&mut live, first)?;
    while reader == Reader::Present {
        reader = tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            event = live.next() => live.take(event)?,
            reading = readings.recv() => match reading {
                Some(Ok(reading)) => show(&mut live, reading)?,
                // The next reading is another chance.
                Some(Err(error)) => {
                    log::error!("{error:#}");
                    Reader::Present
                }
                None => bail!("the thread that reads has ended"),
            },
        };
    }
    Ok(())
}

fn show(live: &mut Live, reading: Reading) -> anyhow::Result<Reader> {
    let Reading { report, taken, kept } = reading;
    if let Some(kept) = kept
        && live.take(Event::Kept(kept))? == Reader::Gone
    {
        return Ok(Reader::Gone);
    }
    Ok(live.report(report, taken)?)
}

/// Reads in a thread of its own: whoever types does not wait for Docker or a firewall. The first reading is the last one when it
/// fails.
fn readings(config: Top) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Reading>>> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start the reading")?;
    let (sender, receiver) = mpsc::channel(1);
    let settings = File::read(config.file.as_deref())?;
    std::thread::spawn(move || runtime.block_on(read(config, settings, sender)));
    Ok(receiver)
}

async fn read(config: Top, settings: File, readings: mpsc::Sender<anyhow::Result<Reading>>) {
    let mut onlooker = match Onlooker::new(config.backend, &config.bpffs).await {
        Ok(onlooker) => onlooker,
        Err(error) => return drop(readings.send(Err(error)).await),
    };
    let mut books = Books { path: config.path, settings, seen: None };
    let mut ticks = interval(config.pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let report = onlooker.report().await;
        let kept = books.fresh();
        if readings.send(report.map(|(report, taken)| Reading { report, taken, kept })).await.is_err() {
            return;
        }
    }
}

/// The ledger that the other dtraf writes, where there is one.
struct Books {
    path: PathBuf,
    settings: File,
    /// Up to when it was written when it was looked at.
    seen: Option<Timestamp>,
}

impl Books {
    /// What is in it, where something was written since.
    fn fresh(&mut self) -> Option<Kept> {
        self.read().inspect_err(|error| log::debug!("the ledger is not shown: {error}")).ok().flatten()
    }

    fn read(&mut self) -> Result<Option<Kept>, StoreError> {
        let archive = Archive::open(&self.path)?;
        let written = archive.written_at()?;
        if written.is_none() || written == self.seen {
            return Ok(None);
        }
        let kept = archive.kept(&self.settings.declared, clock::now(), archive.zones())?;
        self.seen = written;
        Ok(Some(kept))
    }
}
