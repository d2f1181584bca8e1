//! Quotas, and how much of them is used, as text.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::json::line as one_line;
use super::listing::{in_columns, number, text};
use super::names;
use super::neutral::neutral;
use super::statement::csv::{cell, written};
use super::statement::table::civil;
use super::statement::{Format, Look, moment};
use super::table::layout::{Cell, Line, Tone};
use crate::accounting::bill::quota::Standing;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    quotas: Vec<QuotaObject<'a>>,
}

/// A quota in the cycle that is under way, for programs.
#[derive(Serialize)]
pub(crate) struct QuotaObject<'a> {
    account: &'a str,
    quota_bytes: u64,
    used_bytes: Option<u64>,
    left_bytes: Option<u64>,
    percent: Option<u64>,
    is_over: bool,
    counts: &'static str,
    scopes: Option<Vec<&'static str>>,
    pub(crate) cycle_from: String,
    pub(crate) cycle_to: String,
    thresholds: Vec<u32>,
    hook: Option<&'a [String]>,
}

const TITLES: [&str; 10] = [
    "account",
    "quota_bytes",
    "used_bytes",
    "left_bytes",
    "percent",
    "is_over",
    "counts",
    "scopes",
    "cycle_from",
    "cycle_to",
];

/// A threshold that was passed, for hooks.
#[derive(Serialize)]
pub(crate) struct Passed<'a> {
    version: u32,
    threshold: u32,
    #[serde(flatten)]
    pub(crate) quota: QuotaObject<'a>,
}

impl<'a> Passed<'a> {
    pub(crate) fn new(standing: &'a Standing, threshold: u32, zone: &TimeZone) -> Self {
        Self { version: VERSION, threshold, quota: object(standing, zone) }
    }

    /// One line of JSON.
    pub(crate) fn line(&self) -> String {
        one_line(self)
    }
}

/// These quotas, as text that ends with a line feed.
pub(crate) fn list(standings: &[Standing], look: &Look, zone: &TimeZone) -> String {
    match look.format {
        Format::Table if standings.is_empty() => "None.\n".to_owned(),
        Format::Table => {
            let columns = [
                text("ACCOUNT", Some(10), None),
                number("QUOTA", None),
                number("USED", None),
                number("%", None),
                number("LEFT", Some(2)),
                text("COUNTS", None, Some(4)),
                text("UNTIL", None, Some(3)),
                text("HOOK AT", None, Some(5)),
            ];
            let rows: Vec<_> = standings.iter().map(|standing| row(standing, look, zone)).collect();
            in_columns(&columns, &rows, look)
        }
        Format::Json => one_line(&Document {
            version: VERSION,
            quotas: standings.iter().map(|standing| object(standing, zone)).collect(),
        }),
        Format::Csv => written(&TITLES, standings.iter().map(|standing| record(standing, zone))),
    }
}

fn object<'a>(standing: &'a Standing, zone: &TimeZone) -> QuotaObject<'a> {
    let Standing { account, quota, cycle, used } = standing;
    QuotaObject {
        account,
        quota_bytes: quota.bytes,
        used_bytes: *used,
        left_bytes: standing.left(),
        percent: standing.percent(),
        is_over: standing.is_over(),
        counts: names::counts(quota.counts),
        scopes: quota.scopes.as_ref().map(|scopes| scopes.iter().copied().map(names::scope).collect()),
        cycle_from: moment(cycle.from, zone),
        cycle_to: moment(cycle.to, zone),
        thresholds: quota.thresholds.iter().copied().collect(),
        hook: quota.hook.as_deref(),
    }
}

fn row(standing: &Standing, look: &Look, zone: &TimeZone) -> Line {
    let QuotaObject { counts, scopes, thresholds, hook, .. } = object(standing, zone);
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| look.units.bytes(bytes));
    let thresholds: Vec<_> = thresholds.iter().map(|percent| format!("{percent} %")).collect();
    let cells = [
        neutral(&standing.account).into_owned(),
        look.units.bytes(standing.quota.bytes),
        known(standing.used),
        standing.percent().map_or_else(|| "?".to_owned(), |percent| percent.to_string()),
        known(standing.left()),
        scopes.map_or_else(|| counts.to_owned(), |scopes| format!("{counts}, {}", scopes.join(" "))),
        civil(standing.cycle.to, zone),
        hook.map_or_else(|| "-".to_owned(), |_| thresholds.join(", ")),
    ];
    let tone = if standing.is_over() { Tone::Warning } else { Tone::Plain };
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone }
}

fn record(standing: &Standing, zone: &TimeZone) -> Vec<String> {
    let QuotaObject { counts, scopes, cycle_from, cycle_to, is_over, .. } = object(standing, zone);
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    vec![
        cell(neutral(&standing.account).into_owned()),
        standing.quota.bytes.to_string(),
        number(standing.used),
        number(standing.left()),
        number(standing.percent()),
        is_over.to_string(),
        counts.to_owned(),
        scopes.map_or_else(String::new, |scopes| scopes.join(" ")),
        cycle_from,
        cycle_to,
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dtraf_common::abi::Scope;

    use super::*;
    use crate::accounting::bill::Counts;
    use crate::accounting::bill::quota::Quota;
    use crate::accounting::statement::period::{CycleDay, Range};
    use crate::view::Paint;
    use crate::view::units::Units;

    fn shown(format: Format) -> String {
        let quota = |hook: Option<&str>, scopes| Quota {
            bytes: 500_000_000,
            counts: Counts::Tx,
            scopes,
            cycle_day: CycleDay::FIRST,
            thresholds: BTreeSet::from([80, 100]),
            hook: hook.map(|word| vec![word.to_owned()]),
        };
        let standing = |account: &str, quota, used| Standing {
            account: account.to_owned(),
            quota,
            cycle: Range { from: 1_790_726_400, to: 1_793_404_800 },
            used,
        };
        let internet = Some(BTreeSet::from([Scope::Internet]));
        let standings = [
            standing("shop/web", quota(Some("/usr/local/bin/tell"), None), Some(500_000_001)),
            standing("=cmd()\u{1b}[2J", quota(None, None), Some(1)),
            standing("rules", quota(None, internet), None),
        ];
        list(
            &standings,
            &Look { format, units: Units::Si, width: Some(100), paint: Paint::Plain },
            &TimeZone::UTC,
        )
    }

    #[test]
    fn quotas_as_a_table() {
        insta::assert_snapshot!(shown(Format::Table), @r"
        ACCOUNT              QUOTA       USED    %       LEFT  COUNTS        UNTIL       HOOK AT
        shop/web         500.00 MB  500.00 MB  100        0 B  tx            2026-10-31  80 %, 100 %
        =cmd()\u{1b}[2J  500.00 MB        1 B    0  500.00 MB  tx            2026-10-31  -
        rules            500.00 MB          ?    ?          ?  tx, internet  2026-10-31  -
        ");
    }

    #[test]
    fn quotas_as_comma_separated_values() {
        insta::assert_snapshot!(shown(Format::Csv), @r"
        account,quota_bytes,used_bytes,left_bytes,percent,is_over,counts,scopes,cycle_from,cycle_to
        shop/web,500000000,500000001,0,100,true,tx,,2026-09-30T00:00:00+00:00,2026-10-31T00:00:00+00:00
        '=cmd()\u{1b}[2J,500000000,1,499999999,0,false,tx,,2026-09-30T00:00:00+00:00,2026-10-31T00:00:00+00:00
        rules,500000000,,,,false,tx,internet,2026-09-30T00:00:00+00:00,2026-10-31T00:00:00+00:00
        ");
    }

    #[test]
    fn what_is_used_up_is_told_and_what_is_not_known_is_null() {
        let document: serde_json::Value = serde_json::from_str(&shown(Format::Json)).unwrap();
        let quotas = &document["quotas"];
        assert_eq!((quotas[0]["is_over"].as_bool(), quotas[0]["left_bytes"].as_u64()), (Some(true), Some(0)));
        assert_eq!(
            (&quotas[2]["used_bytes"], quotas[2]["is_over"].as_bool()),
            (&serde_json::Value::Null, Some(false))
        );
    }
}
