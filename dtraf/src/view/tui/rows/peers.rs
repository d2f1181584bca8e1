//! One row for each pair of containers that talk to each other, in the view of each of the two.

use super::{Ask, Present, Row, RowKey, RowTone, containers, ports, words};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::ledger::Holder;
use crate::accounting::report::{ContainerRow, Figures, Peers};
use crate::view::tui::columns::Column;
use crate::view::tui::growth::Pace;
use crate::view::tui::scene::Scene;

type Both = PerDirection<Amount>;

/// What is between containers and in no pair.
const ELSEWHERE: &str = "(elsewhere)";

pub(super) fn rows(scene: &Scene, ask: &Ask<'_>) -> (Vec<Row>, usize) {
    let mut hidden = 0;
    let mut rows = Vec::new();
    for (holder, figures) in scene.holders() {
        let Some(peers) = &figures.peers else { continue };
        let container = scene.container_of(holder);
        if container.is_some_and(|row| Present::All.admits(row) && !ask.present.admits(row)) {
            hidden += 1;
            continue;
        }
        let its_words = if ask.filter.is_empty() { Vec::new() } else { named(container) };
        let filter = ask.filter.unmet(its_words.iter().map(String::as_str));
        for (other, total) in &peers.each {
            let peer = scene.container_of(*other);
            let others_words = if filter.is_empty() { Vec::new() } else { named(peer) };
            if filter.admits(others_words.iter().map(String::as_str)) {
                let pace = pace(scene, holder, figures, *other, total);
                rows.push(row(holder, container, Some(*other), name(peer), *total, pace));
            }
        }
        let rest = peers.elsewhere;
        if !(rest.rx.is_zero() && rest.tx.is_zero()) && filter.admits([ELSEWHERE]) {
            rows.push(row(holder, container, None, ELSEWHERE.to_owned(), rest, None));
        }
    }
    (rows, hidden)
}

/// Whether the backend knows pairs at all.
pub(in crate::view::tui) fn are_known(scene: &Scene) -> bool {
    scene.holders().all(|(_, figures)| figures.peers.is_some())
}

fn row(
    holder: Holder,
    container: Option<&ContainerRow>,
    other: Option<Holder>,
    peer: String,
    total: Both,
    pace: Option<PerDirection<Pace>>,
) -> Row {
    Row {
        key: RowKey::Peer(holder, other),
        texts: vec![(Column::Name, name(container)), (Column::Peer, peer)],
        remark: None,
        tone: RowTone::Plain,
        count: None,
        total: Some(total),
        pace,
        kept: None,
    }
}

fn name(container: Option<&ContainerRow>) -> String {
    container.map_or_else(|| containers::unowned().to_owned(), containers::name)
}

/// What a filter looks at.
fn named(container: Option<&ContainerRow>) -> Vec<String> {
    let words = container.map(words).unwrap_or_default();
    words.into_iter().map(std::borrow::Cow::into_owned).chain([name(container)]).collect()
}

/// `None` where one of the two has a meter that it had not before, with all that the meter had counted.
fn pace(
    scene: &Scene,
    holder: Holder,
    figures: &Figures,
    other: Holder,
    total: &Both,
) -> Option<PerDirection<Pace>> {
    let earlier = ports::comparable(scene, holder, figures)?;
    ports::comparable(scene, other, scene.figures(other)?)?;
    let before = earlier.figures.and_then(|figures| figures.peers.as_ref());
    let before = before.map(|Peers { each, .. }| each.get(&other).copied().unwrap_or_default());
    Some(earlier.between(&before.unwrap_or_default(), total))
}
