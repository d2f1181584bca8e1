//! What is to be said beside the rows: whom the figures hold, what they do not, and what went wrong.

use dtraf_common::abi;

use super::measure::Measure;
use super::scene::Scene;
use super::spelling::Spelling;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::ledger::Holder;
use crate::accounting::report::{Figures, Refused, Report};
use crate::accounting::snapshot::Bucket;
use crate::view::neutral::neutral;
use crate::view::table::layout::Tone;

/// What counts where, and in which figure.
pub(super) fn place(report: &Report, measure: Measure) -> String {
    let origin = &report.origin;
    let (host, kernel) = (neutral(&origin.host), neutral(&origin.kernel));
    format!("dtraf on {host}: {}, {}; Linux {kernel}", origin.backend, measure.words())
}

/// How many containers have figures, and how many have none; in few words when there is little `room`.
pub(super) fn census(report: &Report, room: usize) -> String {
    let census = report.census();
    let mut parts = vec![format!("{} counted", census.counted)];
    for (number, what) in [(census.elsewhere, "at another"), (census.not_counted, "not counted")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let text = parts.join(", ");
    let others = census.elsewhere + census.not_counted;
    if text.len() > room { format!("{} counted, {others} not (?)", census.counted) } else { text }
}

/// The host's rates and totals: all containers, and what nobody owns.
pub(super) fn sums(scene: &Scene, measure: Measure, spelling: Spelling) -> String {
    let total: PerDirection<Amount> = scene.holders().map(|(_, figures)| figures.total).sum();
    let paces: Vec<_> = scene.holders().filter_map(|(holder, _)| scene.history.latest(holder)).collect();
    let pace = (!paces.is_empty()).then(|| paces.into_iter().sum::<PerDirection<_>>());
    let [rx, tx] = [
        pace.and_then(|pace| measure.bytes(pace.rx.amount())),
        pace.and_then(|pace| measure.bytes(pace.tx.amount())),
    ]
    .map(|rate| format!("{}/s", spelling.rate(rate)));
    let [all_rx, all_tx] = [total.rx, total.tx].map(|amount| spelling.total(measure.bytes(&amount)));
    format!("RX {rx}, {all_rx}  TX {tx}, {all_tx}")
}

/// Whatever should be zero and is not.
pub(super) fn alarms(scene: &Scene, measure: Measure, spelling: Spelling) -> Vec<(Tone, String)> {
    let report = &scene.report;
    let bytes = |amount: &Amount| measure.bytes(amount).unwrap_or_default();
    let both = |amounts: &PerDirection<Amount>| bytes(&amounts.rx).saturating_add(bytes(&amounts.tx));
    let bucket = |bucket| -> u64 {
        let of = |figures: &Figures| {
            let amount = |direction| figures.book.buckets.get(direction).get(&bucket).map_or(0, bytes);
            abi::Direction::ALL.into_iter().map(amount).sum::<u64>()
        };
        scene.holders().map(|(_, figures)| of(figures)).sum()
    };
    let shortfalls = scene.holders().filter_map(|(_, figures)| figures.book.shortfall);
    let shortfall = shortfalls.map(|both| both.rx.skb_bytes.saturating_add(both.tx.skb_bytes)).sum();
    let unowned = scene.holders().filter(|(holder, _)| matches!(holder, Holder::Unattributed(_)));
    let figures = [
        (Tone::Problem, "map_full", bucket(Bucket::Program(abi::Bucket::MapFull))),
        (Tone::Problem, "over_quota", bucket(Bucket::Program(abi::Bucket::OverQuota))),
        (Tone::Problem, "in no total", report.orphans.as_ref().map_or(0, both)),
        (Tone::Warning, "unattributed", unowned.map(|(_, figures)| both(&figures.total)).sum()),
        (Tone::Warning, "shortfall", shortfall),
    ];
    let told = figures.into_iter().filter(|(_, _, figure)| *figure > 0);
    told.map(|(tone, what, figure)| (tone, format!("{what} {}", spelling.total(Some(figure))))).collect()
}

/// Why no better backend counts, and what this one does not see, in a line each.
pub(super) fn circumstances(report: &Report) -> Vec<String> {
    let origin = &report.origin;
    let mut why = String::new();
    let mut last = None;
    for Refused { backend, reason } in &origin.refused {
        let reason = neutral(reason);
        if last == Some(*backend) {
            why.extend(["; ", &*reason]);
        } else {
            let between = if why.is_empty() { "" } else { "; " };
            why.extend([between, "not by ", &backend.to_string(), ": ", &*reason]);
        }
        last = Some(*backend);
    }
    let subjects: Vec<_> = origin.blind_spots.iter().map(|spot| spot.subject()).collect();
    let unseen =
        if subjects.is_empty() { String::new() } else { format!("not seen: {}", subjects.join(", ")) };
    [why, unseen].into_iter().filter(|line| !line.is_empty()).collect()
}
