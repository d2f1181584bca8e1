//! Plans, carried out on a model of a filter table; and what the real programs print.

mod hidden;
mod laws;
mod model;

use std::collections::BTreeSet;
use std::net::IpAddr;

use dtraf_common::abi::Family;

use super::plan::{Blocked, plan, removal, saved, zero};
use super::standing::{DockerUser, Presets, Standing, Table};
use crate::accounting::fixtures::{at, id};
use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::PortNumber;
use crate::accounting::snapshot::{ContainerName, Life};
use crate::source::rules::{Counted, Target, Wanted};
use model::{Model, Packet, Rule};

/// By Debian 12's iptables 1.8.9, with rules of somebody else's, one of them with a line break in its comment.
const ANSWERS: [(&str, &str, Family); 4] = [
    ("iptables-nft", include_str!("answers/iptables-nft.txt"), Family::V4),
    ("iptables-legacy", include_str!("answers/iptables-legacy.txt"), Family::V4),
    ("ip6tables-nft", include_str!("answers/ip6tables-nft.txt"), Family::V6),
    ("ip6tables-legacy", include_str!("answers/ip6tables-legacy.txt"), Family::V6),
];

const TCP_80: PortNumber = PortNumber { protocol: 6, port: 80 };

fn client(family: Family) -> IpAddr {
    match family {
        Family::V4 => [198, 51, 100, 2].into(),
        Family::V6 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into(),
    }
}

fn wanted(container: u8, name: &str, address: IpAddr, ports: impl IntoIterator<Item = PortNumber>) -> Wanted {
    let container = ContainerName { id: id(container), name: name.to_owned() };
    Wanted { container, address, ports: ports.into_iter().collect() }
}

fn live(counted: &[Counted]) -> impl Iterator<Item = &Counted> {
    counted.iter().filter(|counted| counted.life == Life::Live)
}

fn is_foreign(spec: &str) -> bool {
    !spec.contains("dtraf") && !spec.contains("DTRAF")
}

fn v4(number: u8) -> IpAddr {
    [172, 17, 0, number].into()
}

fn tell(known: &[Counted]) -> Vec<(String, Life, u64)> {
    let tell = |it: &Counted| (it.address.to_string(), it.life, it.tally.bytes);
    known.iter().map(tell).collect()
}

/// One container, whose addresses change, on a table.
struct Host {
    model: Model,
    known: Vec<Counted>,
    now: u64,
}

impl Host {
    fn new() -> Self {
        Self { model: Model::new(Family::V4, Presets::Kept), known: Vec::new(), now: 0 }
    }

    fn have(&mut self, wanted: &[Wanted], literal_rules: usize) -> String {
        let containers = BTreeSet::from([id(1), id(2)]);
        self.have_of(wanted, &containers, literal_rules)
    }

    fn have_of(&mut self, wanted: &[Wanted], containers: &BTreeSet<ContainerId>, literal: usize) -> String {
        self.now += 60;
        let target = Target { wanted, containers, known: &self.known, now: at(self.now) };
        let change = plan(&self.model.standing(), &target, literal);
        self.model.carry_out(&change);
        self.known = self.model.standing().counted();
        change.script(Family::V4).unwrap_or_default()
    }

    fn receive(&mut self, address: IpAddr) {
        self.model.send(Packet::new(client(Family::V4), address, ("tcp", 5000, 80)));
        self.known = self.model.standing().counted();
    }
}

#[test]
fn the_first_addresses_have_the_recipes_rules_at_the_top_with_ports_before_the_total() {
    let mut host = Host::new();
    insta::assert_snapshot!(host.have(&[wanted(1, "web", v4(2), [TCP_80])], 40), @r#"
    *filter
    [0:0] -I DOCKER-USER 1 -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -I DOCKER-USER 1 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -I DOCKER-USER 1 -s 172.17.0.2/32 -p tcp -m tcp --sport 80 -m comment --comment "dtraf tx 80/tcp web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -I DOCKER-USER 1 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -m comment --comment "dtraf rx 80/tcp web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    COMMIT
    "#);
    insta::assert_snapshot!(host.model.save(), @r#"
    *filter
    :DOCKER-USER - [0:0]
    :FORWARD - [0:0]
    [0:0] -A DOCKER-USER -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -m comment --comment "dtraf rx 80/tcp web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DOCKER-USER -s 172.17.0.2/32 -p tcp -m tcp --sport 80 -m comment --comment "dtraf tx 80/tcp web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DOCKER-USER -j RETURN
    [0:0] -A FORWARD -j DOCKER-USER
    COMMIT
    "#);
}

#[test]
fn further_addresses_stand_below_a_tree() {
    let mut host = Host::new();
    host.have(&[wanted(1, "web", v4(2), [TCP_80])], 4);
    insta::assert_snapshot!(host.have(&[wanted(1, "web", v4(2), [TCP_80]), wanted(2, "db", v4(3), [])], 4), @r#"
    *filter
    :DTRAF-R-172.17.0.3-32 - [0:0]
    :DTRAF-RX - [0:0]
    :DTRAF-T-172.17.0.3-32 - [0:0]
    :DTRAF-TX - [0:0]
    -A DTRAF-RX -d 172.17.0.3/32 -g DTRAF-R-172.17.0.3-32
    -A DTRAF-TX -s 172.17.0.3/32 -g DTRAF-T-172.17.0.3-32
    [0:0] -I DTRAF-T-172.17.0.3-32 1 -s 172.17.0.3/32 -m comment --comment "dtraf tx all db 0202020202020202020202020202020202020202020202020202020202020202 2026-09-21T14:15:20Z"
    [0:0] -I DTRAF-R-172.17.0.3-32 1 -d 172.17.0.3/32 -m comment --comment "dtraf rx all db 0202020202020202020202020202020202020202020202020202020202020202 2026-09-21T14:15:20Z"
    -I DOCKER-USER 1 -s 172.17.0.3/32 -j DTRAF-TX
    -I DOCKER-USER 1 -d 172.17.0.3/32 -j DTRAF-RX
    COMMIT
    "#);
}

#[test]
fn a_counter_moves_with_its_container_and_keeps_what_it_counted() {
    let mut host = Host::new();
    host.have(&[wanted(1, "web", v4(2), [])], 40);
    host.receive(v4(2));
    insta::assert_snapshot!(host.have(&[wanted(1, "web", v4(3), [])], 40), @r#"
    *filter
    -D DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    -D DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -I DOCKER-USER 1 -s 172.17.0.3/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [1:100] -I DOCKER-USER 1 -d 172.17.0.3/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    COMMIT
    "#);
}

#[test]
fn a_container_without_address_is_remembered_until_it_has_one_again_or_is_gone() {
    let mut host = Host::new();
    host.have(&[wanted(1, "web", v4(2), [])], 40);
    host.receive(v4(2));
    insta::assert_snapshot!(host.have(&[], 40), @r#"
    *filter
    :DTRAF-RETIRED - [0:0]
    -D DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    -D DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -I DTRAF-RETIRED 1 -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [1:100] -I DTRAF-RETIRED 1 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    COMMIT
    "#);
    let retired = |bytes| ("172.17.0.2".to_owned(), Life::Retired, bytes);
    assert_eq!(tell(&host.known), [retired(100), retired(0)]);
    insta::assert_snapshot!(host.have(&[wanted(1, "web", v4(9), [])], 40), @r#"
    *filter
    -D DTRAF-RETIRED -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    -D DTRAF-RETIRED -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -I DOCKER-USER 1 -s 172.17.0.9/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [1:100] -I DOCKER-USER 1 -d 172.17.0.9/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    -X DTRAF-RETIRED
    COMMIT
    "#);
    host.have(&[], 40);
    insta::assert_snapshot!(host.have_of(&[], &BTreeSet::new(), 40), @r#"
    *filter
    -D DTRAF-RETIRED -d 172.17.0.9/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    -D DTRAF-RETIRED -s 172.17.0.9/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    -X DTRAF-RETIRED
    COMMIT
    "#);
    assert_eq!(host.model.chains.len(), 2);
    assert!(host.model.chains.values().all(|rules| rules.len() == 1));
}

#[test]
fn a_total_that_was_taken_away_comes_back_behind_its_ports() {
    let mut host = Host::new();
    let wanted = [wanted(1, "web", v4(2), [TCP_80]), wanted(2, "db", v4(3), [TCP_80])];
    host.have(&wanted, 40);
    host.receive(v4(2));
    let before = host.model.clone();
    host.model.chain("DOCKER-USER").retain(|rule| !rule.spec.contains("rx all"));
    insta::assert_snapshot!(host.have(&wanted, 40), @r#"
    *filter
    [0:0] -I DOCKER-USER 6 -d 172.17.0.3/32 -m comment --comment "dtraf rx all db 0202020202020202020202020202020202020202020202020202020202020202 2026-09-21T14:14:20Z"
    [1:100] -I DOCKER-USER 3 -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    COMMIT
    "#);
    let sorted = |model: &Model| {
        let mut lines: Vec<String> = model.save().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&host.model), sorted(&before));
}

#[test]
fn what_another_process_has_moved_is_not_counted_twice() {
    let mut host = Host::new();
    host.have(&[wanted(1, "web", v4(2), [])], 40);
    host.receive(v4(2));
    let known = host.known.clone();
    host.have(&[wanted(1, "web", v4(3), [])], 40);
    host.known = known;
    assert_eq!(host.have(&[wanted(1, "web", v4(3), [])], 40), "");
}

#[test]
fn a_program_that_loses_presets_has_them_in_the_comment() {
    let mut model = Model::new(Family::V6, Presets::Lost);
    let [one, other] = ["fd00::2", "fd00::3"].map(|address| [wanted(1, "web", address.parse().unwrap(), [])]);
    let containers = BTreeSet::from([id(1)]);
    let target = |wanted| Target { wanted, containers: &containers, known: &[], now: at(0) };
    model.carry_out(&plan(&model.standing(), &target(&one), 40));
    model.send(Packet::new(client(Family::V6), one[0].address, ("tcp", 1, 2)));
    model.carry_out(&plan(&model.standing(), &target(&other), 40));
    model.send(Packet::new(client(Family::V6), other[0].address, ("tcp", 1, 2)));
    insta::assert_snapshot!(model.save(), @r#"
    *filter
    :DOCKER-USER - [0:0]
    :FORWARD - [0:0]
    [1:100] -A DOCKER-USER -d fd00::3/128 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:13:20Z +1:100"
    [0:0] -A DOCKER-USER -s fd00::3/128 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:13:20Z"
    [2:200] -A DOCKER-USER -j RETURN
    [2:200] -A FORWARD -j DOCKER-USER
    COMMIT
    "#);
    assert_eq!(model.standing().counted()[0].tally.bytes, 200);
    model.carry_out(&zero(&model.standing(), |_| true));
    assert_eq!(model.standing().counted()[0].tally.bytes, 0);
}

#[test]
fn a_table_without_docker_user_is_waited_for() {
    let wanted = [wanted(1, "web", v4(2), []), wanted(1, "web", "fd00::2".parse().unwrap(), [])];
    let containers = BTreeSet::from([id(1)]);
    let target = Target { wanted: &wanted, containers: &containers, known: &[], now: at(0) };
    let table = Table::parse("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", Family::V4, Presets::Kept);
    let plan = plan(&Standing { v4: Some(table), v6: None }, &target, 40);
    assert!(plan.is_empty());
    assert_eq!(plan.blocked(Family::V4), Some(Blocked::NoChain));
    assert_eq!(plan.blocked(Family::V6), Some(Blocked::NoProgram));
}

#[test]
fn only_rules_of_dtrafs_are_set_to_zero() {
    let mut host = Host::new();
    host.have(&[wanted(1, "web", v4(2), [TCP_80])], 4);
    host.have(&[wanted(1, "web", v4(2), [TCP_80]), wanted(2, "db", v4(3), [])], 4);
    host.model.chain("DOCKER-USER").insert(3, Rule::of("-p tcp"));
    host.receive(v4(2));
    host.receive(v4(3));
    let change = zero(&host.model.standing(), |key| key.container == id(1));
    insta::assert_snapshot!(change.script(Family::V4).unwrap(), @r#"
    *filter
    -Z DOCKER-USER 6
    -Z DOCKER-USER 3
    COMMIT
    "#);
    host.model.carry_out(&change);
    let theirs = host.model.chains["DOCKER-USER"].iter().find(|rule| rule.spec == "-p tcp");
    assert_eq!(theirs.map(|rule| rule.counter.packets), Some(2));
    let bytes: u64 = host.model.standing().counted().iter().map(|it| it.tally.bytes).sum();
    assert_eq!(bytes, 100);
}

#[test]
fn what_is_saved_brings_the_rules_and_their_counts_back() {
    let mut host = Host::new();
    host.have(&[wanted(1, "web", v4(2), [TCP_80])], 4);
    host.have(&[wanted(1, "web", v4(2), [TCP_80]), wanted(2, "db", v4(3), [])], 4);
    host.have(&[wanted(1, "web", v4(2), [TCP_80])], 4);
    host.have(&[wanted(1, "web", v4(2), [TCP_80]), wanted(1, "web", v4(4), [])], 4);
    host.receive(v4(2));
    let standing = host.model.standing();
    insta::assert_snapshot!(saved(&standing, Family::V4, true), @r#"
    *filter
    :DOCKER-USER - [0:0]
    :DTRAF-R-172.17.0.4-32 - [0:0]
    :DTRAF-RETIRED - [0:0]
    :DTRAF-RX - [0:0]
    :DTRAF-T-172.17.0.4-32 - [0:0]
    :DTRAF-TX - [0:0]
    -A DOCKER-USER -d 172.17.0.4/32 -j DTRAF-RX
    -A DOCKER-USER -s 172.17.0.4/32 -j DTRAF-TX
    [1:100] -A DOCKER-USER -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -m comment --comment "dtraf rx 80/tcp web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DOCKER-USER -s 172.17.0.2/32 -p tcp -m tcp --sport 80 -m comment --comment "dtraf tx 80/tcp web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [1:100] -A DOCKER-USER -d 172.17.0.2/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DOCKER-USER -s 172.17.0.2/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:14:20Z"
    [0:0] -A DTRAF-R-172.17.0.4-32 -d 172.17.0.4/32 -m comment --comment "dtraf rx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:17:20Z"
    [0:0] -A DTRAF-RETIRED -d 172.17.0.3/32 -m comment --comment "dtraf rx all db 0202020202020202020202020202020202020202020202020202020202020202 2026-09-21T14:15:20Z"
    [0:0] -A DTRAF-RETIRED -s 172.17.0.3/32 -m comment --comment "dtraf tx all db 0202020202020202020202020202020202020202020202020202020202020202 2026-09-21T14:15:20Z"
    -A DTRAF-RX -d 172.17.0.4/32 -g DTRAF-R-172.17.0.4-32
    [0:0] -A DTRAF-T-172.17.0.4-32 -s 172.17.0.4/32 -m comment --comment "dtraf tx all web 0101010101010101010101010101010101010101010101010101010101010101 2026-09-21T14:17:20Z"
    -A DTRAF-TX -s 172.17.0.4/32 -g DTRAF-T-172.17.0.4-32
    COMMIT
    "#);
    for declare_chain in [false, true] {
        let mut model = Model::new(Family::V4, Presets::Kept);
        model.restore(&saved(&standing, Family::V4, declare_chain));
        assert_eq!(model.standing().counted(), standing.counted());
        let left = usize::from(!declare_chain);
        assert_eq!(model.chains["DOCKER-USER"].iter().filter(|rule| is_foreign(&rule.spec)).count(), left);
    }
}

#[test]
fn hostile_names_make_one_rule_each_and_nothing_else() {
    for name in ["\" -j DROP\n-F DOCKER-USER\n#", "--comment", "", "a b\\", &"é".repeat(255), "$(reboot)"] {
        let mut host = Host::new();
        host.have(&[wanted(1, name, v4(2), [TCP_80])], 40);
        assert_eq!(host.known.len(), 4);
        host.model.carry_out(&removal(&host.model.standing(), |_| true));
        assert_eq!(host.model, Model::new(Family::V4, Presets::Kept));
    }
}

#[test]
fn a_packet_meets_few_of_the_rules_for_a_thousand_addresses() {
    let address =
        |number: u16| -> IpAddr { [10, 0, number.to_be_bytes()[0], number.to_be_bytes()[1]].into() };
    let wanted: Vec<Wanted> = (2..1002).map(|number| wanted(1, "web", address(number), [TCP_80])).collect();
    let containers = BTreeSet::from([id(1)]);
    let target = Target { wanted: &wanted, containers: &containers, known: &[], now: at(0) };
    let mut model = Model::new(Family::V4, Presets::Kept);
    model.carry_out(&plan(&model.standing(), &target, 40));
    // FORWARD's, two jumps and the RETURN, at most four lines for two of ten bits, and a leaf.
    let most = 4 + 4 * 5 + 2;
    let met = |model: &mut Model, address| {
        model.send(Packet::new(client(Family::V4), address, ("tcp", 1, 80))).rules
    };
    let worst = wanted.iter().map(|wanted| met(&mut model, wanted.address)).max();
    assert!(worst <= Some(most), "{worst:?}");
    assert_eq!(met(&mut model, [10, 1, 0, 1].into()), 4);
}

#[test]
fn docker_user_is_reached_through_any_chain_that_forward_leads_to() {
    let state = |rules: &str| {
        let text =
            format!("*filter\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:DOCKER-USER - [0:0]\n{rules}COMMIT\n");
        Table::parse(&text, Family::V4, Presets::Kept).docker_user()
    };
    assert_eq!(state(""), DockerUser::Unreached);
    assert_eq!(state("[0:0] -A A -j DOCKER-USER\n"), DockerUser::Unreached);
    assert_eq!(state("[0:0] -A FORWARD -j DOCKER-USER\n"), DockerUser::Reached);
    assert_eq!(
        state("[0:0] -A FORWARD -i eth0 -m comment --comment \"it\\'s\" -g A\n[0:0] -A A -j DOCKER-USER\n"),
        DockerUser::Reached
    );
}

#[test]
fn the_real_programs_rules_are_told_apart_from_others() {
    for (name, save, family) in ANSWERS {
        let presets = if name == "ip6tables-nft" { Presets::Lost } else { Presets::Kept };
        let table = Table::parse(save, family, presets);
        assert_eq!(table.docker_user(), DockerUser::Reached, "{name}");
        assert_eq!(table.chains["DOCKER-USER"].len(), 2 + 8 + 5, "{name}");
        let standing = Standing { v4: Some(table), v6: None };
        let listed = standing.listed();
        assert_eq!((listed[0].chain.as_str(), listed[0].number), ("DOCKER-USER", 3), "{name}");
        assert!(listed.iter().all(|it| save.contains(&format!("-A {} {}\n", it.chain, it.spec))), "{name}");
        let counted = standing.counted();
        let expected = match presets {
            Presets::Kept => [100, 200, 300, 400, 500, 600, 700, 800, 1000, 1200, 1600, 1100],
            Presets::Lost => [700, 700, 700, 700, 700, 700, 700, 700, 0, 0, 0, 0],
        };
        let bytes: Vec<u64> = counted.iter().map(|it| it.tally.bytes).collect();
        assert_eq!(bytes, expected, "{name}");
        let retired = counted.iter().filter(|it| it.life == Life::Retired).count();
        assert_eq!(retired, 2, "{name}");
    }
}

#[test]
fn what_the_real_programs_print_is_removed_to_the_last_line_of_dtrafs() {
    for (name, save, family) in ANSWERS {
        let table = Some(Table::parse(save, family, Presets::Kept));
        let standing = match family {
            Family::V4 => Standing { v4: table, v6: None },
            Family::V6 => Standing { v4: None, v6: table },
        };
        let script = removal(&standing, |_| true).script(family).unwrap();
        let printed = |line: &str| save.contains(&line.replacen("-D ", "-A ", 1).replacen("-X ", ":", 1));
        let mut commands = script.lines().filter(|line| !["*filter", "COMMIT"].contains(line));
        assert!(commands.all(printed), "{name}: {script}");
        assert_eq!(script.matches("\n-D ").count(), 12 + 2 + 2, "{name}");
        assert_eq!(script.matches("\n-X ").count(), 5, "{name}");
    }
}
