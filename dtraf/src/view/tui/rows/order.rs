//! Which row comes first.

use std::cmp::Ordering;

use super::{Row, RowKey};
use crate::accounting::amount::{Amount, PerDirection};
use crate::view::tui::columns::Column;
use crate::view::tui::measure::Measure;
use crate::view::tui::sheet::{Focus, Order, Sorting};

/// What a row is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Text(String),
    Figure(u64),
    /// Last, in either order.
    Unknown,
}

/// Sorts; rows that are equal stay as they are.
pub(in crate::view::tui) fn sort(rows: &mut Vec<Row>, sorting: Sorting, focus: Focus, measure: Measure) {
    let mut ranked: Vec<_> =
        rows.drain(..).map(|row| (rank(&row, sorting.column, focus, measure), row)).collect();
    ranked.sort_by(|(one, _), (other, _)| compare(one, other, sorting.order));
    rows.extend(ranked.into_iter().map(|(_, row)| row));
}

fn compare(one: &Rank, other: &Rank, order: Order) -> Ordering {
    let usual = match (one, other) {
        (Rank::Unknown, _) | (_, Rank::Unknown) => return one.cmp(other),
        (Rank::Figure(one), Rank::Figure(other)) => other.cmp(one),
        (one, other) => one.cmp(other),
    };
    match order {
        Order::Usual => usual,
        Order::Reverse => usual.reverse(),
    }
}

fn rank(row: &Row, column: Column, focus: Focus, measure: Measure) -> Rank {
    let pace = row.pace.as_ref();
    let total = row.total.as_ref();
    let figure = match column {
        Column::RxRate => pace.and_then(|pace| measure.bytes(pace.rx.amount())),
        Column::TxRate => pace.and_then(|pace| measure.bytes(pace.tx.amount())),
        Column::Trend => row.weight(Focus::Rate, measure),
        Column::RxTotal => total.and_then(|total| measure.bytes(&total.rx)),
        Column::TxTotal => total.and_then(|total| measure.bytes(&total.tx)),
        Column::Today => both(row.kept.and_then(|kept| kept.today), measure),
        Column::Cycle => both(row.kept.and_then(|kept| kept.cycle), measure),
        Column::Quota => row.kept.and_then(|kept| kept.quota_percent),
        Column::Packets => packets(row, measure),
        Column::Share => row.weight(focus, measure),
        Column::Count => row.count.and_then(|count| u64::try_from(count).ok()),
        Column::Port => match row.key {
            // By number, from the lowest on.
            RowKey::Port(_, port) => Some(u64::from(u16::MAX - port.port)),
            _ => None,
        },
        _ => {
            let text = row.text(column).filter(|text| *text != "-");
            return text.map_or(Rank::Unknown, |text| Rank::Text(text.to_lowercase()));
        }
    };
    figure.map_or(Rank::Unknown, Rank::Figure)
}

/// Both directions together.
pub(in crate::view::tui) fn both(amounts: Option<PerDirection<Amount>>, measure: Measure) -> Option<u64> {
    let amounts = amounts?;
    Some(measure.bytes(&amounts.rx)?.saturating_add(measure.bytes(&amounts.tx)?))
}

/// Both directions' packets in a second.
pub(in crate::view::tui) fn packets(row: &Row, measure: Measure) -> Option<u64> {
    let pace = row.pace.as_ref()?;
    Some(measure.packets(pace.rx.amount())?.saturating_add(measure.packets(pace.tx.amount())?))
}
