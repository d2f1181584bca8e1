//! What others have counted, as text.

use jiff::tz::TimeZone;
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
use crate::accounting::statement::Calibration;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    calibrations: Vec<CalibrationObject<'a>>,
}

const TITLES: [&str; 7] = ["number", "from", "to", "counts", "bytes", "counted_bytes", "note"];

/// All of them, as text that ends with a line feed.
pub(crate) fn list(all: &[Calibration], look: &Look, zone: &TimeZone) -> String {
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
            let rows: Vec<_> = all.iter().map(|said| row(said, look, zone)).collect();
            in_columns(&columns, &rows, look)
        }
        Format::Json => one_line(&Document {
            version: VERSION,
            calibrations: all.iter().map(|said| calibration(said, zone)).collect(),
        }),
        Format::Csv => written(&TITLES, all.iter().map(|said| record(said, zone))),
    }
}

fn row(said: &Calibration, look: &Look, zone: &TimeZone) -> Line {
    let Calibration { number, range, counts, bytes, note, counted } = said;
    let cells = [
        number.to_string(),
        civil(range.from, zone),
        civil(range.to, zone),
        names::counts(*counts).to_owned(),
        look.units.bytes(*bytes),
        counted.map_or_else(|| "?".to_owned(), |counted| look.units.bytes(counted)),
        neutral(note).into_owned(),
    ];
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone: Tone::Plain }
}

fn record(said: &Calibration, zone: &TimeZone) -> Vec<String> {
    let Calibration { number, range, counts, bytes, note, counted } = said;
    vec![
        number.to_string(),
        moment(range.from, zone),
        moment(range.to, zone),
        names::counts(*counts).to_owned(),
        bytes.to_string(),
        counted.map_or_else(String::new, |counted| counted.to_string()),
        cell(neutral(note).into_owned()),
    ]
}
