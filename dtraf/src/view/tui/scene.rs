//! A report and the ones before it: what a screen is made from. A scene is copied to hold it still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::growth::Earlier;
use super::history::History;
use crate::accounting::identity::ContainerId;
use crate::accounting::kept::Kept;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{ContainerRow, Figures, Report};

#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(super) report: Report,
    places: Places,
    before: Option<Before>,
    pub(super) history: History,
    /// `None` where no ledger could be read.
    pub(super) kept: Option<Arc<Kept>>,
}

/// The report before.
#[derive(Clone, Debug)]
struct Before {
    report: Report,
    places: Places,
    elapsed: Duration,
}

/// Where containers stand in a report.
type Places = BTreeMap<ContainerId, usize>;

impl Scene {
    pub(super) fn new(report: Report) -> Self {
        Self { places: places(&report), report, before: None, history: History::default(), kept: None }
    }

    /// Takes the next report. Without the time since the last one there are no rates between them.
    pub(super) fn advance(&mut self, report: Report, elapsed: Option<Duration>) {
        let places = places(&report);
        let old_report = std::mem::replace(&mut self.report, report);
        let old_places = std::mem::replace(&mut self.places, places);
        let elapsed = elapsed.filter(|elapsed| !elapsed.is_zero());
        self.before = elapsed.map(|elapsed| Before { report: old_report, places: old_places, elapsed });
        if let Some(elapsed) = elapsed {
            let samples: Vec<_> = self
                .holders()
                .map(|(holder, figures)| {
                    (holder, self.earlier(holder).and_then(|earlier| earlier.pace(figures)))
                })
                .collect();
            self.history.push(elapsed, samples);
        }
    }

    /// What a holder had in the report before.
    pub(super) fn earlier(&self, holder: Holder) -> Option<Earlier<'_>> {
        let Before { report, places, elapsed } = self.before.as_ref()?;
        let figures = figures(report, places, holder);
        Some(Earlier { figures, taken_at: report.taken_at, elapsed: *elapsed })
    }

    /// Everyone who has figures.
    pub(super) fn holders(&self) -> impl Iterator<Item = (Holder, &Figures)> {
        let containers = self.report.containers.iter();
        let containers =
            containers.filter_map(|row| Some((Holder::Container(row.id), row.figures.as_ref()?)));
        let others = self.report.unattributed.iter();
        containers.chain(others.map(|row| (Holder::Unattributed(row.reason), &row.figures)))
    }

    pub(super) fn container(&self, id: ContainerId) -> Option<&ContainerRow> {
        self.report.containers.get(*self.places.get(&id)?)
    }

    /// The container that a holder is.
    pub(super) fn container_of(&self, holder: Holder) -> Option<&ContainerRow> {
        match holder {
            Holder::Container(id) => self.container(id),
            Holder::Unattributed(_) => None,
        }
    }

    pub(super) fn figures(&self, holder: Holder) -> Option<&Figures> {
        figures(&self.report, &self.places, holder)
    }
}

fn places(report: &Report) -> Places {
    report.containers.iter().enumerate().map(|(at, row)| (row.id, at)).collect()
}

fn figures<'a>(report: &'a Report, places: &Places, holder: Holder) -> Option<&'a Figures> {
    match holder {
        Holder::Container(id) => report.containers.get(*places.get(&id)?)?.figures.as_ref(),
        Holder::Unattributed(reason) => {
            let row = report.unattributed.iter().find(|row| row.reason == reason)?;
            Some(&row.figures)
        }
    }
}
