//! A statement as one line of JSON, for programs. `docs/report.schema.json` describes it; what changes the meaning of a field
//! changes [`VERSION`].

use jiff::tz::TimeZone;
use serde::Serialize;

use super::reconcile::{self, ReconciliationObject};
use super::{kind, moment, name, role};
use crate::accounting::amount::PerDirection;
use crate::accounting::snapshot::Shortfall;
use crate::accounting::statement::period::{Range, Step};
use crate::accounting::statement::{By, Calibration, Group, Line, Statement};
use crate::view::json::amounts::{AmountObject, of_each};
use crate::view::json::line as one_line;
use crate::view::names;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    from: String,
    to: String,
    step: Option<&'static str>,
    by: &'static str,
    unit: &'static str,
    backends: &'a [String],
    since: Option<String>,
    written_at: Option<String>,
    kept_since: Option<String>,
    lines: Vec<LineObject>,
    left_out: usize,
    total: PerDirection<AmountObject>,
    shortfall: Option<PerDirection<Shortfall>>,
    absences: Vec<Absence>,
    calibrations: Vec<CalibrationObject<'a>>,
    forecast: Option<ForecastObject>,
    reconciliation: Option<ReconciliationObject<'a>>,
}

#[derive(Serialize)]
struct LineObject {
    from: String,
    to: String,
    kind: &'static str,
    name: String,
    id: Option<String>,
    role: Option<&'static str>,
    rx: AmountObject,
    tx: AmountObject,
}

#[derive(Serialize)]
struct Absence {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct ForecastObject {
    bytes: u64,
    days_left: u64,
}

/// What somebody else says of a time.
#[derive(Serialize)]
pub(in crate::view) struct CalibrationObject<'a> {
    number: i64,
    from: String,
    to: String,
    counts: &'static str,
    bytes: u64,
    note: &'a str,
    counted_bytes: Option<u64>,
}

pub(in crate::view) fn calibration<'a>(said: &'a Calibration, zone: &TimeZone) -> CalibrationObject<'a> {
    let Calibration { number, range, counts, bytes, note, counted } = said;
    CalibrationObject {
        number: *number,
        from: moment(range.from, zone),
        to: moment(range.to, zone),
        counts: names::counts(*counts),
        bytes: *bytes,
        note,
        counted_bytes: *counted,
    }
}

pub(super) fn render(statement: &Statement, zone: &TimeZone) -> String {
    let circumstances = &statement.circumstances;
    let absence = |(from, to): &(_, _)| Absence { from: names::rfc3339(*from), to: names::rfc3339(*to) };
    let Range { from, to } = statement.range;
    one_line(&Document {
        version: VERSION,
        from: moment(from, zone),
        to: moment(to, zone),
        step: statement.step.map(step),
        by: by(statement.by),
        unit: names::unit(statement.unit()),
        backends: &circumstances.backends,
        since: circumstances.since.map(names::rfc3339),
        written_at: circumstances.written_at.map(names::rfc3339),
        kept_since: circumstances.kept_since.map(|second| moment(second, zone)),
        lines: statement.lines.iter().map(|line| object(line, zone)).collect(),
        left_out: statement.left_out,
        total: of_each(&statement.total),
        shortfall: circumstances.missed,
        absences: circumstances.absences.iter().map(absence).collect(),
        calibrations: circumstances.calibrations.iter().map(|said| calibration(said, zone)).collect(),
        forecast: statement
            .forecast
            .map(|forecast| ForecastObject { bytes: forecast.bytes, days_left: forecast.days_left }),
        reconciliation: statement.reconciled.as_ref().map(reconcile::object),
    })
}

fn object(line: &Line, zone: &TimeZone) -> LineObject {
    let Line { span, group, amounts } = line;
    LineObject {
        from: moment(span.from, zone),
        to: moment(span.to, zone),
        kind: kind(group),
        name: name(group),
        id: match group {
            Group::Container { id, .. } => Some(id.to_string()),
            _ => None,
        },
        role: role(group),
        rx: amounts.rx.into(),
        tx: amounts.tx.into(),
    }
}

fn step(step: Step) -> &'static str {
    match step {
        Step::Hour => "hour",
        Step::Day => "day",
        Step::Cycle(_) => "cycle",
    }
}

fn by(by: By) -> &'static str {
    match by {
        By::Account => "account",
        By::Container => "container",
        By::Port => "port",
        By::Scope => "scope",
        By::Project => "project",
    }
}
