//! One row for each container, and one for each reason why nobody owns something.

use super::{Ask, Present, Row, RowKey, RowTone, ports, project, words};
use crate::accounting::attribution::Coverage;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{ContainerRow, Figures, RowState};
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::tui::columns::Column;
use crate::view::tui::scene::Scene;

pub(super) fn rows(scene: &Scene, ask: &Ask<'_>) -> (Vec<Row>, usize) {
    let mut hidden = 0;
    let mut rows = Vec::new();
    for row in scene.report.containers.iter().filter(|row| Present::All.admits(row)) {
        if !ask.filter.is_empty() && !ask.filter.admits(all_words(row).iter().map(String::as_str)) {
            continue;
        }
        if ask.present.admits(row) {
            rows.push(container(scene, row, ask));
        } else {
            hidden += 1;
        }
    }
    for row in &scene.report.unattributed {
        let name = unowned();
        let reason = row.reason.to_string();
        if ask.filter.admits([name, reason.as_str()]) {
            let texts = vec![(Column::Name, name.to_owned())];
            let holder = Holder::Unattributed(row.reason);
            rows.push(figures(scene, holder, texts, Some(&row.figures), RowTone::Warning, ask));
        }
    }
    (rows, hidden)
}

pub(super) fn unowned() -> &'static str {
    "<unattributed>"
}

/// The name, and what sets the container apart from a running one of the same name.
pub(super) fn name(row: &ContainerRow) -> String {
    crate::view::table::name(row)
}

/// What a filter looks at.
fn all_words(row: &ContainerRow) -> Vec<String> {
    let mut all: Vec<_> = words(row).into_iter().map(std::borrow::Cow::into_owned).collect();
    if let Some(described) = &row.described {
        all.extend(described.published.iter().map(names::mapping));
    }
    if let Some(figures) = &row.figures {
        all.extend(figures.book.ports.keys().map(|port| names::port(port.protocol, port.port, port.role)));
    }
    all
}

fn container(scene: &Scene, row: &ContainerRow, ask: &Ask<'_>) -> Row {
    let joined = |items: Vec<String>| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
    let described = row.described.as_ref();
    let addresses = described.iter().flat_map(|described| &described.addresses).map(ToString::to_string);
    let mut published: Vec<_> =
        described.iter().flat_map(|described| &described.published).map(names::mapping).collect();
    published.dedup();
    let texts = vec![
        (Column::Name, name(row)),
        (Column::Project, project(row).map_or_else(|| "-".to_owned(), |name| neutral(name).into_owned())),
        (
            Column::Networks,
            joined(row.networks.iter().map(|network| neutral(network).into_owned()).collect()),
        ),
        (Column::Address, joined(addresses.collect())),
        (Column::Published, joined(published)),
    ];
    let tone = match (row.state, &row.coverage) {
        (RowState::Running, Coverage::NotCounted(_)) => RowTone::Warning,
        (RowState::Running, Coverage::Counted | Coverage::Partly(_)) => RowTone::Plain,
        _ => RowTone::Faint,
    };
    figures(scene, Holder::Container(row.id), texts, row.figures.as_ref(), tone, ask).with_remark(remark(row))
}

/// Why there are no figures.
pub(in crate::view::tui) fn remark(row: &ContainerRow) -> Option<String> {
    if row.figures.is_some() {
        return None;
    }
    Some(match &row.coverage {
        Coverage::SharedWith(other) => format!("counted at {}", neutral(&other.name)),
        Coverage::NotCounted(reason) => format!("not counted: {}", neutral(&reason.to_string())),
        Coverage::Counted | Coverage::Partly(_) => "not counted yet".to_owned(),
    })
}

fn figures(
    scene: &Scene,
    holder: Holder,
    mut texts: Vec<(Column, String)>,
    figures: Option<&Figures>,
    tone: RowTone,
    ask: &Ask<'_>,
) -> Row {
    if let Some(figures) = figures {
        texts.push((Column::Busiest, ports::busiest(scene, holder, figures, ask)));
    }
    Row {
        key: RowKey::Holder(holder),
        texts,
        remark: None,
        tone,
        count: None,
        total: figures.map(|figures| figures.total),
        pace: scene.history.latest(holder),
        kept: match holder {
            Holder::Container(id) => scene.kept.as_ref().and_then(|kept| kept.of(id).copied()),
            Holder::Unattributed(_) => None,
        },
    }
}

impl Row {
    fn with_remark(self, remark: Option<String>) -> Self {
        Self { remark, ..self }
    }
}
