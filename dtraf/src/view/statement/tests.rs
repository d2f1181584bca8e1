use dtraf_common::abi::Scope;
use jiff::tz::TimeZone;

use super::*;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::card::{Card, Carried};
use crate::accounting::fixtures::{at, id, packets};
use crate::accounting::history::key::Key;
use crate::accounting::statement::forecast::Forecast;
use crate::accounting::statement::period::{Range, Step};
use crate::accounting::statement::plan::{Gap, Plan, Why};
use crate::accounting::statement::{By, Circumstances, Found, HolderName, Question, Sum, Sums};
use crate::view::schemas::{describes, is_described};

const DAY: i64 = 86_400;

fn found(sums: Sums) -> Found<Sums> {
    Found { plan: Plan::default(), sums, around: Vec::new() }
}

fn statement(by: By, step: Option<Step>) -> Statement {
    let begin = 1_790_000_000 - 1_790_000_000 % DAY;
    let sum = |day: i64, number: u8, account: &str, rx, tx| Sum {
        start: begin + day * DAY,
        of: HolderName::Container {
            id: id(number),
            name: format!("{account}-1"),
            account: account.to_owned(),
            project: None,
        },
        amounts: PerDirection { rx: packets(rx), tx: packets(tx) },
    };
    let nobody = Sum {
        start: begin,
        of: HolderName::Nobody { reason: "no_container".to_owned() },
        amounts: PerDirection { rx: packets(1), tx: packets(0) },
    };
    let sums = vec![
        sum(0, 1, "shop/web", 1_000_000, 20),
        sum(0, 2, "=cmd()\u{1b}[2J", 3, 4),
        sum(1, 1, "shop/web", 500_000, 7),
        nobody,
    ];
    let question = Question {
        range: Range { from: begin, to: begin + 2 * DAY },
        step,
        boundaries: if step.is_some() {
            vec![begin, begin + DAY, begin + 2 * DAY]
        } else {
            vec![begin, begin + 2 * DAY]
        },
        by,
        top: None,
    };
    let circumstances = Circumstances {
        written_at: Some(at(0)),
        since: Some(at(0)),
        backends: vec!["ebpf".to_owned()],
        missed: None,
        absences: vec![(at(0), at(7_200))],
        calibrations: Vec::new(),
    };
    Statement::new(&question, found(Sums::Holders(sums)), circumstances)
}

fn shown(statement: &Statement, format: Format) -> String {
    let look = Look { format, units: Units::Si, width: Some(100), paint: Paint::Plain };
    render(statement, &look, &TimeZone::UTC.into())
}

#[test]
fn a_table_by_day() {
    insta::assert_snapshot!(shown(&statement(By::Account, Some(Step::Day)), Format::Table), @r#"
    2026-09-21 to 2026-09-23 (UTC), wire bytes, counted by ebpf
    DAY         ACCOUNT                        RX        TX      TOTAL    SHARE  RX PKTS  TX PKTS
    2026-09-21  shop/web                  1.00 GB  20.00 kB    1.00 GB   66.7 %  1000000       20
                =cmd()\u{1b}[2J           3.00 kB   4.00 kB    7.00 kB    0.0 %        3        4
                (nobody: no_container)    1.00 kB       0 B    1.00 kB    0.0 %        1        0
    2026-09-22  shop/web                500.00 MB   7.00 kB  500.01 MB   33.3 %   500000        7
    TOTAL                                 1.50 GB  31.00 kB    1.50 GB  100.0 %  1500004       31
    Counted since 2026-09-21 14:13; written up to 2026-09-21 14:13.
    Nothing was written from 2026-09-21 14:13 to 2026-09-21 16:13: what was counted then is booked at
      the end of that time, or not at all if the ledger was damaged.
    "#);
}

#[test]
fn a_table_of_containers() {
    insta::assert_snapshot!(shown(&statement(By::Container, None), Format::Table), @r#"
    2026-09-21 to 2026-09-23 (UTC), wire bytes, counted by ebpf
    CONTAINER                    RX        TX    TOTAL    SHARE  RX PKTS  TX PKTS
    shop/web-1              1.50 GB  27.00 kB  1.50 GB  100.0 %  1500000       27
    =cmd()\u{1b}[2J-1       3.00 kB   4.00 kB  7.00 kB    0.0 %        3        4
    (nobody: no_container)  1.00 kB       0 B  1.00 kB    0.0 %        1        0
    TOTAL                   1.50 GB  31.00 kB  1.50 GB  100.0 %  1500004       31
    Counted since 2026-09-21 14:13; written up to 2026-09-21 14:13.
    Nothing was written from 2026-09-21 14:13 to 2026-09-21 16:13: what was counted then is booked at
      the end of that time, or not at all if the ledger was damaged.
    "#);
}

#[test]
fn comma_separated_values() {
    insta::assert_snapshot!(shown(&statement(By::Account, None), Format::Csv), @r#"
    from,to,kind,name,role,rx_wire_bytes,rx_packets,rx_ip_bytes,rx_skb_ip_bytes,rx_skbs,tx_wire_bytes,tx_packets,tx_ip_bytes,tx_skb_ip_bytes,tx_skbs,total_bytes,kept_since
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,shop/web,,1500000000,1500000,1479000000,1479000000,1500000,27000,27,26622,26622,27,1500027000,
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,'=cmd()\u{1b}[2J,,3000,3,2958,2958,3,4000,4,3944,3944,4,7000,
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,nobody,(nobody: no_container),,1000,1,986,986,1,0,0,0,0,0,1000,
    "#);
}

#[test]
fn a_document() {
    insta::assert_snapshot!(shown(&statement(By::Account, None), Format::Json), @r#"
    {"version":2,"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","time_zones":["UTC"],"step":null,"by":"account","unit":"wire_bytes","backends":["ebpf"],"since":"2026-09-21T14:13:20.000000000Z","written_at":"2026-09-21T14:13:20.000000000Z","kept_since":null,"lines":[{"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","kind":"account","name":"shop/web","id":null,"role":null,"rx":{"wire_bytes":1500000000,"packets":1500000,"ip_bytes":1479000000,"skb_bytes":1500000000,"skb_ip_bytes":1479000000,"skbs":1500000},"tx":{"wire_bytes":27000,"packets":27,"ip_bytes":26622,"skb_bytes":27000,"skb_ip_bytes":26622,"skbs":27}},{"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","kind":"account","name":"=cmd()\u001b[2J","id":null,"role":null,"rx":{"wire_bytes":3000,"packets":3,"ip_bytes":2958,"skb_bytes":3000,"skb_ip_bytes":2958,"skbs":3},"tx":{"wire_bytes":4000,"packets":4,"ip_bytes":3944,"skb_bytes":4000,"skb_ip_bytes":3944,"skbs":4}},{"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","kind":"nobody","name":"(nobody: no_container)","id":null,"role":null,"rx":{"wire_bytes":1000,"packets":1,"ip_bytes":986,"skb_bytes":1000,"skb_ip_bytes":986,"skbs":1},"tx":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}}],"left_out":0,"total":{"rx":{"wire_bytes":1500004000,"packets":1500004,"ip_bytes":1479003944,"skb_bytes":1500004000,"skb_ip_bytes":1479003944,"skbs":1500004},"tx":{"wire_bytes":31000,"packets":31,"ip_bytes":30566,"skb_bytes":31000,"skb_ip_bytes":30566,"skbs":31}},"gaps":[],"shortfall":null,"absences":[{"from":"2026-09-21T14:13:20.000000000Z","to":"2026-09-21T16:13:20.000000000Z"}],"calibrations":[],"forecast":null,"reconciliation":null}
    "#);
}

/// Programs rely on the schema: what it does not name is not there, and what it names is.
#[test]
fn the_schema_describes_the_document() {
    let schema = include_str!("../../../../docs/report.schema.json");
    for statement in [
        statement(By::Account, None),
        statement(By::Container, Some(Step::Day)),
        Statement { forecast: Some(Forecast { bytes: 7, days_left: 3 }), ..statement(By::Project, None) },
        reconciled(Format::Json),
        Statement {
            reconciled: Some(statement(By::Scope, None).reconcile(Vec::new())),
            ..statement(By::Project, None)
        },
    ] {
        let mut document = describes(schema, &shown(&statement, Format::Json));
        document["lines"][0]["name"] = serde_json::Value::Null;
        assert!(!is_described(schema, &document));
    }
}

fn reconciled(format: Format) -> Statement {
    let sums = [(Scope::Internet, 2_000_000, 30), (Scope::Container, 50, 50)].map(|(scope, rx, tx)| Sum {
        start: 1_790_000_000 - 1_790_000_000 % DAY,
        of: Key::Scope(Some(scope)),
        amounts: PerDirection { rx: packets(rx), tx: packets(tx) },
    });
    let Statement { range, circumstances, .. } = statement(By::Account, None);
    let question =
        Question { range, step: None, boundaries: vec![range.from, range.to], by: By::Scope, top: None };
    let circumstances = Circumstances { absences: Vec::new(), ..circumstances };
    let mut statement = Statement::new(&question, found(Sums::Scopes(sums.into())), circumstances);
    let carried = |bytes, packets| Carried { bytes, packets };
    let card = |name: &str, since, rx, tx| Card {
        name: name.to_owned(),
        since: at(since),
        carried: PerDirection { rx, tx },
    };
    let mut cards = vec![card("eth0", 0, carried(2_500_000_000, 2_100_000), carried(20_000, 29))];
    if format == Format::Table {
        cards.push(card("e\u{1b}[2J", 60, carried(0, 0), carried(1, 1)));
    }
    statement.reconciled = Some(statement.reconcile(cards));
    statement
}

#[test]
fn containers_beside_cards() {
    insta::assert_snapshot!(shown(&reconciled(Format::Table), Format::Table), @r#"
    2026-09-21 to 2026-09-23 (UTC), wire bytes, counted by ebpf
    SCOPE            RX        TX      TOTAL    SHARE  RX PKTS  TX PKTS
    internet    2.00 GB  30.00 kB    2.00 GB  100.0 %  2000000       30
    container  50.00 kB  50.00 kB  100.00 kB    0.0 %       50       50
    TOTAL       2.00 GB  80.00 kB    2.00 GB  100.0 %  2000050       80
    CARD                             RX         TX  RX PKTS  TX PKTS
    eth0                        2.50 GB   20.00 kB  2100000       29
    e\u{1b}[2J                      0 B        1 B        0        1
    ALL CARDS                   2.50 GB   20.00 kB  2100000       30
    containers, wire bytes      2.00 GB   30.00 kB  2000000       30
    UNATTRIBUTED, wire bytes  500.00 MB  -10.00 kB   100000        0
    containers, skb bytes       2.00 GB   30.00 kB  2000000       30
    UNATTRIBUTED, skb bytes   500.00 MB  -10.00 kB   100000        0
    containers: with internet and lan. What passes between containers, or between them and the host,
      never comes to a card.
    UNATTRIBUTED: the host's own programs, Docker's proxy for published ports, and containers that are
      not counted (host network, macvlan: `dtraf stats` names them) make it more; what the firewall
      drops behind a container, and a lan that is on this host, make it less.
    A card's bytes have Ethernet headers and are what its driver counts: a virtual card (virtio, veth)
      mostly skb bytes, a device mostly wire bytes, some with 4 bytes of checksum a packet. The line of
      that unit is the one that holds.
    e\u{1b}[2J is counted since 2026-09-21 14:14.
    Counted since 2026-09-21 14:13; written up to 2026-09-21 14:13.
    "#);
}

#[test]
fn what_is_left_may_be_less_than_nothing() {
    let document: serde_json::Value =
        serde_json::from_str(&shown(&reconciled(Format::Json), Format::Json)).unwrap();
    let reconciled = &document["reconciliation"];
    assert_eq!(reconciled["carried"]["rx"]["bytes"], 2_500_000_000_u64);
    assert_eq!(reconciled["containers"]["tx"]["wire_bytes"], 30_000);
    assert_eq!(reconciled["unattributed"]["rx"]["wire_bytes"], 500_000_000);
    assert_eq!(reconciled["unattributed"]["tx"]["skb_bytes"], -10_000);
    assert_eq!(reconciled["unattributed"]["tx"]["packets"], -1);
}

#[test]
fn what_is_not_known_beside_cards_has_no_figure() {
    let Statement { range, circumstances, .. } = statement(By::Account, None);
    let question =
        Question { range, step: None, boundaries: vec![range.from, range.to], by: By::Scope, top: None };
    let by_a_rule = Amount { frames: None, ..packets(3) };
    let sum = Sum {
        start: range.from,
        of: Key::Scope(None),
        amounts: PerDirection { rx: by_a_rule, tx: by_a_rule },
    };
    let circumstances = Circumstances { absences: Vec::new(), ..circumstances };
    let mut statement = Statement::new(&question, found(Sums::Scopes(vec![sum])), circumstances);
    let carried = Carried { bytes: 5_000, packets: 5 };
    let card =
        Card { name: "eth0".to_owned(), since: at(0), carried: PerDirection { rx: carried, tx: carried } };
    statement.reconciled = Some(statement.reconcile(vec![card]));
    insta::assert_snapshot!(shown(&statement, Format::Table), @r#"
    2026-09-21 to 2026-09-23 (UTC), skb IP bytes, counted by ebpf
    SCOPE           RX       TX    TOTAL    SHARE  RX PKTS  TX PKTS
    (unknown)  2.96 kB  2.96 kB  5.92 kB  100.0 %        3        3
    TOTAL      2.96 kB  2.96 kB  5.92 kB  100.0 %        3        3
    CARD                           RX       TX  RX PKTS  TX PKTS
    eth0                      5.00 kB  5.00 kB        5        5
    containers, wire bytes          ?        ?        ?        ?
    UNATTRIBUTED, wire bytes        ?        ?        ?        ?
    containers, skb bytes           ?        ?        ?        ?
    UNATTRIBUTED, skb bytes         ?        ?        ?        ?
    Not known (?): rules have counted, and do not look who the other end was; some of it never came to a
      card.
    Counted since 2026-09-21 14:13; written up to 2026-09-21 14:13.
    "#);
    let document =
        describes(include_str!("../../../../docs/report.schema.json"), &shown(&statement, Format::Json));
    assert_eq!(document["reconciliation"]["containers"], serde_json::Value::Null);
}

#[test]
fn a_time_that_is_not_wholly_kept_has_no_figures_in_any_format() {
    let known = statement(By::Account, Some(Step::Day));
    let begin = known.range.from;
    let boundaries = vec![begin - 2 * DAY, begin - DAY, begin, begin + DAY];
    let range = Range { from: boundaries[0], to: boundaries[3] };
    let sum = |start| Sum {
        start,
        of: HolderName::Container {
            id: id(1),
            name: "web-1".to_owned(),
            account: "web".to_owned(),
            project: None,
        },
        amounts: PerDirection { rx: packets(7), tx: packets(0) },
    };
    let gap = |from: i64, why| Gap { range: Range { from, to: from + DAY }, why };
    let plan = Plan {
        pieces: Vec::new(),
        gaps: vec![gap(begin - 2 * DAY, Why::NotCounted), gap(begin - DAY, Why::NotKept { since: begin })],
    };
    let around = vec![Sums::Holders(Vec::new()), Sums::Holders(vec![sum(begin - 20 * DAY)])];
    let found = Found { plan, sums: Sums::Holders(vec![sum(begin)]), around };
    let question = Question { range, step: Some(Step::Day), boundaries, by: By::Account, top: None };
    let since = crate::accounting::identity::Timestamp(std::time::Duration::from_secs(
        u64::try_from(begin - DAY).unwrap(),
    ));
    let circumstances = Circumstances { since: Some(since), ..known.circumstances };
    let statement = Statement::new(&question, found, circumstances);
    let document =
        describes(include_str!("../../../../docs/report.schema.json"), &shown(&statement, Format::Json));
    let lines = &document["lines"];
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["rx"]),
        (&serde_json::json!("not_counted"), &serde_json::Value::Null)
    );
    assert_eq!((&lines[1]["name"], &lines[1]["tx"]), (&serde_json::json!("web"), &serde_json::Value::Null));
    assert_eq!(lines[2]["rx"]["packets"], 7);
    assert_eq!(
        (&document["total"], document["gaps"].as_array().unwrap().len()),
        (&serde_json::Value::Null, 2)
    );
    assert_eq!(document["kept_since"], "2026-09-21T00:00:00+00:00");
    let values = shown(&statement, Format::Csv);
    let values: Vec<_> = values.lines().skip(1).collect();
    assert!(values[0].ends_with(",(not counted),,,,,,,,,,,,,2026-09-21T00:00:00+00:00"), "{values:?}");
    assert!(values[1].ends_with(",account,web,,,,,,,,,,,,,2026-09-21T00:00:00+00:00"), "{values:?}");
    assert!(values[2].ends_with(",7000,"), "{values:?}");
    let table = shown(&statement, Format::Table);
    let total = table.lines().find(|line| line.starts_with("TOTAL")).unwrap();
    assert_eq!(total.matches('?').count(), 6, "{table}");
    for note in [
        "Not known (?), from 2026-09-20 to 2026-09-21: spans that make up such times are kept since 2026-09-21.",
        "Not counted (?), from 2026-09-19 to 2026-09-20: the ledger begins later.",
    ] {
        assert!(table.replace("\n  ", " ").contains(note), "{table}");
    }
}

#[test]
fn two_hours_of_one_name_are_told_apart() {
    let zones = TimeZone::get("Europe/Berlin").unwrap().into();
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(civil(at("2026-10-25T00:00:00Z"), &zones), "2026-10-25 02:00+02:00");
    assert_eq!(civil(at("2026-10-25T01:00:00Z"), &zones), "2026-10-25 02:00+01:00");
    assert_eq!(civil(at("2026-10-25T02:00:00Z"), &zones), "2026-10-25 03:00");
    assert_eq!(civil(at("2026-10-24T22:00:00Z"), &zones), "2026-10-25");
}
