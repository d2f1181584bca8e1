//! A statement as a table for people.

use jiff::tz::TimeZone;

use super::{Look, harmless, reconcile, role};
use crate::accounting::amount::{Amount, PerDirection, Unit};
use crate::accounting::statement::period::{Range, Step};
use crate::accounting::statement::{By, Calibration, Circumstances, Group, Statement};
use crate::view::names;
use crate::view::neutral::neutral;
use crate::view::table::layout::{Align, Cell, Column, Line, Tone, lay_out, wrap};
use crate::view::table::paint;

pub(super) fn render(statement: &Statement, look: &Look, zone: &TimeZone) -> String {
    let wrapped = |text: String| match look.width {
        Some(width) => wrap(&text, width),
        None => vec![text],
    };
    let mut lines: Vec<(Tone, String)> =
        wrapped(heading(statement, zone)).into_iter().map(|line| (Tone::Plain, line)).collect();
    lines.extend(lay_out(&columns(statement), &rows(statement, look, zone), look.width).lines);
    let mut text = painted(lines, look);
    if let Some(reconciled) = &statement.reconciled {
        text += &reconcile::table(reconciled, look);
    }
    let notes = notes(statement, look, zone).into_iter().flat_map(wrapped);
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

fn heading(statement: &Statement, zone: &TimeZone) -> String {
    let Range { from, to } = statement.range;
    let backends = &statement.circumstances.backends;
    let counted =
        if backends.is_empty() { String::new() } else { format!(", counted by {}", backends.join(" and ")) };
    format!(
        "{} to {}, {}{counted}",
        civil(from, zone),
        civil(to, zone),
        names::unit_in_words(statement.unit())
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

fn rows(statement: &Statement, look: &Look, zone: &TimeZone) -> Vec<Line> {
    let unit = statement.unit();
    let whole = unit.bytes(&(statement.total.rx + statement.total.tx)).unwrap_or_default();
    let figures = |amounts: &PerDirection<Amount>| figures(amounts, unit, whole, look);
    let mut rows = Vec::new();
    let mut last = None;
    for line in &statement.lines {
        let mut cells = Vec::new();
        if let Some(step) = statement.step {
            // Each time is named once.
            let is_new = last.replace(line.span) != Some(line.span);
            cells.push(Cell::Text(if is_new { begin(line.span, step, zone) } else { String::new() }));
        }
        cells.push(Cell::Text(harmless(&line.group)));
        if statement.by == By::Port {
            cells.push(Cell::Text(role(&line.group).unwrap_or_default().to_owned()));
        }
        cells.extend(figures(&line.amounts));
        let tone = if matches!(line.group, Group::Nobody(_)) { Tone::Warning } else { Tone::Plain };
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

fn figures(amounts: &PerDirection<Amount>, unit: Unit, whole: u64, look: &Look) -> [Cell; 6] {
    let bytes = |amount: &Amount| unit.bytes(amount).map_or("?".to_owned(), |bytes| look.units.bytes(bytes));
    let packets =
        |amount: &Amount| unit.packets(amount).map_or("?".to_owned(), |packets| packets.to_string());
    let both = amounts.rx + amounts.tx;
    [
        bytes(&amounts.rx),
        bytes(&amounts.tx),
        bytes(&both),
        unit.bytes(&both).map_or("?".to_owned(), |bytes| share(bytes, whole)),
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

fn notes(statement: &Statement, look: &Look, zone: &TimeZone) -> Vec<String> {
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
        notes.extend(reconcile::notes(reconciled, circumstances.since, zone));
    }
    notes.extend(circumstantial(circumstances, statement.range, look, zone));
    notes
}

/// What is to be known of any figures from this range.
pub(in crate::view) fn circumstantial(
    circumstances: &Circumstances,
    range: Range,
    look: &Look,
    zone: &TimeZone,
) -> Vec<String> {
    let mut notes: Vec<_> =
        circumstances.calibrations.iter().map(|said| calibrated(said, look, zone)).collect();
    match (circumstances.since, circumstances.written_at) {
        (Some(since), Some(written)) => {
            let (since, written) = (since.0.as_secs(), written.0.as_secs());
            let civil = |second: u64| civil(i64::try_from(second).unwrap_or(i64::MAX), zone);
            notes.push(format!("Counted since {}; written up to {}.", civil(since), civil(written)));
        }
        _ => notes.push("Nothing has been written to this ledger yet.".to_owned()),
    }
    if let Some(kept) = circumstances.kept_since.filter(|_| !circumstances.has_all_of(range)) {
        notes.push(format!("What was before {} is kept only in coarser spans.", civil(kept, zone)));
    }
    if let Some(missed) = circumstances.missed.filter(|missed| missed.rx.skb_bytes + missed.tx.skb_bytes > 0)
    {
        let sign = if missed.rx.settled && missed.tx.settled { "" } else { "at most " };
        notes.push(format!(
            "Not in here: {sign}{} received and {} transmitted (skb bytes) that interfaces had carried before they were counted.",
            look.units.bytes(missed.rx.skb_bytes),
            look.units.bytes(missed.tx.skb_bytes),
        ));
    }
    for (from, to) in &circumstances.absences {
        let civil = |at: &crate::accounting::identity::Timestamp| {
            civil(i64::try_from(at.0.as_secs()).unwrap_or(i64::MAX), zone)
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
fn calibrated(said: &Calibration, look: &Look, zone: &TimeZone) -> String {
    let Calibration { range, counts, bytes, note, counted, .. } = said;
    let counted = match counted {
        Some(counted) => {
            format!("; counted here: {} ({} of it)", look.units.bytes(*counted), share(*counted, *bytes))
        }
        None => "; what was counted then is kept only in coarser spans".to_owned(),
    };
    format!(
        "{} says {} ({}) for {} to {}{counted}.",
        neutral(note),
        look.units.bytes(*bytes),
        names::counts(*counts),
        civil(range.from, zone),
        civil(range.to, zone)
    )
}

/// `2026-11-25 14:00`, and the date alone at midnight.
pub(in crate::view) fn civil(second: i64, zone: &TimeZone) -> String {
    let Ok(at) = jiff::Timestamp::from_second(second) else { return second.to_string() };
    let local = at.to_zoned_datetime(zone.clone());
    let time = if local.hour() == 0 && local.minute() == 0 { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
    local.strftime(time).to_string()
}

fn begin(span: Range, step: Step, zone: &TimeZone) -> String {
    let Ok(at) = jiff::Timestamp::from_second(span.from) else { return span.from.to_string() };
    let local = at.to_zoned_datetime(zone.clone());
    let time = match step {
        Step::Hour => "%Y-%m-%d %H:%M",
        Step::Day | Step::Cycle(_) => "%Y-%m-%d",
    };
    local.strftime(time).to_string()
}
