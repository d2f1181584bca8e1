//! What there is to say of one container beside its ports: who it is, where it is counted, and what is missing.

use super::measure::Measure;
use super::rows;
use super::scene::Scene;
use super::spelling::Spelling;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::attribution::Coverage;
use crate::accounting::kept::KeptAccount;
use crate::accounting::ledger::Holder;
use crate::accounting::report::{ContainerRow, Figures, MeterRow};
use crate::accounting::snapshot::Point;
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::table::layout::Tone;

/// A blank at which no line is broken.
pub(super) const NO_BREAK: &str = "\u{a0}";
/// Meters that are named one by one.
const METERS: usize = 4;

pub(super) fn title(scene: &Scene, holder: Holder) -> String {
    match holder {
        Holder::Container(id) => match scene.container(id) {
            Some(row) => crate::view::table::name(row),
            None => format!("{} (not known any more)", id.to_short()),
        },
        Holder::Unattributed(reason) => format!("unattributed: {reason}"),
    }
}

pub(super) fn facts(
    scene: &Scene,
    holder: Holder,
    measure: Measure,
    spelling: Spelling,
) -> Vec<(Tone, String)> {
    let mut facts = Vec::new();
    let row = scene.container_of(holder);
    if let Some(row) = row {
        facts.extend(identity(row).map(|fact| (Tone::Plain, fact)));
        let kept = scene.kept.as_ref().and_then(|kept| kept.of(row.id));
        facts.extend(kept.map(|kept| (Tone::Plain, of_account(kept, measure, spelling))));
    }
    if let Some(figures) = scene.figures(holder) {
        let shown = figures.meters.iter().take(METERS);
        facts.extend(shown.map(|meter| (Tone::Detail, of_meter(meter, measure, spelling))));
        if figures.meters.len() > METERS {
            facts.push((Tone::Detail, format!("and {} more", figures.meters.len() - METERS)));
        }
        facts.extend(counted_since(figures).map(|fact| (Tone::Detail, fact)));
        facts.extend(shortfall(figures, spelling).map(|fact| (Tone::Warning, fact)));
    }
    if let Some(row) = row {
        facts.extend(missing(row).map(|fact| (Tone::Warning, fact)));
    }
    facts
}

/// What the ledger has, with all the containers that the account has and had.
fn of_account(kept: &KeptAccount, measure: Measure, spelling: Spelling) -> String {
    let bytes = |amounts: &Option<PerDirection<Amount>>| {
        let Some(amounts) = amounts else { return "?".to_owned() };
        let figure = |amount| whole(&spelling.total(measure.bytes(amount)));
        format!("RX {}, TX {}", figure(&amounts.rx), figure(&amounts.tx))
    };
    let quota =
        kept.quota_percent.map(|percent| format!("; {percent}{NO_BREAK}% of the quota")).unwrap_or_default();
    format!("account: today {}; this cycle {}{quota}", bytes(&kept.today), bytes(&kept.cycle))
}

/// Never broken between a figure and its unit.
fn whole(figure: &str) -> String {
    figure.replace(' ', NO_BREAK)
}

fn identity(row: &ContainerRow) -> impl Iterator<Item = String> {
    let joined = |items: Vec<String>| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
    let networks = row.networks.iter().map(|network| neutral(network).into_owned()).collect();
    let described = row.described.as_ref().map(|described| {
        let addresses = described.addresses.iter().map(ToString::to_string).collect();
        let mut published: Vec<_> = described.published.iter().map(names::mapping).collect();
        published.dedup();
        [
            format!("image {}, id {}", neutral(&described.image), row.id.to_short()),
            format!(
                "networks {}; addresses {}; published {}",
                joined(networks),
                joined(addresses),
                joined(published)
            ),
        ]
    });
    described.into_iter().flatten()
}

fn of_meter(row: &MeterRow, measure: Measure, spelling: Spelling) -> String {
    let network =
        row.network.as_deref().map_or_else(String::new, |network| format!("{}: ", neutral(network)));
    let point = match &row.meter.point {
        Point::Interface { name, .. } => neutral(name).into_owned(),
        Point::Addresses(addresses) => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
    };
    let [rx, tx] = [&row.total.rx, &row.total.tx].map(|amount| whole(&spelling.total(measure.bytes(amount))));
    let (hook, since) = (names::hook(row.meter.hook), names::minute(row.meter.attached_at));
    format!("{network}{point} by {hook} since {since}, rx {rx}, tx {tx}")
}

/// Where what counted first is gone, the totals are older than everything that counts now.
fn counted_since(figures: &Figures) -> Option<String> {
    let since = figures.book.since?;
    let is_older = figures.meters.iter().all(|row| row.meter.attached_at > since);
    is_older.then(|| format!("counted since {}", names::minute(since)))
}

fn shortfall(figures: &Figures, spelling: Spelling) -> Option<String> {
    let shortfall = figures.book.shortfall?;
    let parts = [shortfall.rx, shortfall.tx];
    if parts.iter().all(|part| (part.skb_bytes, part.skbs) == (0, 0)) {
        return None;
    }
    let [rx, tx] = parts.map(|part| {
        let bound = if part.settled { "" } else { "at most " };
        format!("{bound}{}", whole(&spelling.total(Some(part.skb_bytes))))
    });
    Some(format!("before dtraf was attached: rx {rx}, tx {tx} (skb bytes), not in the totals"))
}

fn missing(row: &ContainerRow) -> Option<String> {
    match &row.coverage {
        Coverage::Partly(gaps) => {
            let gap = |gap: &crate::accounting::attribution::Gap| {
                format!("{} ({})", neutral(&gap.network), neutral(&gap.reason.to_string()))
            };
            Some(format!("not counted in {}", gaps.iter().map(gap).collect::<Vec<_>>().join(", ")))
        }
        _ => rows::remark(row),
    }
}
