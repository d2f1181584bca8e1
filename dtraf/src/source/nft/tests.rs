mod laws;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dtraf_common::abi::Family;
use insta::assert_snapshot;

use super::listing;
use super::plan::plan;
use super::standing::Standing;
use crate::accounting::fixtures::{at, id};
use crate::accounting::inventory::PortNumber;
use crate::accounting::snapshot::{ContainerName, Life};
use crate::source::rules::{Counted, Tally, Target, Wanted};

/// What `nft` 1.0.6 said on Linux 6.18 of counters that had been given what they had counted before: `web` runs with two addresses, `db` has stopped, and somebody has
/// put a counter, a map, a chain and an element of his own into the table.
const LISTINGS: [(Family, &str); 2] =
    [(Family::V4, include_str!("tests/listing4.json")), (Family::V6, include_str!("tests/listing6.json"))];

const TCP_80: PortNumber = PortNumber { protocol: 6, port: 80 };

fn listed(listings: impl IntoIterator<Item = (Family, impl AsRef<str>)>) -> Standing {
    let mut standing = Standing::default();
    for (family, listing) in listings {
        listing::parse(family, listing.as_ref().as_bytes(), &mut standing).unwrap();
    }
    standing
}

fn wanted(number: u8, name: &str, address: &str, ports: impl IntoIterator<Item = PortNumber>) -> Wanted {
    let container = ContainerName { id: id(number), name: name.to_owned() };
    Wanted { container, address: address.parse().unwrap(), ports: ports.into_iter().collect() }
}

/// The script for containers 1 and 2, whether they are wanted or not.
fn script(standing: &Standing, wanted: &[Wanted], known: &[Counted]) -> String {
    let containers = BTreeSet::from([id(1), id(2)]);
    plan(standing, &Target { wanted, containers: &containers, known, now: at(60) }).script().to_owned()
}

/// Ids make lines too long to be read.
fn short(text: &str) -> String {
    text.replace(&id(1).to_string(), "<1>").replace(&id(2).to_string(), "<2>")
}

fn shown(counted: &[Counted]) -> String {
    let line = |counted: &Counted| {
        let Counted { key, name, address, since, life, tally: Tally { packets, bytes } } = counted;
        let (direction, matched, since) = (key.direction, key.matched, since.since(at(0)).as_secs());
        format!(
            "{name} {address} {direction:?} {matched:?} {life:?} since {since}: {packets} packets, {bytes} bytes\n"
        )
    };
    counted.iter().map(line).collect()
}

#[test]
fn the_first_script_makes_everything() {
    let script = script(&Standing::default(), &[wanted(1, "web", "10.2.0.2", [TCP_80])], &[]);
    assert_snapshot!(short(&script), @r#"
    add table ip dtraf
    add map ip dtraf rx4 { type ipv4_addr : counter; size 1024; }
    add map ip dtraf tx4 { type ipv4_addr : counter; size 1024; }
    add map ip dtraf rx4_ports { type ipv4_addr . inet_proto . inet_service : counter; size 1024; }
    add map ip dtraf tx4_ports { type ipv4_addr . inet_proto . inet_service : counter; size 1024; }
    add map ip dtraf retired4 { type ipv4_addr . mark : counter; }
    add chain ip dtraf forward { type filter hook forward priority -1; policy accept; }
    add rule ip dtraf forward counter name ip daddr map @rx4 ip frag-off & 0x1fff == 0 counter name ip daddr . meta l4proto . th dport map @rx4_ports comment "rx4, rx4_ports"
    add rule ip dtraf forward counter name ip saddr map @tx4 ip frag-off & 0x1fff == 0 counter name ip saddr . meta l4proto . th sport map @tx4_ports comment "tx4, tx4_ports"
    add table ip6 dtraf
    add map ip6 dtraf rx6 { type ipv6_addr : counter; size 1024; }
    add map ip6 dtraf tx6 { type ipv6_addr : counter; size 1024; }
    add map ip6 dtraf rx6_ports { type ipv6_addr . inet_proto . inet_service : counter; size 1024; }
    add map ip6 dtraf tx6_ports { type ipv6_addr . inet_proto . inet_service : counter; size 1024; }
    add map ip6 dtraf retired6 { type ipv6_addr . mark : counter; }
    add chain ip6 dtraf forward { type filter hook forward priority -1; policy accept; }
    add rule ip6 dtraf forward counter name ip6 daddr map @rx6 comment "rx6"
    add rule ip6 dtraf forward counter name ip6 saddr map @tx6 comment "tx6"
    add rule ip6 dtraf forward frag frag-off != 0 return comment "fragment"
    add rule ip6 dtraf forward counter name ip6 daddr . meta l4proto . th dport map @rx6_ports comment "rx6_ports"
    add rule ip6 dtraf forward counter name ip6 saddr . meta l4proto . th sport map @tx6_ports comment "tx6_ports"
    add counter ip dtraf rx4/tcp/80/<1>/2026-09-21T14.14.20Z/0/web { packets 0 bytes 0; }
    add counter ip dtraf rx4/all/<1>/2026-09-21T14.14.20Z/0/web { packets 0 bytes 0; }
    add counter ip dtraf tx4/tcp/80/<1>/2026-09-21T14.14.20Z/0/web { packets 0 bytes 0; }
    add counter ip dtraf tx4/all/<1>/2026-09-21T14.14.20Z/0/web { packets 0 bytes 0; }
    add element ip dtraf rx4 { 10.2.0.2 : "rx4/all/<1>/2026-09-21T14.14.20Z/0/web" }
    add element ip dtraf tx4 { 10.2.0.2 : "tx4/all/<1>/2026-09-21T14.14.20Z/0/web" }
    add element ip dtraf rx4_ports { 10.2.0.2 . 6 . 80 : "rx4/tcp/80/<1>/2026-09-21T14.14.20Z/0/web" }
    add element ip dtraf tx4_ports { 10.2.0.2 . 6 . 80 : "tx4/tcp/80/<1>/2026-09-21T14.14.20Z/0/web" }
    "#);
}

#[test]
fn a_real_listing_tells_what_was_counted() {
    let standing = listed(LISTINGS);
    assert_snapshot!(shown(&standing.counted()), @r#"
    web 10.2.0.2 Received Port(PortNumber { protocol: 6, port: 80 }) Live since 0: 7 packets, 400 bytes
    web 10.2.0.2 Received All Live since 0: 10 packets, 652 bytes
    web 10.2.0.2 Transmitted Port(PortNumber { protocol: 6, port: 80 }) Live since 0: 7 packets, 5766 bytes
    web 10.2.0.2 Transmitted All Live since 0: 10 packets, 6018 bytes
    web fd02::2 Received Port(PortNumber { protocol: 6, port: 80 }) Live since 0: 7 packets, 540 bytes
    web fd02::2 Received All Live since 0: 10 packets, 852 bytes
    web fd02::2 Transmitted Port(PortNumber { protocol: 6, port: 80 }) Live since 0: 7 packets, 5906 bytes
    web fd02::2 Transmitted All Live since 0: 10 packets, 6218 bytes
    db 10.2.0.3 Received Port(PortNumber { protocol: 6, port: 80 }) Retired since 0: 7 packets, 700 bytes
    db 10.2.0.3 Received All Retired since 0: 7 packets, 700 bytes
    db 10.2.0.3 Transmitted Port(PortNumber { protocol: 6, port: 80 }) Retired since 0: 7 packets, 700 bytes
    db 10.2.0.3 Transmitted All Retired since 0: 7 packets, 700 bytes
    "#);
}

#[test]
fn a_real_listing_leaves_nothing_to_do_but_to_take_away_what_points_to_others_counters() {
    let standing = listed(LISTINGS);
    let wanted = [wanted(1, "web", "10.2.0.2", [TCP_80]), wanted(1, "web", "fd02::2", [TCP_80])];
    assert_snapshot!(short(&script(&standing, &wanted, &standing.counted())), @"delete element ip dtraf rx4 { 10.9.9.9 }");
}

#[test]
fn no_table_is_nothing_standing() {
    let standing = Standing::default();
    assert_eq!(standing.counted(), []);
}

#[test]
fn what_another_nft_may_say_besides_is_passed_over() {
    let listing = r#"{"nftables": [{"metainfo": {}}, {"novelty": {"name": "rx4"}}, {"table": {"name": "dtraf", "flags": ["x"]}},
        {"map": {"name": "rx4", "type": {"typeof": {}}, "elem": [
            "10.0.0.1", [], ["10.0.0.2"], [{"prefix": {"addr": "10.0.0.0", "len": 8}}, "x"], [{"concat": []}, "x"],
            [{"concat": ["10.0.0.3", "tcp", 80]}, "x"], ["fd00::1", "x"], ["10.0.0.4", {"name": "x"}]]}}]}"#;
    let standing = listed([(Family::V4, listing)]);
    assert_eq!(standing.skeletons[&Family::V4].maps, BTreeMap::from([("rx4".to_owned(), None)]));
    assert_eq!(standing.places.keys().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.4"]);
    let error = b"Error: JSON support not compiled-in";
    assert!(listing::parse(Family::V4, error, &mut Standing::default()).is_err());
}

#[test]
fn a_stopped_container_keeps_its_last_addresses_and_comes_back_to_them() {
    let mut kernel = model::Kernel::default();
    let containers = BTreeSet::from([id(1)]);
    let both = [wanted(1, "web", "10.0.0.1", []), wanted(1, "web", "10.0.0.2", [])];
    let mut look = |wanted: &[Wanted], count: bool| {
        let target = Target { wanted, containers: &containers, known: &[], now: at(0) };
        kernel.carry_out(&plan(&kernel.read(), &target));
        if count {
            let counters = &mut kernel.tables.get_mut("ip").unwrap().counters;
            counters.values_mut().zip(1..).for_each(|(tally, packets)| tally.packets = packets);
        }
        let addressed = |it: &Counted| (it.address, it.tally.packets, it.life);
        kernel.read().counted().iter().map(addressed).collect::<Vec<_>>()
    };
    let address = |last: u8| IpAddr::from([10, 0, 0, last]);
    let at_home =
        |life| [(address(1), 1, life), (address(2), 2, life), (address(1), 3, life), (address(2), 4, life)];
    assert_eq!(look(&both, true), at_home(Life::Live));
    assert_eq!(look(&[], false), at_home(Life::Retired));
    assert_eq!(look(&both[1..], false).iter().filter(|it| it.2 == Life::Live).count(), 2);
    assert_eq!(look(&both, false), at_home(Life::Live));
}

#[test]
fn a_chain_that_somebody_moved_is_put_back() {
    let moved = |(family, text): (Family, &str)| (family, text.replace("\"prio\": -1", "\"prio\": 5"));
    let standing = listed([moved(LISTINGS[0])]);
    let script = script(&standing, &[], &standing.counted());
    let chain = script.lines().filter(|line| line.contains("chain ip dtraf"));
    let lines: Vec<&str> = chain.collect();
    assert_eq!(
        lines,
        [
            "flush chain ip dtraf forward",
            "delete chain ip dtraf forward",
            "add chain ip dtraf forward { type filter hook forward priority -1; policy accept; }"
        ]
    );
}

#[test]
fn a_map_without_room_is_made_anew_and_loses_nothing() {
    let mut kernel = model::Kernel::default();
    let containers = BTreeSet::from([id(1)]);
    let crowd = |count: u16| -> Vec<Wanted> {
        let address = |number: u16| format!("10.0.{}.{}", number >> 8, number & 0xff);
        (0..count).map(|number| wanted(1, "web", &address(number), [TCP_80])).collect()
    };
    let mut look = |count| {
        let wanted = crowd(count);
        let target = Target { wanted: &wanted, containers: &containers, known: &[], now: at(0) };
        let plan = plan(&kernel.read(), &target);
        kernel.carry_out(&plan);
        let counters = &mut kernel.tables.get_mut("ip").unwrap().counters;
        for tally in counters.values_mut() {
            tally.packets += 1;
        }
        let counted = kernel.read().counted();
        let live = counted.iter().filter(|it| it.life == Life::Live).count();
        let packets = counted.iter().map(|it| it.tally.packets).sum::<u64>();
        (
            live,
            packets,
            plan.script().matches("delete map").count(),
            plan.script().matches("add rule").count(),
        )
    };
    assert_eq!(look(1000), (4000, 4000, 0, 7));
    assert_eq!(look(2048), (8192, 4000 + 8192, 0, 0));
    assert_eq!(look(2049), (8196, 4000 + 8192 + 8196, 4, 2));
    assert_eq!(look(10), (40, 4000 + 8192 + 8196 + 8196, 0, 0));
}
