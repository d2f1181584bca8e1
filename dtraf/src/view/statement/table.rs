//! A statement as a table for people.

use super::{Look, harmless, reconcile, role, zone_names};
use crate::accounting::amount::{Amount, PerDirection, Unit};
use crate::accounting::history::zones::Zones;
use crate::accounting::statement::calibration::{Calibration, Counted};
use crate::accounting::statement::period::{Range, Step};
use crate::accounting::statement::plan::{Gap, Why};
use crate::accounting::statement::{By, Circumstances, Group, Statement};
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::table::layout::{Align, Cell, Column, Line, Tone, lay_out, wrap};
use crate::view::table::paint;

pub(super) fn render(statement: &Statement, look: &Look, zones: &Zones) -> String {
    let wrapped = |text: String| match look.width {
        Some(width) => wrap(&text, width),
        None => vec![text],
    };
    let mut lines: Vec<(Tone, String)> =
        wrapped(heading(statement, zones)).into_iter().map(|line| (Tone::Plain, line)).collect();
    lines.extend(lay_out(&columns(statement), &rows(statement, look, zones), look.width).lines);
    let mut text = painted(lines, look);
    if let Some(reconciled) = &statement.reconciled {
        text += &reconcile::table(reconciled, look);
    }
    let notes = notes(statement, look, zones).into_iter().flat_map(wrapped);
    text + &painted(notes.map(|line| (Tone::Warning, line)), look)
}

fn painted(lines: impl IntoIterator<Item = (Tone, String)>, look: &Look) -> String {
    let lines = lines.into_iter();
    // Mostly as long as a terminal is wide.
    let mut text = String::with_capacity(lines.size_hint().0 * 100);
    for (tone, line) in lines {
        paint(&mut text, tone, &line, look.paint);
    }
    text
}

fn heading(statement: &Statement, zones: &Zones) -> String {
    let Range { from, to } = statement.range;
    let backends = &statement.circumstances.backends;
    let counted =
        if backends.is_empty() { String::new() } else { format!(", counted by {}", backends.join(" and ")) };
    format!(
        "{} to {} ({}), {}{counted}",
        civil(from, zones),
        civil(to, zones),
        zone_names(statement.range, zones).join(" and "),
        names::unit_in_words(statement.unit)
    )
}

fn columns(statement: &Statement) -> Vec<Column> {
    let text = |title, floor| Column { title, align: Align::Left, floor, rank: None };
    let number = |title, rank| Column { title, align: Align::Right, floor: None, rank };
    let mut columns = Vec::new();
    if let Some(step) = statement.step {
        columns.push(text(
            match step {
                Step::Hour => "HOUR",
                Step::Day => "DAY",
                Step::Cycle(_) => "FROM",
            },
            None,
        ));
    }
    columns.push(text(
        match statement.by {
            By::Account => "ACCOUNT",
            By::Container => "CONTAINER",
            By::Port => "PORT",
            By::Scope => "SCOPE",
            By::Project => "PROJECT",
        },
        Some(10),
    ));
    if statement.by == By::Port {
        columns.push(text("ROLE", None));
    }
    columns.extend([
        number("RX", None),
        number("TX", None),
        number("TOTAL", None),
        number("SHARE", Some(3)),
        number("RX PKTS", Some(2)),
        number("TX PKTS", Some(1)),
    ]);
    columns
}

fn rows(statement: &Statement, look: &Look, zones: &Zones) -> Vec<Line> {
    let unit = statement.unit;
    let whole = statement.total.and_then(|total| unit.bytes(&(total.rx + total.tx)));
    let figures = |amounts: &Option<PerDirection<Amount>>| match amounts {
        Some(amounts) => figures(amounts, unit, whole, look),
        None => ["?"; 6].map(|unknown| Cell::Text(unknown.to_owned())),
    };
    let mut rows = Vec::new();
    let mut last = None;
    for line in &statement.lines {
        let mut cells = Vec::new();
        if let Some(step) = statement.step {
            // Each time is named once.
            let is_new = last.replace(line.span) != Some(line.span);
            cells.push(Cell::Text(if is_new { begin(line.span, step, zones) } else { String::new() }));
        }
        cells.push(Cell::Text(harmless(&line.group)));
        if statement.by == By::Port {
            cells.push(Cell::Text(role(&line.group).unwrap_or_default().to_owned()));
        }
        cells.extend(figures(&line.amounts));
        let is_odd = matches!(line.group, Group::Nobody(_) | Group::NotKept);
        let tone = if is_odd { Tone::Warning } else { Tone::Plain };
        rows.push(Line { cells, remark: None, tone });
    }
    let mut cells = vec![Cell::Text("TOTAL".to_owned())];
    if statement.step.is_some() {
        cells.push(Cell::Text(String::new()));
    }
    if statement.by == By::Port {
        cells.push(Cell::Text(String::new()));
    }
    cells.extend(figures(&statement.total));
    rows.push(Line { cells, remark: None, tone: Tone::Heading });
    rows
}

fn figures(amounts: &PerDirection<Amount>, unit: Unit, whole: Option<u64>, look: &Look) -> [Cell; 6] {
    let bytes = |amount: &Amount| unit.bytes(amount).map_or("?".to_owned(), |bytes| look.units.bytes(bytes));
    let packets =
        |amount: &Amount| unit.packets(amount).map_or("?".to_owned(), |packets| packets.to_string());
    let both = amounts.rx + amounts.tx;
    [
        bytes(&amounts.rx),
        bytes(&amounts.tx),
        bytes(&both),
        unit.bytes(&both).zip(whole).map_or("?".to_owned(), |(bytes, whole)| share(bytes, whole)),
        packets(&amounts.rx),
        packets(&amounts.tx),
    ]
    .map(Cell::Text)
}

/// In per cent, rounded half up to one decimal.
fn share(bytes: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let whole = u128::from(whole);
    let tenths = (u128::from(bytes) * 1000 + whole / 2) / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn notes(statement: &Statement, look: &Look, zones: &Zones) -> Vec<String> {
    let circumstances = &statement.circumstances;
    let mut notes = Vec::new();
    if statement.left_out > 0 {
        notes.push(format!(
            "{} lines with less are not shown; the total has them (--top).",
            statement.left_out
        ));
    }
    if let Some(forecast) = statement.forecast {
        notes.push(format!(
            "At this rate the cycle comes to {}; {} days are left.",
            look.units.bytes(forecast.bytes),
            forecast.days_left
        ));
    }
    if let Some(reconciled) = &statement.reconciled {
        notes.extend(reconcile::notes(reconciled, circumstances.since, zones));
    }
    notes.extend(unknown_times(statement.gaps.iter(), statement.kept_since, zones));
    notes.extend(circumstantial(circumstances, look, zones));
    notes
}

/// Times that are not known, and why.
pub(in crate::view) fn unknown_times<'a>(
    gaps: impl Iterator<Item = &'a Gap> + Clone,
    kept_since: Option<i64>,
    zones: &Zones,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(kept) = kept_since {
        let is_not_kept = |gap: &&Gap| gap.why != Why::NotCounted;
        let first = gaps.clone().filter(is_not_kept).map(|gap| gap.range.from).min().unwrap_or(kept);
        let last = gaps.clone().filter(is_not_kept).map(|gap| gap.range.to).max().unwrap_or(kept);
        let since = if kept == i64::MAX {
            "the ledger has no spans that begin and end then; five minutes are its shortest".to_owned()
        } else {
            format!("spans that make up such times are kept since {}", civil(kept, zones))
        };
        let (first, last) = (civil(first, zones), civil(last, zones));
        notes.push(format!("Not known (?), from {first} to {last}: {since}."));
    }
    for Gap { range, .. } in gaps.filter(|gap| gap.why == Why::NotCounted) {
        let (from, to) = (civil(range.from, zones), civil(range.to, zones));
        notes.push(format!("Not counted (?), from {from} to {to}: the ledger begins later."));
    }
    notes
}

/// What is to be known of any figures from this range.
pub(in crate::view) fn circumstantial(
    circumstances: &Circumstances,
    look: &Look,
    zones: &Zones,
) -> Vec<String> {
    let mut notes: Vec<_> =
        circumstances.calibrations.iter().map(|said| calibrated(said, look, zones)).collect();
    match (circumstances.since, circumstances.written_at) {
        (Some(since), Some(written)) => {
            let (since, written) = (since.0.as_secs(), written.0.as_secs());
            let civil = |second: u64| civil(i64::try_from(second).unwrap_or(i64::MAX), zones);
            notes.push(format!("Counted since {}; written up to {}.", civil(since), civil(written)));
        }
        _ => notes.push("Nothing has been written to this ledger yet.".to_owned()),
    }
    if let Some(missed) = circumstances.missed.filter(|it| (it.rx.skb_bytes, it.tx.skb_bytes) != (0, 0)) {
        let sign = if missed.rx.settled && missed.tx.settled { "" } else { "at most " };
        notes.push(format!(
            "Not in here: {sign}{} received and {} transmitted (skb bytes) that interfaces had carried before they were counted.",
            look.units.bytes(missed.rx.skb_bytes),
            look.units.bytes(missed.tx.skb_bytes),
        ));
    }
    for (from, to) in &circumstances.absences {
        let civil = |at: &crate::accounting::identity::Timestamp| {
            civil(i64::try_from(at.0.as_secs()).unwrap_or(i64::MAX), zones)
        };
        notes.push(format!(
            "Nothing was written from {} to {}: what was counted then is booked at the end of that time, or not at all if the \
             ledger was damaged.",
            civil(from),
            civil(to)
        ));
    }
    notes
}

/// What somebody else says, beside what was counted.
fn calibrated(said: &Calibration, look: &Look, zones: &Zones) -> String {
    let Calibration { range, counts, scopes, bytes, note, counted, .. } = said;
    let counted = match counted {
        Some(counted) if counted.range == *range => {
            let share = share(counted.bytes, *bytes);
            format!("; counted here: {} ({share} of it)", look.units.bytes(counted.bytes))
        }
        // Two times that differ have no share.
        Some(Counted { bytes, range: Range { from, to } }) => format!(
            "; counted here from {} to {}: {}",
            civil(*from, zones),
            civil(*to, zones),
            look.units.bytes(*bytes)
        ),
        None => "; what was counted then is not known".to_owned(),
    };
    let scopes = scopes.as_ref().map(|scopes| {
        let words: Vec<_> = scopes.iter().copied().map(names::scope).collect();
        format!(", with {} only", words.join(" and "))
    });
    format!(
        "{} says {} ({}{}) for {} to {}{counted}.",
        neutral(note),
        look.units.bytes(*bytes),
        names::counts(*counts),
        scopes.unwrap_or_default(),
        civil(range.from, zones),
        civil(range.to, zones)
    )
}

/// `2026-11-25 14:00`, the date alone where it begins, and with the offset where clocks show the time twice.
pub(crate) fn civil(second: i64, zones: &Zones) -> String {
    match zones.day(second).filter(|day| zones.midnight(*day) == Some(second)) {
        Some(day) => day.to_string(),
        None => minute(second, zones),
    }
}

/// `2026-11-25 14:00`, and `2026-10-25 02:00+01:00` where clocks show the time twice.
fn minute(second: i64, zones: &Zones) -> String {
    let Some(local) = zones.local(second) else { return second.to_string() };
    let time = if zones.is_ambiguous(second) { "%Y-%m-%d %H:%M%:z" } else { "%Y-%m-%d %H:%M" };
    local.strftime(time).to_string()
}

fn begin(span: Range, step: Step, zones: &Zones) -> String {
    match step {
        Step::Hour => minute(span.from, zones),
        Step::Day | Step::Cycle(_) => {
            zones.day(span.from).map_or_else(|| span.from.to_string(), |day| day.to_string())
        }
    }
}
