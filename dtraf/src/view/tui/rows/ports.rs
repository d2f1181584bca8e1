//! One row for each port of a container, and one for each bucket that has something.

use std::collections::BTreeMap;

use dtraf_common::abi::Role;

use super::{Ask, Counted, Present, Row, RowKey, RowTone, containers, words};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::folding::refold;
use crate::accounting::ledger::{Book, Holder};
use crate::accounting::report::Figures;
use crate::accounting::snapshot::{Bucket, Port};
use crate::view::names;
use crate::view::tui::columns::Column;
use crate::view::tui::filter::Filter;
use crate::view::tui::growth::{Earlier, Pace};
use crate::view::tui::scene::Scene;
use crate::view::tui::sheet::Focus;

type Both = PerDirection<Amount>;

pub(super) fn of_everyone(scene: &Scene, ask: &Ask<'_>) -> (Vec<Row>, usize) {
    let mut hidden = 0;
    let mut rows = Vec::new();
    for (holder, figures) in scene.holders() {
        let container = scene.container_of(holder);
        if container.is_some_and(|row| Present::All.admits(row) && !ask.present.admits(row)) {
            hidden += 1;
            continue;
        }
        let name = container.map_or_else(|| containers::unowned().to_owned(), containers::name);
        let its_words =
            if ask.filter.is_empty() { Vec::new() } else { container.map(words).unwrap_or_default() };
        let filter = ask.filter.unmet(its_words.iter().map(AsRef::as_ref));
        for mut row in of_figures(scene, holder, figures) {
            row.texts.push((Column::Name, name.clone()));
            if filter.admits(row.texts.iter().map(|(_, text)| text.as_str())) {
                rows.push(row);
            }
        }
    }
    (rows, hidden)
}

pub(super) fn of(scene: &Scene, holder: Holder, filter: &Filter) -> Vec<Row> {
    let Some(figures) = scene.figures(holder) else { return Vec::new() };
    let mut rows = of_figures(scene, holder, figures);
    rows.retain(|row| filter.admits(row.texts.iter().map(|(_, text)| text.as_str())));
    rows
}

/// The port that is the fastest now; where nothing moves, or totals are ranked, the one with the greatest total.
pub(super) fn busiest(scene: &Scene, holder: Holder, figures: &Figures, ask: &Ask<'_>) -> String {
    let weigh = |both: &Both| {
        let bytes = |amount| ask.measure.bytes(amount).unwrap_or_default();
        bytes(&both.rx).saturating_add(bytes(&both.tx))
    };
    let ports = merged(figures, comparable(scene, holder, figures));
    let fastest = ports.iter().map(|(port, sum)| {
        let pace = sum.pace.map(|pace| PerDirection { rx: *pace.rx.amount(), tx: *pace.tx.amount() });
        (pace.map_or(0, |pace| weigh(&pace)), *port)
    });
    let fastest = fastest.filter(|_| ask.focus == Focus::Rate);
    let greatest = ports.iter().map(|(port, sum)| (weigh(&sum.total), *port));
    let most = [fastest.max(), greatest.max()].into_iter().flatten().find(|(weight, _)| *weight > 0);
    most.map_or_else(|| "-".to_owned(), |(_, port)| label(port))
}

/// `80/tcp` of its own, `>443/tcp` of another's.
fn label(port: Counted) -> String {
    let name = names::port(port.protocol, port.port, port.role);
    if matches!(port.role, Role::Client | Role::ClientOther) { format!(">{name}") } else { name }
}

/// What the sums of a holder are to be compared with, if they can be.
pub(super) fn comparable<'a>(scene: &'a Scene, holder: Holder, figures: &Figures) -> Option<Earlier<'a>> {
    scene.earlier(holder).filter(|earlier| earlier.is_comparable(figures))
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    total: Both,
    pace: Option<PerDirection<Pace>>,
}

/// Ports with both address families together.
fn merged(figures: &Figures, earlier: Option<Earlier<'_>>) -> BTreeMap<Counted, Sum> {
    let now = &figures.book.ports;
    let before = earlier.and_then(|earlier| earlier.figures).map(|figures| &figures.book.ports);
    let refolded = before.and_then(|before| refold(before, now));
    let before = refolded.as_ref().map(|refolded| &refolded.earlier).or(before);
    let mut merged = BTreeMap::<Counted, Sum>::new();
    for (port, total) in now {
        let before = before.and_then(|ports| ports.get(port)).copied().unwrap_or_default();
        let pace = earlier.map(|earlier| earlier.between(&before, total));
        add(&mut merged, Counted::of(*port), *total, pace);
    }
    merged
}

fn add(merged: &mut BTreeMap<Counted, Sum>, port: Counted, total: Both, pace: Option<PerDirection<Pace>>) {
    merged
        .entry(port)
        .and_modify(|sum| {
            sum.total += total;
            sum.pace = sum.pace.zip(pace).map(|(one, other)| [one, other].into_iter().sum());
        })
        .or_insert(Sum { total, pace });
}

fn of_figures(scene: &Scene, holder: Holder, figures: &Figures) -> Vec<Row> {
    let earlier = comparable(scene, holder, figures);
    let mut labels = BTreeMap::<Counted, Vec<String>>::new();
    if let Some(row) = scene.container_of(holder) {
        for port in figures.book.ports.keys() {
            labels.entry(Counted::of(*port)).or_default().extend(row.mappings(port).map(names::mapping));
        }
    }
    let ports = merged(figures, earlier).into_iter().map(|(port, sum)| {
        let mut labels = labels.remove(&port).unwrap_or_default();
        labels.sort_unstable();
        labels.dedup();
        let role = if port.role == Role::Portless { "-" } else { names::role(port.role) };
        let texts = vec![
            (Column::Port, names::port(port.protocol, port.port, port.role)),
            (Column::Role, role.to_owned()),
            (Column::Scope, port.scope.map_or("-", names::scope).to_owned()),
            (Column::Published, if labels.is_empty() { "-".to_owned() } else { labels.join(", ") }),
        ];
        row(RowKey::Port(holder, port), texts, sum)
    });
    ports.chain(buckets(holder, figures, earlier)).collect()
}

/// What stands under no port, where there is any.
fn buckets(holder: Holder, figures: &Figures, earlier: Option<Earlier<'_>>) -> Vec<Row> {
    let of = |book: &Book, bucket| {
        PerDirection::from_fn(|direction| {
            book.buckets.get(direction).get(&bucket).copied().unwrap_or_default()
        })
    };
    let rows = Bucket::all().filter_map(|bucket| {
        let total = of(&figures.book, bucket);
        if total.rx.is_zero() && total.tx.is_zero() {
            return None;
        }
        let pace = earlier.map(|earlier| {
            let before = earlier.figures.map(|figures| of(&figures.book, bucket)).unwrap_or_default();
            earlier.between(&before, &total)
        });
        let texts = vec![(Column::Port, format!("({})", names::bucket(bucket)))];
        Some(row(RowKey::Bucket(holder, bucket), texts, Sum { total, pace }))
    });
    rows.collect()
}

fn row(key: RowKey, texts: Vec<(Column, String)>, sum: Sum) -> Row {
    Row {
        key,
        texts,
        remark: None,
        tone: RowTone::Plain,
        count: None,
        total: Some(sum.total),
        pace: sum.pace,
        kept: None,
    }
}

impl Counted {
    fn of(port: Port) -> Self {
        Self { protocol: port.protocol, port: port.port, role: port.role, scope: port.scope }
    }
}
