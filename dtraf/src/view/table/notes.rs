//! What a table does not hold in its rows: said above and below it, so that no figure seems to be more than it is.

use super::rows::{is_shown, name};
use crate::accounting::amount::PerDirection;
use crate::accounting::attribution::{Coverage, Gap};
use crate::accounting::report::{ContainerRow, MeterRow, Refused, Report};
use crate::accounting::snapshot::{Point, Shortfall};
use crate::view::neutral::neutral;
use crate::view::units::Units;
use crate::view::{Detail, Fit, View, names};

/// Containers whose shortfall is named one by one unless everything is to be.
const SHORTFALLS: usize = 3;

/// One line: what counts where, in which unit, and how many containers.
pub(super) fn heading(report: &Report) -> String {
    let census = report.census();
    let place = format!(
        "{} on {}, {}, {}",
        names::backend(report.origin.backend),
        neutral(&report.origin.host),
        names::unit_in_words(report.origin.backend.unit()),
        names::second(report.taken_at),
    );
    let mut containers = vec![format!("{} counted", count(census.counted, "container"))];
    for (number, what) in [(census.elsewhere, "counted at another"), (census.not_counted, "not counted")] {
        if number > 0 {
            containers.push(format!("{number} {what}"));
        }
    }
    format!("{place}: {}", containers.join(", "))
}

/// Lines below it: why no better backend counts, and what this one does not see.
pub(super) fn circumstances(report: &Report) -> Vec<String> {
    let origin = &report.origin;
    let refused = |refused: &Refused| {
        format!("not by {}: {}", names::backend(refused.backend), neutral(&refused.reason))
    };
    let mut lines: Vec<_> = origin.refused.iter().map(refused).collect();
    if !origin.blind_spots.is_empty() {
        let subjects: Vec<_> = origin.blind_spots.iter().map(|spot| spot.subject()).collect();
        lines.push(format!("not seen: {} (`dtraf doctor` says why)", subjects.join("; ")));
    }
    lines
}

/// Lines below the table.
pub(super) fn notes(report: &Report, view: &View, left_out: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    for row in &report.containers {
        if let Coverage::Partly(gaps) = &row.coverage {
            let gap = |gap: &Gap| format!("{} ({})", neutral(&gap.network), neutral(&gap.reason.to_string()));
            let gaps: Vec<_> = gaps.iter().map(gap).collect();
            notes.push(format!("{}: not counted in {}", name(row), gaps.join(", ")));
        }
    }
    if view.detail == Detail::Peers && has_unknown_peers(report) {
        notes.push(format!(
            "{} does not see which container the other end is",
            names::backend(report.origin.backend)
        ));
    }
    notes.extend(shortfalls(report, view));
    for row in &report.unattributed {
        let interfaces: Vec<_> = row.figures.meters.iter().filter_map(interface).collect();
        let named =
            if interfaces.is_empty() { String::new() } else { format!(" ({})", interfaces.join(", ")) };
        notes.push(format!("unattributed: {}{named}", row.reason));
    }
    if let Some(orphans) = report.orphans.filter(|orphans| *orphans != PerDirection::default()) {
        let [rx, tx] = [orphans.rx, orphans.tx]
            .map(|amount| view.units.bytes(amount.frames.unwrap_or_default().wire_bytes));
        notes.push(format!(
            "in no total: received {rx} and transmitted {tx} by interfaces that dtraf does not know"
        ));
    }
    let hidden = report.containers.iter().filter(|row| !is_shown(row)).count();
    if hidden > 0 {
        notes.push(format!("not shown: {}, never counted", count(hidden, "stopped container")));
    }
    if !left_out.is_empty() {
        notes.push(format!("no room for {}; --no-trunc shows all", left_out.join(", ")));
    }
    notes
}

fn has_unknown_peers(report: &Report) -> bool {
    let mut figures = report.containers.iter().filter_map(|row| row.figures.as_ref());
    figures.any(|figures| figures.peers.is_none())
}

fn interface(row: &MeterRow) -> Option<String> {
    match &row.meter.point {
        Point::Interface { name, .. } => Some(neutral(name).into_owned()),
        Point::Addresses(_) => None,
    }
}

/// Traffic from before dtraf was attached.
fn shortfalls(report: &Report, view: &View) -> Vec<String> {
    let contained = report.containers.iter().filter_map(|row| Some((name(row), shortfall(row)?)));
    let short: Vec<_> = contained.filter(|(_, shortfall)| carried(shortfall)).collect();
    let shown = if view.fit == Fit::Whole { short.len() } else { SHORTFALLS };
    let mut notes: Vec<_> = short
        .iter()
        .take(shown)
        .map(|(name, shortfall)| shortfall_note(name, shortfall, view.units))
        .collect();
    if short.len() > shown {
        let more = short.len() - shown;
        notes.push(format!(
            "{} more carried traffic before dtraf was attached (--no-trunc)",
            count(more, "container")
        ));
    }
    notes
}

fn shortfall(row: &ContainerRow) -> Option<PerDirection<Shortfall>> {
    row.figures.as_ref().and_then(|figures| figures.book.shortfall)
}

fn carried(shortfall: &PerDirection<Shortfall>) -> bool {
    [shortfall.rx, shortfall.tx].iter().any(|direction| direction.skb_bytes > 0 || direction.skbs > 0)
}

fn shortfall_note(name: &str, shortfall: &PerDirection<Shortfall>, units: Units) -> String {
    let bytes = |direction: Shortfall| {
        let bound = if direction.settled { "" } else { "at most " };
        format!("{bound}{}", units.bytes(direction.skb_bytes))
    };
    let (rx, tx) = (bytes(shortfall.rx), bytes(shortfall.tx));
    format!(
        "{name}: received {rx} and transmitted {tx} (skb bytes) before dtraf was attached; not in the totals"
    )
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
