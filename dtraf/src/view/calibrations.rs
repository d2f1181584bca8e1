//! What others have counted, as text.

use serde::Serialize;

use super::json::line as one_line;
use super::listing::{in_columns, number, text};
use super::names;
use super::neutral::neutral;
use super::statement::csv::{cell, written};
use super::statement::json::{CalibrationObject, calibration};
use super::statement::table::civil;
use super::statement::{Format, Look, moment};
use super::table::layout::{Cell, Line, Tone};
use crate::accounting::history::zones::Zones;
use crate::accounting::statement::calibration::Calibration;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    calibrations: Vec<CalibrationObject<'a>>,
}

const TITLES: [&str; 10] = [
    "number",
    "from",
    "to",
    "counts",
    "bytes",
    "counted_bytes",
    "note",
    "scopes",
    "counted_from",
    "counted_to",
];

/// All of them, as text that ends with a line feed.
pub(crate) fn list(all: &[Calibration], look: &Look, zones: &Zones) -> String {
    match look.format {
        Format::Table if all.is_empty() => "Nothing is written down.\n".to_owned(),
        Format::Table => {
            let columns = [
                number("NUMBER", None),
                text("FROM", None, None),
                text("TO", None, None),
                text("COUNTS", None, Some(1)),
                number("BYTES", None),
                number("COUNTED", None),
                text("WHO", Some(10), None),
            ];
            let rows: Vec<_> = all.iter().map(|said| row(said, look, zones)).collect();
            in_columns(&columns, &rows, look)
        }
        Format::Json => one_line(&Document {
            version: VERSION,
            calibrations: all.iter().map(|said| calibration(said, zones)).collect(),
        }),
        Format::Csv => written(&TITLES, all.iter().map(|said| record(said, zones))),
    }
}

/// `tx, internet lan`
fn scopes(said: &Calibration) -> String {
    let counts = names::counts(said.counts);
    if said.scopes.is_some() { format!("{counts}, {}", words(said, " ")) } else { counts.to_owned() }
}

fn words(said: &Calibration, between: &str) -> String {
    let scopes = said.scopes.iter().flatten().copied().map(names::scope);
    scopes.collect::<Vec<_>>().join(between)
}

fn row(said: &Calibration, look: &Look, zones: &Zones) -> Line {
    let Calibration { number, range, bytes, note, counted, .. } = said;
    let cells = [
        number.to_string(),
        civil(range.from, zones),
        civil(range.to, zones),
        scopes(said),
        look.units.bytes(*bytes),
        counted.map_or_else(|| "?".to_owned(), |counted| look.units.bytes(counted.bytes)),
        neutral(note).into_owned(),
    ];
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone: Tone::Plain }
}

fn record(said: &Calibration, zones: &Zones) -> Vec<String> {
    let Calibration { number, range, counts, bytes, note, counted, .. } = said;
    vec![
        number.to_string(),
        moment(range.from, zones),
        moment(range.to, zones),
        names::counts(*counts).to_owned(),
        bytes.to_string(),
        counted.map_or_else(String::new, |counted| counted.bytes.to_string()),
        cell(neutral(note).into_owned()),
        words(said, " "),
        counted.map_or_else(String::new, |counted| moment(counted.range.from, zones)),
        counted.map_or_else(String::new, |counted| moment(counted.range.to, zones)),
    ]
}
