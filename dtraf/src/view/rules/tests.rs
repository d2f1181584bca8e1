use dtraf_common::abi::{Direction, Family};
use insta::assert_snapshot;

use super::*;
use crate::accounting::fixtures::{at, id};
use crate::accounting::inventory::PortNumber;
use crate::source::iptables::verdict::Verdict;
use crate::source::rules::set::Hiding;
use crate::source::rules::{Counted, CounterKey, Tally};

fn listed(number: usize, direction: Direction, matched: Matched, packets: u64) -> Listed {
    let key = CounterKey { container: id(1), family: Family::V4, direction, matched };
    Listed {
        counted: Counted {
            key,
            name: "web".to_owned(),
            address: [172, 17, 0, 2].into(),
            since: at(0),
            life: Life::Live,
            tally: Tally { packets, bytes: 1500 * packets },
        },
        chain: "DOCKER-USER".to_owned(),
        spec: "-d 172.17.0.2/32".to_owned(),
        number,
    }
}

fn listing() -> Listing {
    let tcp = Matched::Port(PortNumber { protocol: 6, port: 80 });
    let mut retired = listed(1, Direction::Transmitted, Matched::All, 7);
    retired.counted.life = Life::Retired;
    "DTRAF-RETIRED".clone_into(&mut retired.chain);
    Listing {
        taken_at: at(5),
        programs: vec!["iptables-nft v1.8.9 (nf_tables)".to_owned()],
        hiding: Vec::new(),
        rules: vec![
            listed(1, Direction::Received, tcp, 1_234_567),
            listed(2, Direction::Transmitted, Matched::All, 0),
            retired,
        ],
    }
}

#[test]
fn figures_are_exact_and_stand_beside_their_line_numbers() {
    assert_snapshot!(render(&listing(), ListFormat::Table, Fit::Rows, Paint::Plain), @r"
    3 rules of dtraf's, skb IP bytes, 2026-09-21T14:13:25Z (iptables-nft v1.8.9 (nf_tables))
    CHAIN          NUM  CONTAINER  ADDRESS          DIRECTION  PORT       PKTS       BYTES  SINCE
    DOCKER-USER      1  web        172.17.0.2       rx         80/tcp  1234567  1851850500  2026-09-21 14:13Z
    DOCKER-USER      2  web        172.17.0.2       tx         all           0           0  2026-09-21 14:13Z
    DTRAF-RETIRED    1  web        (count is kept)  tx         all           7       10500  2026-09-21 14:13Z
    ");
}

#[test]
fn values_are_separated_by_commas_and_missing_ones_are_empty() {
    assert_snapshot!(render(&listing(), ListFormat::Csv, Fit::Rows, Paint::Plain), @r"
    family,chain,number,container,container_id,address,direction,protocol,port,life,since,packets,bytes
    ipv4,DOCKER-USER,1,web,0101010101010101010101010101010101010101010101010101010101010101,172.17.0.2,rx,tcp,80,live,2026-09-21T14:13:20Z,1234567,1851850500
    ipv4,DOCKER-USER,2,web,0101010101010101010101010101010101010101010101010101010101010101,172.17.0.2,tx,,,live,2026-09-21T14:13:20Z,0,0
    ipv4,DTRAF-RETIRED,1,web,0101010101010101010101010101010101010101010101010101010101010101,172.17.0.2,tx,,,retired,2026-09-21T14:13:20Z,7,10500
    ");
}

#[test]
fn json_says_null_where_there_is_no_port() {
    let mut listing = listing();
    listing.rules.truncate(2);
    let json = render(&listing, ListFormat::Json, Fit::Rows, Paint::Plain);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["rules"][0]["port"], 80);
    assert_eq!(value["rules"][0]["bytes"], 1_851_850_500_u64);
    assert!(value["rules"][1]["port"].is_null() && value["rules"][1]["protocol"].is_null());
    assert_eq!(value["programs"][0], "iptables-nft v1.8.9 (nf_tables)");
}

#[test]
fn a_rule_that_hides_is_named_with_its_line() {
    let spec = "-m state --state RELATED,ESTABLISHED -j ACCEPT".to_owned();
    let verdict = Verdict { chain: "DOCKER-USER".to_owned(), number: 1, spec };
    let mut listing = Listing { hiding: vec![Hiding { family: Family::V4, verdict }], ..listing() };
    listing.rules.truncate(1);
    assert_snapshot!(render(&listing, ListFormat::Table, Fit::Rows, Paint::Plain), @r"
    1 rules of dtraf's, skb IP bytes, 2026-09-21T14:13:25Z (iptables-nft v1.8.9 (nf_tables))
    iptables: DOCKER-USER 1 (`-m state --state RELATED,ESTABLISHED -j ACCEPT`) stands before these rules: packets that it ends are not counted
    CHAIN        NUM  CONTAINER  ADDRESS     DIRECTION  PORT       PKTS       BYTES  SINCE
    DOCKER-USER    1  web        172.17.0.2  rx         80/tcp  1234567  1851850500  2026-09-21 14:13Z
    ");
    let json = render(&listing, ListFormat::Json, Fit::Rows, Paint::Plain);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["hiding"][0]["chain"], "DOCKER-USER");
    assert_eq!(value["hiding"][0]["number"], 1);
    assert_eq!(value["hiding"][0]["family"], "ipv4");
    assert_eq!(value["hiding"][0]["spec"], "-m state --state RELATED,ESTABLISHED -j ACCEPT");
}
