use super::*;
use crate::accounting::amount::PerDirection;
use crate::accounting::fixtures::{at, id, packets};
use crate::accounting::statement::forecast::Forecast;
use crate::accounting::statement::period::{Range, Step};
use crate::accounting::statement::{By, Circumstances, HolderName, Question, Sum, Sums};

const DAY: i64 = 86_400;

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
        kept_since: None,
    };
    Statement::new(&question, Sums::Holders(sums), circumstances)
}

fn shown(statement: &Statement, format: Format) -> String {
    let look = Look { format, units: Units::Si, width: Some(100), paint: Paint::Plain };
    render(statement, &look, &TimeZone::UTC)
}

#[test]
fn a_table_by_day() {
    insta::assert_snapshot!(shown(&statement(By::Account, Some(Step::Day)), Format::Table), @r#"
    2026-09-21 to 2026-09-23, wire bytes, counted by ebpf
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
    2026-09-21 to 2026-09-23, wire bytes, counted by ebpf
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
    from,to,kind,name,role,rx_wire_bytes,rx_packets,rx_ip_bytes,rx_skb_ip_bytes,rx_skbs,tx_wire_bytes,tx_packets,tx_ip_bytes,tx_skb_ip_bytes,tx_skbs,total_bytes
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,shop/web,,1500000000,1500000,1479000000,1479000000,1500000,27000,27,26622,26622,27,1500027000
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,account,'=cmd()\u{1b}[2J,,3000,3,2958,2958,3,4000,4,3944,3944,4,7000
    2026-09-21T00:00:00+00:00,2026-09-23T00:00:00+00:00,nobody,(nobody: no_container),,1000,1,986,986,1,0,0,0,0,0,1000
    "#);
}

#[test]
fn a_document() {
    insta::assert_snapshot!(shown(&statement(By::Account, None), Format::Json), @r#"
    {"version":1,"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","step":null,"by":"account","unit":"wire_bytes","backends":["ebpf"],"since":"2026-09-21T14:13:20.000000000Z","written_at":"2026-09-21T14:13:20.000000000Z","kept_since":null,"lines":[{"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","kind":"account","name":"shop/web","id":null,"role":null,"rx":{"wire_bytes":1500000000,"packets":1500000,"ip_bytes":1479000000,"skb_bytes":1500000000,"skb_ip_bytes":1479000000,"skbs":1500000},"tx":{"wire_bytes":27000,"packets":27,"ip_bytes":26622,"skb_bytes":27000,"skb_ip_bytes":26622,"skbs":27}},{"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","kind":"account","name":"=cmd()\u001b[2J","id":null,"role":null,"rx":{"wire_bytes":3000,"packets":3,"ip_bytes":2958,"skb_bytes":3000,"skb_ip_bytes":2958,"skbs":3},"tx":{"wire_bytes":4000,"packets":4,"ip_bytes":3944,"skb_bytes":4000,"skb_ip_bytes":3944,"skbs":4}},{"from":"2026-09-21T00:00:00+00:00","to":"2026-09-23T00:00:00+00:00","kind":"nobody","name":"(nobody: no_container)","id":null,"role":null,"rx":{"wire_bytes":1000,"packets":1,"ip_bytes":986,"skb_bytes":1000,"skb_ip_bytes":986,"skbs":1},"tx":{"wire_bytes":0,"packets":0,"ip_bytes":0,"skb_bytes":0,"skb_ip_bytes":0,"skbs":0}}],"left_out":0,"total":{"rx":{"wire_bytes":1500004000,"packets":1500004,"ip_bytes":1479003944,"skb_bytes":1500004000,"skb_ip_bytes":1479003944,"skbs":1500004},"tx":{"wire_bytes":31000,"packets":31,"ip_bytes":30566,"skb_bytes":31000,"skb_ip_bytes":30566,"skbs":31}},"shortfall":null,"absences":[{"from":"2026-09-21T14:13:20.000000000Z","to":"2026-09-21T16:13:20.000000000Z"}],"calibrations":[],"forecast":null}
    "#);
}

/// Programs rely on the schema: what it does not name is not there, and what it names is.
#[test]
fn the_schema_describes_the_document() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../../docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for statement in [
        statement(By::Account, None),
        statement(By::Container, Some(Step::Day)),
        Statement { forecast: Some(Forecast { bytes: 7, days_left: 3 }), ..statement(By::Project, None) },
    ] {
        let document: serde_json::Value = serde_json::from_str(&shown(&statement, Format::Json)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        let mut strange = document.clone();
        strange["lines"][0]["name"] = serde_json::Value::Null;
        assert!(!validator.is_valid(&strange));
    }
}
