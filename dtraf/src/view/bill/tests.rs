use std::collections::{BTreeMap, BTreeSet};

use dtraf_common::abi::Scope;
use jiff::tz::TimeZone;

use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::bill::label::{SeenLabel, TermLabel};
use crate::accounting::bill::{Counts, Tariff, Terms};
use crate::accounting::fixtures::{at, id, packets};
use crate::accounting::statement::calibration::{Calibration, Counted};
use crate::accounting::statement::period::Range;
use crate::accounting::statement::plan::Plan;
use crate::accounting::statement::{By, Found, HolderName, Question, Sum};
use crate::config::labels::Labels;
use crate::view::Paint;
use crate::view::schemas::describes;
use crate::view::units::Units;

const DAY: i64 = 86_400;

fn shown(format: Format, width: usize) -> String {
    let begin = 1_790_000_000 - 1_790_000_000 % DAY;
    let range = Range { from: begin, to: begin + 2 * DAY };
    let question =
        Question { range, step: None, boundaries: vec![range.from, range.to], by: By::Account, top: None };
    let sum = |number: u8, account: &str, scope, tx| {
        let name = HolderName::Container {
            id: id(number),
            name: account.to_owned(),
            account: account.to_owned(),
            project: None,
        };
        Sum { start: begin, of: (name, scope), amounts: PerDirection { rx: packets(1), tx: packets(tx) } }
    };
    let price = |text: &str| text.parse().ok();
    let host = Terms {
        counts: Some(Counts::Tx),
        scopes: Some(BTreeSet::from([Scope::Internet])),
        price: price("1.5"),
        allowance: Some(2_000_000_000),
    };
    let own = Terms { price: price("0.049"), allowance: Some(1_000_000_000), ..Terms::default() };
    let tariff = Tariff { host, accounts: BTreeMap::from([("shop/web".to_owned(), own)]) };
    let sums = vec![
        sum(1, "shop/web", Some(Scope::Internet), 3_000_000),
        sum(2, "=cmd()\u{1b}[2J", Some(Scope::Internet), 400),
        sum(2, "=cmd()\u{1b}[2J", Some(Scope::Lan), 1_000),
        sum(3, "old", None, 5),
    ];
    let said = Calibration {
        number: 7,
        range,
        counts: Counts::Tx,
        bytes: 3_100_000_000,
        note: "The panel".to_owned(),
        scopes: None,
        counted: Some(Counted { bytes: 3_000_000_000, range }),
    };
    let circumstances = Circumstances {
        written_at: Some(at(0)),
        since: Some(at(0)),
        calibrations: vec![said],
        ..Circumstances::default()
    };
    let found = Found { plan: Plan::default(), sums, around: Vec::new() };
    let bill = Bill::new(&question, &tariff, found, &circumstances);
    let label = |number, value: &str| SeenLabel {
        account: "shop/web".to_owned(),
        id: id(number),
        container: format!("web-{number}"),
        label: TermLabel::Price,
        value: value.to_owned(),
        since: at(u64::from(number)),
        until: None,
    };
    let troubles = Labels::new(vec![label(1, "much\u{1b}"), label(2, "1"), label(3, "2")]).troubles;
    let invoice = Invoice {
        bill: &bill,
        host: tariff.of_host(),
        currency: Some("EUR"),
        circumstances: &circumstances,
        forecast: Some(Forecast { bytes: 4_000_000_000, days_left: 3 }),
        troubles: &troubles,
    };
    let look = Look { format, units: Units::Si, width: Some(width), paint: Paint::Plain };
    render(&invoice, &look, &TimeZone::UTC.into())
}

#[test]
fn a_bill_as_a_table() {
    insta::assert_snapshot!(shown(Format::Table, 110), @r#"
    2026-09-21 to 2026-09-23 (UTC), wire bytes; the host is billed for tx, with internet only
    ACCOUNT               RX         TX   BILLABLE  ALLOWANCE     OVER  PRICE/GB      COST
    shop/web         1.00 kB    3.00 GB    3.00 GB    1.00 GB  2.00 GB     0.049  0.10 EUR
    =cmd()\u{1b}[2J  1.00 kB  400.00 kB  400.00 kB          -        -       1.5  0.00 EUR
    old                  0 B        0 B          ?          -        -       1.5         ?
    HOST             2.00 kB    3.00 GB          ?    2.00 GB        ?       1.5         ?
    Not known (?): rules do not look who the other end was, and only some of it is to be billed.
    web-2's label dtraf.price says `1`; that of web-3, seen later, says `2`, which holds.
    web-1's label dtraf.price is left aside: `much\u{1b}` is no price of a GB: write one like 0.05, below
      1,000,000 and with 6 decimals at most.
    At this rate the host comes to 4.00 GB; 3 days are left.
    The panel says 3.10 GB (tx) for 2026-09-21 to 2026-09-23; counted here: 3.00 GB (96.8 % of it).
    Counted since 2026-09-21 14:13; written up to 2026-09-21 14:13.
    "#);
}

#[test]
fn a_narrow_bill_keeps_what_is_to_be_paid() {
    insta::assert_snapshot!(shown(Format::Table, 60), @r#"
    2026-09-21 to 2026-09-23 (UTC), wire bytes; the host is
      billed for tx, with internet only
    ACCOUNT           BILLABLE  ALLOWANCE     OVER      COST
    shop/web           3.00 GB    1.00 GB  2.00 GB  0.10 EUR
    =cmd()\u{1b}[2J  400.00 kB          -        -  0.00 EUR
    old                      ?          -        -         ?
    HOST                     ?    2.00 GB        ?         ?
    Not known (?): rules do not look who the other end was, and
      only some of it is to be billed.
    web-2's label dtraf.price says `1`; that of web-3, seen
      later, says `2`, which holds.
    web-1's label dtraf.price is left aside: `much\u{1b}` is no
      price of a GB: write one like 0.05, below 1,000,000 and
      with 6 decimals at most.
    At this rate the host comes to 4.00 GB; 3 days are left.
    The panel says 3.10 GB (tx) for 2026-09-21 to 2026-09-23;
      counted here: 3.00 GB (96.8 % of it).
    Counted since 2026-09-21 14:13; written up to 2026-09-21
      14:13.
    "#);
}

#[test]
fn a_bill_as_comma_separated_values() {
    insta::assert_snapshot!(shown(Format::Csv, 60), @r#"
    from,to,kind,name,counts,scopes,rx_bytes,tx_bytes,billable_bytes,allowance_bytes,over_bytes,price,cost,currency,kept_since
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,shop/web,tx,internet,1000,3000000000,3000000000,1000000000,2000000000,0.049,0.098,EUR,
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,'=cmd()\u{1b}[2J,tx,internet,1000,400000,400000,,400000,1.5,0.0006,EUR,
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,old,tx,internet,0,0,,,,1.5,,EUR,
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,host,,tx,internet,2000,3000400000,,2000000000,,1.5,,EUR,
    "#);
}

#[test]
fn the_schema_describes_the_document_in_which_decimals_are_text() {
    let schema = include_str!("../../../../docs/bill.schema.json");
    let document = describes(schema, &shown(Format::Json, 60));
    let line = &document["lines"][0];
    assert_eq!((line["name"].as_str(), line["cost"].as_str()), (Some("shop/web"), Some("0.098")));
    assert_eq!(document["host"][0]["billable_bytes"], serde_json::Value::Null);
    assert_eq!(document["calibrations"][0]["counted_bytes"], 3_000_000_000_u64);
}
