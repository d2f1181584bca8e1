//! Bills as text.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::json::line as one_line;
use super::labels::{self, TroubleObject};
use super::listing::{in_columns, number, say, text};
use super::names::{self, rfc3339};
use super::statement::csv::{cell, kept_since, written};
use super::statement::json::{CalibrationObject, calibration};
use super::statement::table::{circumstantial, civil, unknown_times};
use super::statement::{Format, Look, harmless, kind, moment, name, zone_names};
use super::table::layout::{Cell, Column, Line as Row, Tone};
use crate::accounting::bill::{Bill, Counts, Line, Rule};
use crate::accounting::history::zones::Zones;
use crate::accounting::statement::Circumstances;
use crate::accounting::statement::forecast::Forecast;
use crate::config::labels::Trouble;

const VERSION: u32 = 2;

/// What is known of a bill.
#[derive(Clone, Debug)]
pub(crate) struct Invoice<'a> {
    pub(crate) bill: &'a Bill,
    /// The host's rule.
    pub(crate) host: Rule,
    pub(crate) currency: Option<&'a str>,
    pub(crate) circumstances: &'a Circumstances,
    /// Of the host, where the time is a cycle that is under way.
    pub(crate) forecast: Option<Forecast>,
    /// Labels that do not hold.
    pub(crate) troubles: &'a [Trouble],
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    from: String,
    to: String,
    time_zones: Vec<&'a str>,
    unit: &'static str,
    currency: Option<&'a str>,
    lines: Vec<LineObject>,
    host: Vec<LineObject>,
    backends: &'a [String],
    since: Option<String>,
    written_at: Option<String>,
    kept_since: Option<String>,
    calibrations: Vec<CalibrationObject<'a>>,
    forecast_bytes: Option<u64>,
    label_troubles: Vec<TroubleObject<'a>>,
}

#[derive(Serialize)]
struct LineObject {
    from: String,
    to: String,
    kind: &'static str,
    name: Option<String>,
    counts: &'static str,
    scopes: Option<Vec<&'static str>>,
    rx_bytes: Option<u64>,
    tx_bytes: Option<u64>,
    billable_bytes: Option<u64>,
    allowance_bytes: Option<u64>,
    over_bytes: Option<u64>,
    /// Decimals are text: a number would be read as a binary fraction.
    price: Option<String>,
    cost: Option<String>,
}

/// The bill as text that ends with a line feed.
pub(crate) fn render(invoice: &Invoice<'_>, look: &Look, zones: &Zones) -> String {
    let bill = invoice.bill;
    match look.format {
        Format::Table => rendered(invoice, look, zones),
        Format::Json => {
            let objects = |lines: &[Line]| lines.iter().map(|line| object(line, zones)).collect();
            let circumstances = invoice.circumstances;
            one_line(&Document {
                version: VERSION,
                from: moment(bill.range.from, zones),
                to: moment(bill.range.to, zones),
                time_zones: zone_names(bill.range, zones),
                unit: names::unit(bill.unit),
                currency: invoice.currency,
                lines: objects(&bill.lines),
                host: objects(&bill.totals),
                backends: &circumstances.backends,
                since: circumstances.since.map(rfc3339),
                written_at: circumstances.written_at.map(rfc3339),
                kept_since: bill.kept_since.map(|since| moment(since, zones)),
                calibrations: circumstances
                    .calibrations
                    .iter()
                    .map(|said| calibration(said, zones))
                    .collect(),
                forecast_bytes: invoice.forecast.map(|forecast| forecast.bytes),
                label_troubles: labels::objects(invoice.troubles),
            })
        }
        Format::Csv => {
            let lines = bill.lines.iter().chain(&bill.totals);
            let record = |line| {
                let mut record = record(&object(line, zones), line, invoice.currency);
                record.push(kept_since(line.bytes.is_none(), bill.kept_since, zones));
                record
            };
            written(&TITLES, lines.map(record))
        }
    }
}

fn object(line: &Line, zones: &Zones) -> LineObject {
    let Line { span, group, rule, bytes, due } = line;
    LineObject {
        from: moment(span.from, zones),
        to: moment(span.to, zones),
        kind: group.as_ref().map_or("host", kind),
        name: group.as_ref().map(name),
        counts: names::counts(rule.counts),
        scopes: rule.scopes.as_ref().map(|scopes| scopes.iter().copied().map(names::scope).collect()),
        rx_bytes: bytes.map(|bytes| bytes.rx),
        tx_bytes: bytes.map(|bytes| bytes.tx),
        billable_bytes: due.map(|due| due.billable),
        allowance_bytes: rule.allowance,
        over_bytes: due.map(|due| due.over),
        price: rule.price.map(|price| price.to_string()),
        cost: due.and_then(|due| due.cost).map(|cost| cost.to_string()),
    }
}

const TITLES: [&str; 15] = [
    "from",
    "to",
    "kind",
    "name",
    "counts",
    "scopes",
    "rx_bytes",
    "tx_bytes",
    "billable_bytes",
    "allowance_bytes",
    "over_bytes",
    "price",
    "cost",
    "currency",
    "kept_since",
];

fn record(object: &LineObject, line: &Line, currency: Option<&str>) -> Vec<String> {
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    vec![
        object.from.clone(),
        object.to.clone(),
        object.kind.to_owned(),
        line.group.as_ref().map_or_else(String::new, |group| cell(harmless(group))),
        object.counts.to_owned(),
        object.scopes.as_ref().map_or_else(String::new, |scopes| scopes.join(" ")),
        number(object.rx_bytes),
        number(object.tx_bytes),
        number(object.billable_bytes),
        number(object.allowance_bytes),
        number(object.over_bytes),
        object.price.clone().unwrap_or_default(),
        object.cost.clone().unwrap_or_default(),
        cell(currency.unwrap_or_default().to_owned()),
    ]
}

fn rendered(invoice: &Invoice<'_>, look: &Look, zones: &Zones) -> String {
    let bill = invoice.bill;
    let mut out = String::new();
    let span = format!("{} to {}", civil(bill.range.from, zones), civil(bill.range.to, zones));
    let zone = zone_names(bill.range, zones).join(" and ");
    let heading = format!("{span} ({zone}), {}; {}", names::unit_in_words(bill.unit), ruled(&invoice.host));
    say(&mut out, Tone::Plain, &heading, look);
    let is_divided = bill.lines.iter().chain(&bill.totals).any(|line| line.span != bill.range);
    out += &in_columns(&columns(is_divided), &rows(invoice, is_divided, look, zones), look);
    let mut notes = Vec::new();
    if bill.lines.iter().chain(&bill.totals).any(|line| line.bytes.is_some() && line.due.is_none()) {
        notes.push(
            "Not known (?): rules do not look who the other end was, and only some of it is to be billed."
                .to_owned(),
        );
    }
    notes.extend(invoice.troubles.iter().map(labels::told));
    if let Some(forecast) = invoice.forecast {
        let (bytes, days) = (look.units.bytes(forecast.bytes), forecast.days_left);
        notes.push(format!("At this rate the host comes to {bytes}; {days} days are left."));
    }
    notes.extend(unknown_times(bill.gaps.iter(), bill.kept_since, zones));
    notes.extend(circumstantial(invoice.circumstances, look, zones));
    for note in notes {
        say(&mut out, Tone::Warning, &note, look);
    }
    out
}

/// The host's rule in words.
fn ruled(rule: &Rule) -> String {
    let counts = match rule.counts {
        Counts::Sum => "rx and tx together",
        Counts::Max => "rx or tx, whichever is more",
        Counts::Rx => "rx",
        Counts::Tx => "tx",
    };
    match &rule.scopes {
        None => format!("the host is billed for {counts}"),
        Some(scopes) => {
            let scopes: Vec<_> = scopes.iter().copied().map(names::scope).collect();
            format!("the host is billed for {counts}, with {} only", scopes.join(" and "))
        }
    }
}

fn columns(is_divided: bool) -> Vec<Column> {
    let mut columns = Vec::new();
    if is_divided {
        columns.push(text("FROM", None, None));
    }
    columns.extend([
        text("ACCOUNT", Some(10), None),
        number("RX", Some(1)),
        number("TX", Some(1)),
        number("BILLABLE", None),
        number("ALLOWANCE", Some(3)),
        number("OVER", Some(4)),
        number("PRICE/GB", Some(2)),
        number("COST", None),
    ]);
    columns
}

fn rows(invoice: &Invoice<'_>, is_divided: bool, look: &Look, zones: &Zones) -> Vec<Row> {
    let Invoice { bill, currency, .. } = invoice;
    let mut rows = Vec::new();
    let mut last = None;
    for line in bill.lines.iter().chain(&bill.totals) {
        let mut cells = Vec::new();
        if is_divided {
            let is_new = last.replace(line.span) != Some(line.span);
            cells.push(if is_new { civil(line.span.from, zones) } else { String::new() });
        }
        cells.push(line.group.as_ref().map_or_else(|| "HOST".to_owned(), harmless));
        cells.extend(figures(line, *currency, look));
        let tone = if line.group.is_none() { Tone::Heading } else { Tone::Plain };
        rows.push(Row { cells: cells.into_iter().map(Cell::Text).collect(), remark: None, tone });
    }
    rows
}

fn figures(line: &Line, currency: Option<&str>, look: &Look) -> [String; 7] {
    let Line { rule, bytes, due, .. } = line;
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| look.units.bytes(bytes));
    let none = || "-".to_owned();
    [
        known(bytes.map(|bytes| bytes.rx)),
        known(bytes.map(|bytes| bytes.tx)),
        known(due.map(|due| due.billable)),
        rule.allowance.map_or_else(none, |bytes| look.units.bytes(bytes)),
        rule.allowance.map_or_else(none, |_| known(due.map(|due| due.over))),
        rule.price.map_or_else(none, |price| price.to_string()),
        match (rule.price, due) {
            (None, _) => none(),
            (Some(_), None) => "?".to_owned(),
            (Some(_), Some(due)) => due.cost.map_or_else(|| "?".to_owned(), |cost| money(cost, currency)),
        },
    ]
}

/// To the cent, halves up. JSON and CSV have all digits.
fn money(cost: Decimal, currency: Option<&str>) -> String {
    let cost = cost.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    match currency {
        Some(currency) => format!("{cost:.2} {}", super::neutral::neutral(currency)),
        None => format!("{cost:.2}"),
    }
}

#[cfg(test)]
mod tests;
