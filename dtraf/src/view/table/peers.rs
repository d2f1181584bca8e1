//! Lines below a container: whom it exchanged traffic with.

use std::collections::BTreeMap;

use super::layout::Line;
use super::rows::{Look, name, sum_line};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::ContainerId;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{Peers, Report};
use crate::view::Fit;

/// Peers of a container that are shown one by one unless everything is to be.
const SHOWN: usize = 10;

/// What the containers of a report are called.
pub(super) struct Called(BTreeMap<ContainerId, String>);

impl Called {
    pub(super) fn of(report: &Report) -> Self {
        Self(report.containers.iter().map(|row| (row.id, name(row))).collect())
    }

    fn name(&self, holder: Holder) -> String {
        match holder {
            Holder::Container(id) => self.0.get(&id).cloned().unwrap_or_else(|| id.to_short()),
            Holder::Unattributed(_) => "<unattributed>".to_owned(),
        }
    }
}

/// The greatest first, and last what belongs to no pair.
pub(super) fn lines(peers: &Peers, called: &Called, look: Look<'_>) -> Vec<Line> {
    let mut each: Vec<_> = peers.each.iter().collect();
    each.sort_by_key(|(_, amounts)| std::cmp::Reverse(look.weight(amounts)));
    let shown = if look.view.fit == Fit::Whole { each.len() } else { each.len().min(SHOWN) };
    let (shown, others) = each.split_at(shown);
    let line = |(holder, amounts): &(&Holder, &PerDirection<Amount>)| {
        sum_line(format!("  {}", called.name(**holder)), amounts, look)
    };
    let mut lines: Vec<_> = shown.iter().map(line).collect();
    if !others.is_empty() {
        let total = others.iter().map(|(_, amounts)| **amounts).sum();
        lines.push(sum_line(format!("  ({} more peers)", others.len()), &total, look));
    }
    let rest = peers.elsewhere;
    if !(rest.rx.is_zero() && rest.tx.is_zero()) {
        lines.push(sum_line("  (elsewhere)".to_owned(), &rest, look));
    }
    lines
}
