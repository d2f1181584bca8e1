//! Where reports go: nowhere, to standard output one after another, or to the live view.

use std::pin::pin;
use std::time::Instant;

use anyhow::Context as _;

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::inventory::Inventory;
use crate::accounting::kept::Kept;
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Earlier, Marks, Origin, Report};
use crate::clock;
use crate::config::Show;
use crate::live::Live;
use crate::terminal::{Reader, print};
use crate::view::tui::{Event, Occasion};
use crate::view::{Format, View, render};

/// What is said when the view is left: it is not the counting that has ended.
const LEFT: &str = "The view is closed, counting goes on: `dtraf uninstall` stops and removes it.\n";

/// Shows reports, each with the rates since the one before it.
pub(super) struct Display {
    to: Destination,
    origin: Origin,
    last: Option<(Instant, Marks)>,
    /// Somebody has left the view while other work was being done.
    left: bool,
}

enum Destination {
    Nowhere,
    Output(View),
    Screen(Box<Live>),
}

impl Display {
    /// Takes the terminal, where there is a live view to show.
    pub(super) fn open(show: Show, origin: Origin) -> anyhow::Result<Self> {
        let to = match show {
            Show::Nothing => Destination::Nowhere,
            Show::Reports(view) => Destination::Output(view),
            Show::Live(opening) => Destination::Screen(Box::new(Live::show(opening, Occasion::Run)?)),
        };
        Ok(Self { to, origin, last: None, left: false })
    }

    pub(super) fn show(
        &mut self,
        ledger: &Ledger,
        inventory: &Inventory,
        orphans: Option<PerDirection<Amount>>,
    ) -> anyhow::Result<Reader> {
        if matches!(self.to, Destination::Nowhere) {
            return Ok(Reader::Present);
        }
        let instant = clock::instant();
        let earlier = self
            .last
            .as_ref()
            .map(|(at, marks)| Earlier { marks, elapsed: instant.saturating_duration_since(*at) });
        let report = Report::new(ledger, inventory, self.origin.clone(), clock::now(), earlier);
        let report = Report { orphans, ..report };
        self.last = Some((instant, report.marks.clone()));
        match &mut self.to {
            Destination::Nowhere => Ok(Reader::Present),
            Destination::Output(view) => print(&text(&report, view)).context("write to standard output"),
            Destination::Screen(live) => Ok(live.report(report, instant)?),
        }
    }

    /// What somebody does at the live view; never, without one.
    pub(super) async fn next(&mut self) -> Event {
        match &mut self.to {
            Destination::Screen(live) if !self.left => live.next().await,
            Destination::Screen(_) => Event::Gone,
            Destination::Nowhere | Destination::Output(_) => std::future::pending().await,
        }
    }

    /// Has the live view show what the ledger has.
    pub(super) fn keep(&mut self, kept: Option<Kept>) -> anyhow::Result<Reader> {
        kept.map_or(Ok(Reader::Present), |kept| self.take(Event::Kept(kept)))
    }

    /// Answers it.
    pub(super) fn take(&mut self, event: Event) -> anyhow::Result<Reader> {
        match &mut self.to {
            Destination::Screen(live) => Ok(live.take(event)?),
            Destination::Nowhere | Destination::Output(_) => Ok(Reader::Present),
        }
    }

    /// Does the work, and answers keys while it waits for others.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                event = self.next(), if !self.left => match self.take(event) {
                    Ok(Reader::Present) => {}
                    Ok(Reader::Gone) => self.left = true,
                    Err(error) => {
                        log::error!("{error:#}");
                        self.left = true;
                    }
                },
            }
        }
    }

    /// Gives the terminal back, and says what goes on.
    pub(super) fn close(self) {
        if let Destination::Screen(live) = self.to {
            drop(live);
            // A terminal that is gone has nobody to tell.
            drop(print(LEFT));
        }
    }
}

fn text(report: &Report, view: &View) -> String {
    let text = render(report, view);
    match view.format {
        // One after another, with a line between.
        Format::Table => text + "\n",
        Format::Json => text,
    }
}
