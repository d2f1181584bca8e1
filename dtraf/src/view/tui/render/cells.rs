//! What stands in one cell of a table.

use crate::view::table::layout::Tone;
use crate::view::tui::columns::{Column, QUOTA_BAR};
use crate::view::tui::graph::trend;
use crate::view::tui::rows::{Row, both, packets as row_packets};
use crate::view::tui::scene::Scene;
use crate::view::tui::spelling::{known, packets, share};
use crate::view::tui::state::State;

/// A row's text in a column, and how loud it is.
pub(super) fn cell(
    state: &State,
    scene: &Scene,
    row: &Row,
    column: Column,
    width: usize,
    whole: u64,
) -> (String, Tone) {
    let (measure, spelling) = (state.measure(), state.spelling);
    let (pace, total) = (row.pace.as_ref(), row.total.as_ref());
    let rate = |bytes: Option<u64>| {
        let tone = if bytes.is_none_or(|bytes| bytes == 0) { Tone::Detail } else { Tone::Plain };
        (spelling.rate(bytes), tone)
    };
    let plain = |text| (text, Tone::Plain);
    match column {
        Column::RxRate => rate(pace.and_then(|pace| measure.bytes(pace.rx.amount()))),
        Column::TxRate => rate(pace.and_then(|pace| measure.bytes(pace.tx.amount()))),
        Column::RxTotal => plain(spelling.total(total.and_then(|total| measure.bytes(&total.rx)))),
        Column::TxTotal => plain(spelling.total(total.and_then(|total| measure.bytes(&total.tx)))),
        Column::Today => plain(spelling.total(both(row.kept.and_then(|kept| kept.today), measure))),
        Column::Cycle => plain(spelling.total(both(row.kept.and_then(|kept| kept.cycle), measure))),
        Column::Quota => match row.kept.and_then(|kept| kept.quota_percent) {
            Some(percent) => {
                let tone = if percent >= 100 { Tone::Warning } else { Tone::Plain };
                (format!("{} {}", bar(percent), quota(percent)), tone)
            }
            None => (String::new(), Tone::Plain),
        },
        Column::Packets => {
            let number = row_packets(row, measure);
            (packets(number), if number.unwrap_or(0) == 0 { Tone::Detail } else { Tone::Plain })
        }
        Column::Trend => plain(row.holder().map_or_else(String::new, |holder| {
            let both = scene.history.last(holder, width).map(|sample| {
                let sample = sample?;
                let bytes = |amount| measure.bytes(amount);
                Some(bytes(sample.rx.amount())?.saturating_add(bytes(sample.tx.amount())?))
            });
            trend(&both.collect::<Vec<_>>(), width)
        })),
        Column::Share => plain(known(row.weight(state.focus, measure).map(|part| share(part, whole)))),
        Column::Count => plain(row.count.map_or_else(String::new, |count| count.to_string())),
        _ => plain(row.text(column).unwrap_or_default().to_owned()),
    }
}

/// As much of a bar as is used, and a shade for the rest.
fn bar(percent: u64) -> String {
    let filled = usize::try_from(percent.min(100)).unwrap_or_default() * QUOTA_BAR / 100;
    "█".repeat(filled) + &"░".repeat(QUOTA_BAR - filled)
}

fn quota(percent: u64) -> String {
    if percent > 999 { ">999%".to_owned() } else { format!("{percent:>3} %") }
}
