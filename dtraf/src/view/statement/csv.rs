//! A statement as comma-separated values (RFC 4180), with a line of titles. Numbers are whole; what is not known is empty. Names
//! are spelled so that neither a terminal nor a spreadsheet obeys them.

use super::{harmless, kind, moment, role};
use crate::accounting::amount::Amount;
use crate::accounting::history::zones::Zones;
use crate::accounting::statement::{Line, Statement};

/// Of both directions.
pub(in crate::view) const AMOUNTS: [&str; 10] = [
    "rx_wire_bytes",
    "rx_packets",
    "rx_ip_bytes",
    "rx_skb_ip_bytes",
    "rx_skbs",
    "tx_wire_bytes",
    "tx_packets",
    "tx_ip_bytes",
    "tx_skb_ip_bytes",
    "tx_skbs",
];

pub(super) fn render(statement: &Statement, zones: &Zones) -> String {
    let titles =
        [&["from", "to", "kind", "name", "role"], &AMOUNTS[..], &["total_bytes", "kept_since"]].concat();
    written(&titles, statement.lines.iter().map(|line| record(statement, line, zones)))
}

/// Titles and records as text.
pub(in crate::view) fn written(titles: &[&str], records: impl Iterator<Item = Vec<String>>) -> String {
    const IN_MEMORY: &str = "values are written to memory";
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(titles).expect(IN_MEMORY);
    for record in records {
        writer.write_record(record).expect(IN_MEMORY);
    }
    String::from_utf8(writer.into_inner().expect(IN_MEMORY)).expect("all values are text")
}

fn record(statement: &Statement, line: &Line, zones: &Zones) -> Vec<String> {
    let mut record = vec![
        moment(line.span.from, zones),
        moment(line.span.to, zones),
        kind(&line.group).to_owned(),
        cell(harmless(&line.group)),
        role(&line.group).unwrap_or_default().to_owned(),
    ];
    for amounts in [line.amounts.map(|both| both.rx), line.amounts.map(|both| both.tx)] {
        record.extend(amounts.as_ref().map_or_else(Default::default, amount));
    }
    let total = line.amounts.and_then(|both| statement.unit.bytes(&(both.rx + both.tx)));
    record.push(total.map_or_else(String::new, |total| total.to_string()));
    record.push(kept_since(line.amounts.is_none(), statement.kept_since, zones));
    record
}

/// The second that all lines like an unknown one are known from.
pub(in crate::view) fn kept_since(is_unknown: bool, since: Option<i64>, zones: &Zones) -> String {
    since.filter(|_| is_unknown).map_or_else(String::new, |since| moment(since, zones))
}

pub(in crate::view) fn amount(amount: &Amount) -> [String; 5] {
    let known = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let frames = amount.frames;
    [
        known(frames.map(|frames| frames.wire_bytes)),
        known(frames.map(|frames| frames.packets)),
        known(frames.map(|frames| frames.ip_bytes)),
        amount.skb_ip_bytes.to_string(),
        amount.skbs.to_string(),
    ]
}

/// A name that a spreadsheet would take for a formula is marked as text, with the quote that spreadsheets have for that.
pub(in crate::view) fn cell(name: String) -> String {
    let is_formula = name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{name}") } else { name }
}
