//! A report's rows as cells.

use std::collections::BTreeMap;

use dtraf_common::abi::{Direction, Role};

use super::layout::{Align, Cell, Column, Line, Tone};
use super::peers::{self, Called};
use crate::accounting::amount::{Amount, PerDirection, Unit};
use crate::accounting::attribution::Coverage;
use crate::accounting::report::{ContainerRow, Figures, Rate, Report, RowState};
use crate::accounting::snapshot::{Bucket, Port};
use crate::view::neutral::neutral;
use crate::view::{Detail, Fit, RateUnit, View, names};

/// Ports of a container that are shown one by one unless everything is to be.
const PORTS: usize = 10;
/// Removed containers that are shown one by one unless everything is to be.
const REMOVED: usize = 10;

/// Columns that hold figures begin here.
const TEXTS: usize = 4;

/// How amounts are written in one report.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) view: &'a View,
    unit: Unit,
}

impl Look<'_> {
    fn bytes(&self, amount: &Amount) -> String {
        known(self.unit.bytes(amount).map(|bytes| self.view.units.bytes(bytes)))
    }

    fn packets(&self, amount: &Amount) -> String {
        known(self.unit.packets(amount).map(|packets| packets.to_string()))
    }

    fn rate(&self, rate: Option<&Rate>) -> String {
        known(rate.and_then(|rate| rate.bytes(self.unit)).map(|rate| match self.view.rate_unit {
            RateUnit::Bytes => self.view.units.bytes(rate),
            RateUnit::Bits => self.view.units.bits(rate),
        }))
    }

    pub(super) fn weight(&self, amounts: &PerDirection<Amount>) -> u64 {
        let bytes = |amount| self.unit.bytes(amount).unwrap_or_default();
        bytes(&amounts.rx).saturating_add(bytes(&amounts.tx))
    }
}

fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

pub(super) fn columns(detail: Detail) -> Vec<Column> {
    let name_floor = match detail {
        Detail::Containers => 12,
        Detail::Ports | Detail::Peers => 28,
    };
    let text = |title, floor, rank| Column { title, align: Align::Left, floor: Some(floor), rank };
    let figure = |title, rank| Column { title, align: Align::Right, floor: None, rank };
    vec![
        text("CONTAINER", name_floor, None),
        text("NETWORKS", 8, Some(2)),
        text("ADDRESSES", 15, Some(3)),
        text("PORTS", 12, Some(4)),
        figure("RX/S", None),
        figure("TX/S", None),
        figure("RX TOTAL", None),
        figure("TX TOTAL", None),
        figure("RX PKTS", Some(0)),
        figure("TX PKTS", Some(0)),
        Column { title: "SINCE", align: Align::Left, floor: None, rank: Some(1) },
    ]
}

pub(super) fn rows(report: &Report, view: &View) -> Vec<Line> {
    let called = Called::of(report);
    let look = Look { view, unit: report.origin.backend.unit() };
    let is_removed = |row: &&ContainerRow| row.state == RowState::Removed;
    let mut removed: Vec<_> = report.containers.iter().filter(is_removed).collect();
    removed.sort_by_key(|row| {
        std::cmp::Reverse(row.figures.as_ref().map(|figures| look.weight(&figures.total)))
    });
    let shown = if view.fit == Fit::Whole { removed.len() } else { removed.len().min(REMOVED) };
    let (shown, others) = removed.split_at(shown);

    let present = report.containers.iter().filter(|row| !is_removed(row) && is_shown(row));
    let mut lines: Vec<_> =
        present.chain(shown.iter().copied()).flat_map(|row| container(row, &called, look)).collect();
    if !others.is_empty() {
        let total: PerDirection<Amount> =
            others.iter().filter_map(|row| row.figures.as_ref()).map(|figures| figures.total).sum();
        lines.push(sum_line(format!("({} more removed)", others.len()), &total, look));
    }
    for row in &report.unattributed {
        let texts = [Cell::Text("<unattributed>".to_owned()), none(), none(), none()];
        lines.push(Line { tone: Tone::Warning, ..figures_line(texts, &row.figures, look) });
        lines.extend(detail(&row.figures, |_| Vec::new(), &called, look));
    }
    lines
}

/// A container that does not run and never counted has nothing to say; how many there are stands below the table.
pub(super) fn is_shown(row: &ContainerRow) -> bool {
    row.state == RowState::Running || row.figures.is_some()
}

fn container(row: &ContainerRow, called: &Called, look: Look<'_>) -> Vec<Line> {
    let described = row.described.as_ref();
    let mut mappings: Vec<_> =
        described.iter().flat_map(|described| &described.published).map(names::mapping).collect();
    mappings.dedup();
    let addresses = described.iter().flat_map(|described| &described.addresses).map(ToString::to_string);
    let texts = [
        Cell::Text(name(row)),
        list(row.networks.iter().map(|network| neutral(network).into_owned()).collect()),
        list(addresses.collect()),
        list(mappings),
    ];
    match (&row.figures, &row.coverage) {
        (Some(figures), _) => {
            let mut lines = vec![figures_line(texts, figures, look)];
            let mappings = |port: &Port| row.mappings(port).map(names::mapping).collect();
            lines.extend(detail(figures, mappings, called, look));
            lines
        }
        (None, Coverage::SharedWith(other)) => {
            vec![remark_line(texts, format!("counted at {}", neutral(&other.name)), Tone::Detail)]
        }
        (None, Coverage::NotCounted(reason)) => {
            vec![remark_line(texts, format!("not counted: {}", neutral(&reason.to_string())), Tone::Warning)]
        }
        (None, Coverage::Counted | Coverage::Partly(_)) => {
            vec![remark_line(texts, "not counted yet".to_owned(), Tone::Warning)]
        }
    }
}

/// The name, and what sets the container apart from a running one of the same name.
pub(in crate::view) fn name(row: &ContainerRow) -> String {
    let name = neutral(&row.name);
    match row.state {
        RowState::Running => name.into_owned(),
        RowState::Stopped => format!("{name} (stopped)"),
        RowState::Unknown => format!("{name} (?)"),
        RowState::Removed => format!("{name} (removed {})", row.id.to_short()),
    }
}

fn none() -> Cell {
    Cell::Text("-".to_owned())
}

fn list(items: Vec<String>) -> Cell {
    if items.is_empty() { none() } else { Cell::List(items) }
}

fn remark_line(texts: [Cell; TEXTS], remark: String, tone: Tone) -> Line {
    Line { cells: texts.into(), remark: Some(remark), tone }
}

fn figures_line(texts: [Cell; TEXTS], figures: &Figures, look: Look<'_>) -> Line {
    let rate = |direction| look.rate(figures.rate.as_ref().map(|rate| rate.get(direction)));
    let mut line = amounts_line(texts, Direction::ALL.map(rate), &figures.total, look);
    line.cells.push(figures.book.since.map_or_else(none, |since| Cell::Text(names::minute(since))));
    line
}

/// A line of totals without rates.
pub(super) fn sum_line(label: String, total: &PerDirection<Amount>, look: Look<'_>) -> Line {
    let texts = [Cell::Text(label), blank(), blank(), blank()];
    amounts_line(texts, [String::new(), String::new()], total, look)
}

fn amounts_line(
    texts: [Cell; TEXTS],
    rates: [String; 2],
    total: &PerDirection<Amount>,
    look: Look<'_>,
) -> Line {
    let bytes = [total.rx, total.tx].map(|amount| look.bytes(&amount));
    let packets = [total.rx, total.tx].map(|amount| look.packets(&amount));
    let figures = rates.into_iter().chain(bytes).chain(packets).map(Cell::Text);
    Line { cells: texts.into_iter().chain(figures).collect(), remark: None, tone: Tone::Plain }
}

fn blank() -> Cell {
    Cell::Text(String::new())
}

/// What was asked for of a container.
fn detail(
    figures: &Figures,
    mappings: impl Fn(&Port) -> Vec<String>,
    called: &Called,
    look: Look<'_>,
) -> Vec<Line> {
    let mut lines = match (look.view.detail, &figures.peers) {
        (Detail::Containers, _) | (Detail::Peers, None) => Vec::new(),
        (Detail::Ports, _) => ports_and_buckets(figures, mappings, look),
        (Detail::Peers, Some(peers)) => peers::lines(peers, called, look),
    };
    for line in &mut lines {
        line.tone = Tone::Detail;
    }
    lines
}

/// The ports of a container, the busiest first and both address families together, and its buckets.
fn ports_and_buckets(
    figures: &Figures,
    mappings: impl Fn(&Port) -> Vec<String>,
    look: Look<'_>,
) -> Vec<Line> {
    let mut lines = ports(figures, mappings, look);
    for bucket in Bucket::all() {
        let amount =
            |direction| figures.book.buckets.get(direction).get(&bucket).copied().unwrap_or_default();
        let amounts = PerDirection::from_fn(amount);
        if !(amounts.rx.is_zero() && amounts.tx.is_zero()) {
            lines.push(sum_line(format!("  ({})", names::bucket(bucket)), &amounts, look));
        }
    }
    lines
}

fn ports(figures: &Figures, mappings: impl Fn(&Port) -> Vec<String>, look: Look<'_>) -> Vec<Line> {
    let mut merged = BTreeMap::<_, (PerDirection<Amount>, Vec<String>)>::new();
    for (port, amounts) in &figures.book.ports {
        let (sum, labels) = merged.entry((port.protocol, port.port, port.role, port.scope)).or_default();
        *sum += *amounts;
        labels.extend(mappings(port));
        labels.sort_unstable();
        labels.dedup();
    }
    let mut merged: Vec<_> = merged.into_iter().collect();
    merged.sort_by_key(|(_, (sum, _))| std::cmp::Reverse(look.weight(sum)));
    let shown = if look.view.fit == Fit::Whole { merged.len() } else { merged.len().min(PORTS) };
    let (shown, others) = merged.split_at(shown);

    let mut lines = Vec::new();
    for ((protocol, port, role, scope), (sum, labels)) in shown {
        let name = names::port(*protocol, *port, *role);
        let role = (*role != Role::Portless).then(|| names::role(*role));
        let words = role.into_iter().chain(scope.map(names::scope));
        let label = words.fold(format!("  {name}"), |label, word| format!("{label} {word}"));
        let mut line = sum_line(label, sum, look);
        if !labels.is_empty() {
            line.cells[3] = Cell::List(labels.clone());
        }
        lines.push(line);
    }
    if !others.is_empty() {
        let total = others.iter().map(|(_, (sum, _))| *sum).sum();
        lines.push(sum_line(format!("  ({} more ports)", others.len()), &total, look));
    }
    lines
}
