//! The list of rules, as text. Packets and bytes are exact in every form: it is read beside `iptables -vnxL`.

mod csv;
mod json;

use super::neutral::neutral;
use super::table::layout::{Align, Cell, Column, LaidOut, Line, Tone, lay_out, wrap};
use super::{Fit, Paint, names, table};
use crate::accounting::identity::Timestamp;
use crate::accounting::snapshot::Life;
use crate::source::iptables::standing::Listed;
use crate::source::rules::Matched;
use crate::source::rules::set::Hiding;

/// How the list is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListFormat {
    Table,
    Json,
    Csv,
}

/// Rules with what they have counted.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) taken_at: Timestamp,
    /// The programs that they were read with, as in `iptables-nft v1.8.9 (nf_tables)`.
    pub(crate) programs: Vec<String>,
    /// Other people's rules that may keep packets from them.
    pub(crate) hiding: Vec<Hiding>,
    pub(crate) rules: Vec<Listed>,
}

pub(crate) fn render(listing: &Listing, format: ListFormat, fit: Fit, paint: Paint) -> String {
    match format {
        ListFormat::Table => in_columns(listing, fit, paint),
        ListFormat::Json => json::render(listing),
        ListFormat::Csv => csv::render(listing),
    }
}

fn in_columns(listing: &Listing, fit: Fit, paint: Paint) -> String {
    let width = fit.width();
    let rows: Vec<Line> = listing.rules.iter().map(row).collect();
    let LaidOut { lines, .. } = lay_out(&columns(), &rows, width);
    let heading = format!(
        "{} rules of dtraf's, skb IP bytes, {} ({})",
        listing.rules.len(),
        names::second(listing.taken_at),
        listing.programs.join(", "),
    );
    let hiding = listing.hiding.iter().map(|rule| {
        let rule = rule.to_string();
        format!("{} stands before these rules: packets that it ends are not counted", neutral(&rule))
    });
    let heading = [heading].into_iter().chain(hiding);
    let heading: Vec<String> = match width {
        Some(width) => heading.flat_map(|line| wrap(&line, width)).collect(),
        None => heading.collect(),
    };
    let mut text = String::new();
    for (tone, line) in heading.into_iter().map(|line| (Tone::Plain, line)).chain(lines) {
        table::paint(&mut text, tone, &line, paint);
    }
    text
}

fn columns() -> Vec<Column> {
    let text = |title, floor, rank| Column { title, align: Align::Left, floor: Some(floor), rank };
    let figure = |title| Column { title, align: Align::Right, floor: None, rank: None };
    vec![
        text("CHAIN", 11, Some(2)),
        figure("NUM"),
        text("CONTAINER", 12, None),
        text("ADDRESS", 10, None),
        Column { title: "DIRECTION", align: Align::Left, floor: None, rank: None },
        Column { title: "PORT", align: Align::Left, floor: None, rank: None },
        figure("PKTS"),
        figure("BYTES"),
        text("SINCE", 17, Some(1)),
    ]
}

fn row(rule: &Listed) -> Line {
    let counted = &rule.counted;
    let address = match counted.life {
        Life::Live => counted.address.to_string(),
        Life::Retired => "(count is kept)".to_owned(),
    };
    let cells = [
        rule.chain.clone(),
        rule.number.to_string(),
        neutral(&counted.name).into_owned(),
        address,
        names::direction(counted.key.direction).to_owned(),
        matched(counted.key.matched),
        counted.tally.packets.to_string(),
        counted.tally.bytes.to_string(),
        names::minute(counted.since),
    ];
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone: Tone::Plain }
}

fn matched(matched: Matched) -> String {
    match matched {
        Matched::All => "all".to_owned(),
        Matched::Port(number) => format!("{}/{}", number.port, names::protocol(number.protocol)),
    }
}

#[cfg(test)]
mod tests;
