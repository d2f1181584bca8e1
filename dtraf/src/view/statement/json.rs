//! A statement as one line of JSON, for programs. `docs/report.schema.json` describes it; what changes the meaning of a field
//! changes [`VERSION`].

use serde::Serialize;

use super::reconcile::{self, ReconciliationObject};
use super::{kind, moment, name, role, zone_names};
use crate::accounting::amount::PerDirection;
use crate::accounting::history::zones::Zones;
use crate::accounting::snapshot::Shortfall;
use crate::accounting::statement::calibration::Calibration;
use crate::accounting::statement::period::{Range, Step};
use crate::accounting::statement::plan::{Gap, Why};
use crate::accounting::statement::{By, Group, Line, Statement};
use crate::view::json::amounts::{AmountObject, of_each};
use crate::view::json::line as one_line;
use crate::view::names;

const VERSION: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    from: String,
    to: String,
    time_zones: Vec<&'a str>,
    step: Option<&'static str>,
    by: &'static str,
    unit: &'static str,
    backends: &'a [String],
    since: Option<String>,
    written_at: Option<String>,
    kept_since: Option<String>,
    lines: Vec<LineObject>,
    left_out: usize,
    total: Option<PerDirection<AmountObject>>,
    gaps: Vec<GapObject>,
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
    rx: Option<AmountObject>,
    tx: Option<AmountObject>,
}

/// A time of which nothing is known.
#[derive(Serialize)]
pub(in crate::view) struct GapObject {
    from: String,
    to: String,
    reason: &'static str,
}

pub(in crate::view) fn gap(gap: &Gap, zones: &Zones) -> GapObject {
    let Gap { range, why } = gap;
    let reason = match why {
        Why::NotKept { .. } => "not_kept",
        Why::NotCounted => "not_counted",
    };
    GapObject { from: moment(range.from, zones), to: moment(range.to, zones), reason }
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
    scopes: Option<Vec<&'static str>>,
    bytes: u64,
    note: &'a str,
    counted_bytes: Option<u64>,
    counted_from: Option<String>,
    counted_to: Option<String>,
}

pub(in crate::view) fn calibration<'a>(said: &'a Calibration, zones: &Zones) -> CalibrationObject<'a> {
    let Calibration { number, range, counts, scopes, bytes, note, counted } = said;
    CalibrationObject {
        number: *number,
        from: moment(range.from, zones),
        to: moment(range.to, zones),
        counts: names::counts(*counts),
        scopes: scopes.as_ref().map(|scopes| scopes.iter().copied().map(names::scope).collect()),
        bytes: *bytes,
        note,
        counted_bytes: counted.map(|counted| counted.bytes),
        counted_from: counted.map(|counted| moment(counted.range.from, zones)),
        counted_to: counted.map(|counted| moment(counted.range.to, zones)),
    }
}

pub(super) fn render(statement: &Statement, zones: &Zones) -> String {
    let circumstances = &statement.circumstances;
    let absence = |(from, to): &(_, _)| Absence { from: names::rfc3339(*from), to: names::rfc3339(*to) };
    let Range { from, to } = statement.range;
    one_line(&Document {
        version: VERSION,
        from: moment(from, zones),
        to: moment(to, zones),
        time_zones: zone_names(statement.range, zones),
        step: statement.step.map(step),
        by: by(statement.by),
        unit: names::unit(statement.unit),
        backends: &circumstances.backends,
        since: circumstances.since.map(names::rfc3339),
        written_at: circumstances.written_at.map(names::rfc3339),
        kept_since: statement.kept_since.map(|second| moment(second, zones)),
        lines: statement.lines.iter().map(|line| object(line, zones)).collect(),
        left_out: statement.left_out,
        total: statement.total.as_ref().map(of_each),
        gaps: statement.gaps.iter().map(|it| gap(it, zones)).collect(),
        shortfall: circumstances.missed,
        absences: circumstances.absences.iter().map(absence).collect(),
        calibrations: circumstances.calibrations.iter().map(|said| calibration(said, zones)).collect(),
        forecast: statement
            .forecast
            .map(|forecast| ForecastObject { bytes: forecast.bytes, days_left: forecast.days_left }),
        reconciliation: statement.reconciled.as_ref().map(reconcile::object),
    })
}

fn object(line: &Line, zones: &Zones) -> LineObject {
    let Line { span, group, amounts } = line;
    LineObject {
        from: moment(span.from, zones),
        to: moment(span.to, zones),
        kind: kind(group),
        name: name(group),
        id: match group {
            Group::Container { id, .. } => Some(id.to_string()),
            _ => None,
        },
        role: role(group),
        rx: amounts.map(|amounts| amounts.rx.into()),
        tx: amounts.map(|amounts| amounts.tx.into()),
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
