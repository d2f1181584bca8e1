//! Sums over containers: by scope, by network, by project. What passes between two containers is in both, as it is in theirs.

use std::collections::BTreeMap;

use dtraf_common::abi::{Direction, Scope};

use super::{Group, Row, RowKey, RowTone, ports, project};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::ContainerId;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{Figures, RowState};
use crate::accounting::snapshot::Point;
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::tui::columns::Column;
use crate::view::tui::filter::Filter;
use crate::view::tui::growth::Pace;
use crate::view::tui::scene::Scene;

/// What some containers have together. A pace is that of those whose pace is known.
#[derive(Clone, Debug, Default)]
struct Sum {
    containers: usize,
    last: Option<ContainerId>,
    total: PerDirection<Amount>,
    pace: Option<PerDirection<Pace>>,
}

impl Sum {
    /// What one container adds; it may come several times in a row.
    fn add(&mut self, holder: Holder, total: PerDirection<Amount>, pace: Option<PerDirection<Pace>>) {
        if let Holder::Container(id) = holder
            && self.last != Some(id)
        {
            self.last = Some(id);
            self.containers += 1;
        }
        self.total += total;
        self.pace = match (self.pace, pace) {
            (Some(one), Some(other)) => Some([one, other].into_iter().sum()),
            (one, other) => one.or(other),
        };
    }
}

pub(super) fn scopes(scene: &Scene, filter: &Filter) -> Vec<Row> {
    let mut sums = BTreeMap::<Option<Scope>, Sum>::new();
    for (holder, figures) in scene.holders() {
        let earlier = ports::comparable(scene, holder, figures);
        for scope in scopes_of(figures) {
            let of = |figures: &Figures| {
                let amount = |direction: Direction| {
                    figures.book.scopes.get(direction).get(&scope).copied().unwrap_or_default()
                };
                PerDirection::from_fn(amount)
            };
            let total = of(figures);
            let pace =
                earlier.map(|earlier| earlier.between(&earlier.figures.map(of).unwrap_or_default(), &total));
            sums.entry(scope).or_default().add(holder, total, pace);
        }
    }
    let name = |scope: Option<Scope>| scope.map_or("(unknown)", names::scope).to_owned();
    let rows = sums.into_iter().map(|(scope, sum)| {
        let row = row(RowKey::Scope(scope), Column::Scope, name(scope), &sum);
        Row { count: None, ..row }
    });
    rows.filter(|row| admits(row, filter)).collect()
}

fn scopes_of(figures: &Figures) -> impl Iterator<Item = Option<Scope>> {
    let scopes = &figures.book.scopes;
    let mut found: Vec<_> = scopes.rx.keys().chain(scopes.tx.keys()).copied().collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter()
}

/// By the interfaces that there are. What those that are gone had counted has a row of its own.
pub(super) fn networks(scene: &Scene, filter: &Filter) -> Vec<Row> {
    let mut sums = BTreeMap::<Group, Sum>::new();
    for (holder, figures) in scene.holders() {
        let earlier = scene.earlier(holder);
        let row = scene.container_of(holder);
        for meter in &figures.meters {
            let pace = earlier.and_then(|earlier| earlier.pace_of(meter));
            let group = match (&meter.network, &meter.meter.point, row.map(|row| row.networks.as_slice())) {
                (Some(network), ..) | (None, Point::Addresses(_), Some([network])) => {
                    Group::Named(network.clone())
                }
                (None, Point::Addresses(_), Some([_, _, ..])) => Group::Other("(several networks)"),
                _ => Group::Other("(network unknown)"),
            };
            sums.entry(group).or_default().add(holder, meter.total, pace);
        }
        let open: PerDirection<Amount> = figures.meters.iter().map(|meter| meter.total).sum();
        let gone = PerDirection::from_fn(|direction| {
            let gone = figures.total.get(direction).since(open.get(direction));
            gone.map(|delta| delta.0).unwrap_or_default()
        });
        if !(gone.rx.is_zero() && gone.tx.is_zero()) {
            let group = Group::Other("(gone interfaces)");
            sums.entry(group).or_default().add(holder, gone, None);
        }
    }
    groups(sums, Column::Network, filter)
}

pub(super) fn projects(scene: &Scene, filter: &Filter) -> Vec<Row> {
    let mut sums = BTreeMap::<Group, Sum>::new();
    for (holder, figures) in scene.holders() {
        let group = match scene.container_of(holder) {
            None => Group::Other("(unattributed)"),
            Some(row) => match project(row) {
                Some(project) => Group::Named(project.to_owned()),
                None if row.state == RowState::Removed => Group::Other("(removed)"),
                None if row.state == RowState::Unknown => Group::Other("(unknown)"),
                None => Group::Other("(no project)"),
            },
        };
        sums.entry(group).or_default().add(holder, figures.total, scene.history.latest(holder));
    }
    groups(sums, Column::Project, filter)
}

fn groups(sums: BTreeMap<Group, Sum>, column: Column, filter: &Filter) -> Vec<Row> {
    let rows = sums.into_iter().map(|(group, sum)| {
        let name = match &group {
            Group::Named(name) => neutral(name).into_owned(),
            Group::Other(words) => (*words).to_owned(),
        };
        row(RowKey::Group(group), column, name, &sum)
    });
    rows.filter(|row| admits(row, filter)).collect()
}

fn admits(row: &Row, filter: &Filter) -> bool {
    filter.admits(row.texts.iter().map(|(_, text)| text.as_str()))
}

fn row(key: RowKey, column: Column, name: String, sum: &Sum) -> Row {
    Row {
        key,
        texts: vec![(column, name)],
        remark: None,
        tone: RowTone::Plain,
        count: Some(sum.containers),
        total: Some(sum.total),
        pace: sum.pace,
        kept: None,
    }
}
