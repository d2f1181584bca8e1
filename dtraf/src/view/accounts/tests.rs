use jiff::tz::TimeZone;

use super::*;
use crate::accounting::fixtures::{at, id};
use crate::view::Paint;
use crate::view::schemas::describes;
use crate::view::units::Units;

fn look(format: Format) -> Look {
    Look { format, units: Units::Si, width: Some(120), paint: Paint::Plain }
}

fn lease(number: u8, from: u64, until: Option<u64>) -> Lease {
    let until = until.map(at);
    Lease { address: format!("172.17.0.{number}"), network: "bridge".to_owned(), since: at(from), until }
}

fn register() -> Vec<Account> {
    let held = |number, name: &str, until: Option<u64>, addresses| Held {
        id: id(number),
        name: Some(name.to_owned()),
        since: Some(at(0)),
        until: until.map(at),
        is_there: until.is_none(),
        addresses,
    };
    vec![
        Account {
            name: "=x\u{1b}[2J".to_owned(),
            since: at(0),
            keys: vec!["=x\u{1b}[2J".to_owned(), "web".to_owned()],
            containers: vec![
                held(1, "web-1", Some(3600), vec![lease(2, 0, Some(1800)), lease(3, 1800, Some(3600))]),
                held(2, "web-2", None, vec![lease(2, 3600, None)]),
            ],
            former: 12,
        },
        Account {
            name: "db".to_owned(),
            since: at(60),
            keys: vec!["db".to_owned()],
            containers: vec![held(3, "db", None, Vec::new())],
            former: 0,
        },
    ]
}

#[test]
fn a_table_of_accounts() {
    insta::assert_snapshot!(list(&register(), &look(Format::Table), &TimeZone::UTC.into()));
}

#[test]
fn accounts_as_comma_separated_values() {
    insta::assert_snapshot!(list(&register(), &look(Format::Csv), &TimeZone::UTC.into()));
}

#[test]
fn accounts_as_a_document() {
    insta::assert_snapshot!(list(&register()[..1], &look(Format::Json), &TimeZone::UTC.into()));
}

#[test]
fn who_had_it() {
    let tenant = Tenant {
        lease: lease(2, 0, Some(1800)),
        id: id(1),
        account: "shop/\u{202e}web".to_owned(),
        name: Some("web-1".to_owned()),
    };
    let (address, from) = ([172, 17, 0, 2].into(), seconds(at(0)));
    let said = |tenants: &[Tenant], to, format| {
        who(address, Range { from, to }, tenants, &look(format), &TimeZone::UTC.into())
    };
    let all = [Format::Table, Format::Csv, Format::Json]
        .map(|format| said(std::slice::from_ref(&tenant), from + 1, format));
    insta::assert_snapshot!(all.concat());
    let nobody = |to| nobody(address, Range { from, to }, &TimeZone::UTC.into());
    insta::assert_snapshot!([nobody(from + 1), nobody(from + 3600)].join("\n"), @r#"
    nobody is known to have had 172.17.0.2 at 2026-09-21 14:13; `dtraf account list` has all addresses
    nobody is known to have had 172.17.0.2 from 2026-09-21 14:13 to 2026-09-21 15:13; `dtraf account list` has all addresses
    "#);
}

#[test]
fn the_schemas_describe_the_documents() {
    let document = describes(
        include_str!("../../../../docs/accounts.schema.json"),
        &list(&register(), &look(Format::Json), &TimeZone::UTC.into()),
    );
    assert_eq!(document["accounts"][0]["containers"][1]["until"], serde_json::Value::Null);
    let schema = include_str!("../../../../docs/who.schema.json");
    let (address, time) = ([172, 17, 0, 2].into(), Range { from: 0, to: 1 });
    let tenant = |until| Tenant {
        lease: lease(2, 0, until),
        id: id(1),
        account: "shop/web".to_owned(),
        name: until.map(|_| "web-1".to_owned()),
    };
    let tenants = [tenant(Some(1800)), tenant(None)];
    describes(schema, &who(address, time, &tenants, &look(Format::Json), &TimeZone::UTC.into()));
}
