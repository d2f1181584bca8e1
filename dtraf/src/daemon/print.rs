//! From the books to standard output.

use std::time::Instant;

use anyhow::Context as _;

use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::inventory::Inventory;
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Earlier, Marks, Origin, Report};
use crate::clock;
use crate::terminal::{Reader, Stdout, print};
use crate::view::screen::redraw;
use crate::view::{Fit, Format, View, render};

/// Prints reports, each with the rates since the one before it.
pub(super) struct Printer {
    /// `None`: nothing is printed.
    view: Option<View>,
    origin: Origin,
    last: Option<(Instant, Marks)>,
}

impl Printer {
    pub(super) fn new(view: Option<View>, origin: Origin) -> Self {
        Self { view, origin, last: None }
    }

    pub(super) fn print(
        &mut self,
        ledger: &Ledger,
        inventory: &Inventory,
        orphans: Option<PerDirection<Amount>>,
    ) -> anyhow::Result<Reader> {
        let Some(view) = self.view else { return Ok(Reader::Present) };
        let instant = clock::instant();
        let earlier = self
            .last
            .as_ref()
            .map(|(at, marks)| Earlier { marks, elapsed: instant.saturating_duration_since(*at) });
        let report = Report::new(ledger, inventory, self.origin.clone(), clock::now(), earlier);
        let report = Report { orphans, ..report };
        let text = shown(&report, view);
        self.last = Some((instant, report.marks));
        print(&text).context("write to standard output")
    }
}

/// The report as it is to be written: over the one before it on a terminal, behind it elsewhere.
fn shown(report: &Report, view: View) -> String {
    match (view.format, Stdout::look()) {
        (Format::Table, Stdout::Terminal { columns, rows, .. }) => {
            let fit = if view.fit == Fit::Whole { Fit::Whole } else { Fit::Columns(columns) };
            redraw(&render(report, &View { fit, ..view }), rows)
        }
        (Format::Table, Stdout::Elsewhere) => render(report, &view) + "\n",
        (Format::Json, _) => render(report, &view),
    }
}
