//! Quotas, and how much of them is used, as text.

use serde::Serialize;

use super::json::line as one_line;
use super::labels::{self, TroubleObject};
use super::listing::{in_columns, number, say, text};
use super::names;
use super::neutral::neutral;
use super::statement::csv::{cell, written};
use super::statement::table::civil;
use super::statement::{Format, Look, moment};
use super::table::layout::{Cell, Line, Tone};
use crate::accounting::bill::quota::Standing;
use crate::accounting::history::zones::Zones;
use crate::config::labels::Trouble;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    quotas: Vec<QuotaObject<'a>>,
    label_troubles: Vec<TroubleObject<'a>>,
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
    source: &'static str,
}

const TITLES: [&str; 11] = [
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
    "source",
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
    pub(crate) fn new(standing: &'a Standing, threshold: u32, zones: &Zones) -> Self {
        Self { version: VERSION, threshold, quota: object(standing, zones) }
    }

    /// One line of JSON.
    pub(crate) fn line(&self) -> String {
        one_line(self)
    }
}

/// These quotas, as text that ends with a line feed.
pub(crate) fn list(standings: &[Standing], troubles: &[Trouble], look: &Look, zones: &Zones) -> String {
    match look.format {
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
                text("SOURCE", None, Some(6)),
            ];
            let rows: Vec<_> = standings.iter().map(|standing| row(standing, look, zones)).collect();
            let mut out =
                if rows.is_empty() { "None.\n".to_owned() } else { in_columns(&columns, &rows, look) };
            for trouble in troubles {
                say(&mut out, Tone::Warning, &labels::told(trouble), look);
            }
            out
        }
        Format::Json => one_line(&Document {
            version: VERSION,
            quotas: standings.iter().map(|standing| object(standing, zones)).collect(),
            label_troubles: labels::objects(troubles),
        }),
        Format::Csv => written(&TITLES, standings.iter().map(|standing| record(standing, zones))),
    }
}

fn object<'a>(standing: &'a Standing, zones: &Zones) -> QuotaObject<'a> {
    let Standing { account, quota, source, cycle, used } = standing;
    QuotaObject {
        account,
        quota_bytes: quota.bytes,
        used_bytes: *used,
        left_bytes: standing.left(),
        percent: standing.percent(),
        is_over: standing.is_over(),
        counts: names::counts(quota.counts),
        scopes: quota.scopes.as_ref().map(|scopes| scopes.iter().copied().map(names::scope).collect()),
        cycle_from: moment(cycle.from, zones),
        cycle_to: moment(cycle.to, zones),
        thresholds: quota.thresholds.iter().copied().collect(),
        hook: quota.hook.as_deref(),
        source: names::source(*source),
    }
}

fn row(standing: &Standing, look: &Look, zones: &Zones) -> Line {
    let QuotaObject { counts, scopes, thresholds, hook, source, .. } = object(standing, zones);
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| look.units.bytes(bytes));
    let thresholds: Vec<_> = thresholds.iter().map(|percent| format!("{percent} %")).collect();
    let cells = [
        neutral(&standing.account).into_owned(),
        look.units.bytes(standing.quota.bytes),
        known(standing.used),
        standing.percent().map_or_else(|| "?".to_owned(), |percent| percent.to_string()),
        known(standing.left()),
        scopes.map_or_else(|| counts.to_owned(), |scopes| format!("{counts}, {}", scopes.join(" "))),
        civil(standing.cycle.to, zones),
        hook.map_or_else(|| "-".to_owned(), |_| thresholds.join(", ")),
        source.to_owned(),
    ];
    let tone = if standing.is_over() { Tone::Warning } else { Tone::Plain };
    Line { cells: cells.map(Cell::Text).into(), remark: None, tone }
}

fn record(standing: &Standing, zones: &Zones) -> Vec<String> {
    let QuotaObject { counts, scopes, cycle_from, cycle_to, is_over, source, .. } = object(standing, zones);
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
        source.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dtraf_common::abi::Scope;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::accounting::bill::Counts;
    use crate::accounting::bill::label::{SeenLabel, TermLabel};
    use crate::accounting::bill::quota::{Quota, Source};
    use crate::accounting::fixtures::{at, id};
    use crate::accounting::statement::period::{CycleDay, Range};
    use crate::config::labels::{Labels, Trouble};
    use crate::view::Paint;
    use crate::view::schemas::describes;
    use crate::view::units::Units;

    fn troubles() -> Vec<Trouble> {
        let label = |number, value: &str| SeenLabel {
            account: "web".to_owned(),
            id: id(number),
            container: format!("web\u{1b}-{number}"),
            label: TermLabel::Quota,
            value: value.to_owned(),
            since: at(u64::from(number)),
            until: None,
        };
        Labels::new(vec![label(1, "much\u{1b}[2J"), label(2, "1GB"), label(3, "2GB")]).troubles
    }

    fn shown(format: Format) -> String {
        let quota = |hook: Option<&str>, scopes| Quota {
            bytes: 500_000_000,
            counts: Counts::Tx,
            scopes,
            cycle_day: CycleDay::FIRST,
            thresholds: BTreeSet::from([80, 100]),
            hook: hook.map(|word| vec![word.to_owned()]),
        };
        let standing = |account: &str, quota, source, used| Standing {
            account: account.to_owned(),
            quota,
            source,
            cycle: Range { from: 1_790_726_400, to: 1_793_404_800 },
            used,
        };
        let internet = Some(BTreeSet::from([Scope::Internet]));
        let standings = [
            standing("shop/web", quota(Some("/usr/local/bin/tell"), None), Source::Set, Some(500_000_001)),
            standing("=cmd()\u{1b}[2J", quota(None, None), Source::Label, Some(1)),
            standing("rules", quota(None, internet), Source::Config, None),
        ];
        list(
            &standings,
            &troubles(),
            &Look { format, units: Units::Si, width: Some(100), paint: Paint::Plain },
            &TimeZone::UTC.into(),
        )
    }

    #[test]
    fn quotas_as_a_table() {
        insta::assert_snapshot!(shown(Format::Table), @r#"
        ACCOUNT              QUOTA       USED    %       LEFT  COUNTS        UNTIL       HOOK AT      SOURCE
        shop/web         500.00 MB  500.00 MB  100        0 B  tx            2026-10-31  80 %, 100 %  set
        =cmd()\u{1b}[2J  500.00 MB        1 B    0  500.00 MB  tx            2026-10-31  -            label
        rules            500.00 MB          ?    ?          ?  tx, internet  2026-10-31  -            config
        web\u{1b}-2's label dtraf.quota says `1GB`; that of web\u{1b}-3, seen later, says `2GB`, which
          holds.
        web\u{1b}-1's label dtraf.quota is left aside: `much\u{1b}[2J` is no number of bytes (invalid digit
          found in string); write 500GB or 1.5TiB.
        "#);
    }

    #[test]
    fn quotas_as_comma_separated_values() {
        insta::assert_snapshot!(shown(Format::Csv), @r#"
        account,quota_bytes,used_bytes,left_bytes,percent,is_over,counts,scopes,cycle_from,cycle_to,source
        shop/web,500000000,500000001,0,100,true,tx,,2026-09-30T00:00:00+00:00,2026-10-31T00:00:00+00:00,set
        '=cmd()\u{1b}[2J,500000000,1,499999999,0,false,tx,,2026-09-30T00:00:00+00:00,2026-10-31T00:00:00+00:00,label
        rules,500000000,,,,false,tx,internet,2026-09-30T00:00:00+00:00,2026-10-31T00:00:00+00:00,config
        "#);
    }

    #[test]
    fn the_schema_describes_the_document_in_which_what_is_not_known_is_null() {
        let document = describes(include_str!("../../../docs/quotas.schema.json"), &shown(Format::Json));
        let quotas = &document["quotas"];
        assert_eq!((quotas[0]["is_over"].as_bool(), quotas[0]["left_bytes"].as_u64()), (Some(true), Some(0)));
        assert_eq!(
            (&quotas[2]["used_bytes"], quotas[2]["is_over"].as_bool()),
            (&serde_json::Value::Null, Some(false))
        );
    }
}
