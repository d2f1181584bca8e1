//! Whatever happens to the rules, a plan keeps the laws on `Target`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dtraf_common::abi::{Direction, Family};
use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{Model, Packet, Rule};
use super::{client, is_foreign, live, wanted};
use crate::accounting::fixtures::{at, id};
use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::PortNumber;
use crate::source::iptables::plan::{plan, removal};
use crate::source::iptables::standing::Presets;
use crate::source::rules::{Counted, CounterKey, Matched, Target, Wanted};

const PORTS: [(u8, &str, u16); 3] = [(6, "tcp", 80), (17, "udp", 53), (132, "sctp", 80)];

#[derive(Clone, Debug)]
enum Step {
    /// Addresses are given to containers anew: by address, the container (or none).
    Connect(Vec<Option<u8>>),
    Forget(u8),
    Send {
        address: u8,
        port: u8,
        out: bool,
    },
    Damage(Damage),
}

/// What others may do to the rules between two looks. Lines are counted over all chains but `FORWARD`.
#[derive(Clone, Debug)]
enum Damage {
    Delete(usize),
    /// At the top of the chain of another line.
    Copy {
        line: usize,
        to: usize,
    },
    Move {
        line: usize,
        to: usize,
    },
    Foreign {
        line: usize,
    },
    /// A rule that ends the way of some packets, or of all.
    Verdict {
        line: usize,
        spec: usize,
    },
    /// Once more, from zero, at the end of its chain.
    Restore(usize),
    Flush,
    /// All of dtraf's chains.
    Clear,
}

/// Rules that keep packets from those behind them.
const VERDICTS: [&str; 11] = [
    "-p tcp -j ACCEPT",
    "-p udp -j DROP",
    "-p tcp --dport 80 -j RETURN",
    "-j RETURN",
    "-j ACCEPT",
    "-j ENDS",
    "-p tcp -j NESTED",
    "-p udp -g PASSES",
    "-g PASSES",
    "-j PASSES",
    "-j RETURNS",
];

/// A table, and what was counted in it by the packets that were sent.
struct World {
    model: Model,
    containers: BTreeSet<ContainerId>,
    owners: Vec<Option<u8>>,
    known: Vec<Counted>,
    truth: BTreeMap<CounterKey, u64>,
    now: u64,
    literal_rules: usize,
}

fn address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => [172, 17 + number / 4, 0, number].into(),
        Family::V6 => [0xfd00, 0, u16::from(number / 4), 0, 0, 0, 0, u16::from(number)].into(),
    }
}

impl World {
    fn new(family: Family, presets: Presets, literal_rules: usize) -> Self {
        let containers = (0..4).map(id).collect();
        let (owners, known, truth) = (vec![None; 12], Vec::new(), BTreeMap::new());
        let mut model = Model::new(family, presets);
        for (chain, spec) in [
            ("ENDS", "-p udp -j DROP"),
            ("NESTED", "-j ENDS"),
            ("NESTED", "-p tcp -j ACCEPT"),
            ("PASSES", "-p tcp"),
            ("PASSES", "-p udp -j RETURN"),
            ("RETURNS", "-p tcp -j RETURN"),
            ("RETURNS", "-j DROP"),
        ] {
            model.chain(chain).push(Rule::of(spec));
        }
        Self { model, containers, owners, known, truth, now: 0, literal_rules }
    }

    fn wanted(&self) -> Vec<Wanted> {
        let owned = (0..).zip(&self.owners).filter_map(|(number, owner)| Some((number, (*owner)?)));
        let owned = owned.filter(|(_, owner)| self.containers.contains(&id(*owner)));
        let ports = |owner: u8| PORTS.into_iter().take(usize::from(owner % 4));
        owned
            .map(|(number, owner)| {
                let ports = ports(owner).map(|(protocol, _, port)| PortNumber { protocol, port });
                wanted(owner, &format!("c {owner}"), address(self.model.family, number), ports)
            })
            .collect()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Connect(owners) => self.owners.clone_from(owners),
            Step::Forget(container) => {
                self.containers.remove(&id(*container));
                self.truth.retain(|key, _| key.container != id(*container));
            }
            Step::Send { address, port, out } => {
                let (_, protocol, number) = PORTS[usize::from(port % 3)];
                self.send(*address % 12, (protocol, number), *out);
            }
            Step::Damage(damage) => self.suffer(damage),
        }
    }

    fn send(&mut self, number: u8, port: (&'static str, u16), out: bool) {
        let family = self.model.family;
        let own = address(family, number);
        let (protocol, port) = port;
        let packet = if out {
            Packet::new(own, client(family), (protocol, port, 5000))
        } else {
            Packet::new(client(family), own, (protocol, 5000, port))
        };
        let before: BTreeMap<_, u64> = self.sums();
        self.model.send(packet);
        // A counter that stands twice counts once.
        for (key, after) in self.sums() {
            if after > before.get(&key).copied().unwrap_or_default() {
                *self.truth.entry(key).or_default() += packet.bytes;
            }
        }
    }

    fn sums(&self) -> BTreeMap<CounterKey, u64> {
        let mut sums = BTreeMap::new();
        for counted in self.model.standing().counted() {
            *sums.entry(counted.key).or_default() += counted.tally.bytes;
        }
        sums
    }

    fn suffer(&mut self, damage: &Damage) {
        let is_aside = |chain: &str| ["ENDS", "NESTED", "PASSES", "RETURNS"].contains(&chain);
        let lines: Vec<(String, usize)> = self
            .model
            .chains
            .iter()
            .filter(|(chain, _)| !is_aside(chain))
            .flat_map(|(chain, rules)| (0..rules.len()).map(move |index| (chain.clone(), index)))
            .collect();
        let is_jump = |(chain, index): &(String, usize), model: &Model| {
            chain == "FORWARD" && model.chains[chain][*index].spec == "-j DOCKER-USER"
        };
        let line = |number: usize| lines.get(number % lines.len().max(1)).cloned();
        match damage {
            Damage::Delete(number) => {
                if let Some((chain, index)) = line(*number).filter(|at| !is_jump(at, &self.model)) {
                    self.model.chain(&chain).remove(index);
                }
            }
            Damage::Verdict { line: number, spec } => {
                // In a chain of dtraf's it is named, not mended: a packet goes through several of them.
                if let Some((chain, index)) = line(*number).filter(|(chain, _)| !chain.starts_with("DTRAF")) {
                    let spec = VERDICTS[spec % VERDICTS.len()];
                    self.model.chain(&chain).insert(index, Rule::of(spec));
                }
            }
            Damage::Copy { line: number, to } | Damage::Move { line: number, to } => {
                let Some(((chain, index), (to, _))) = line(*number).zip(line(*to)) else { return };
                let rule = self.model.chains[&chain][index].clone();
                let is_branch = rule.spec.contains("-g ") || rule.spec.contains("-j ");
                if is_foreign(&rule.spec) || is_branch && to != chain {
                    return;
                }
                if matches!(damage, Damage::Move { .. }) {
                    self.model.chain(&chain).remove(index);
                }
                self.model.chain(&to).insert(0, rule);
            }
            Damage::Restore(number) => {
                let Some((chain, index)) = line(*number) else { return };
                let spec = self.model.chains[&chain][index].spec.clone();
                if !is_foreign(&spec) {
                    self.model.chain(&chain).push(Rule::of(&spec));
                }
            }
            Damage::Foreign { line: number } => {
                if let Some((chain, index)) = line(*number) {
                    self.model.chain(&chain).insert(index, Rule::of(&format!("-i eth{number}")));
                }
            }
            Damage::Flush => self.model.chain("DOCKER-USER").clear(),
            Damage::Clear => {
                self.model.chain("DOCKER-USER").retain(|rule| !rule.spec.contains("-j DTRAF"));
                self.model.chains.retain(|chain, _| !chain.starts_with("DTRAF"));
            }
        }
    }

    fn foreign(&self) -> Vec<(String, String)> {
        let lines =
            self.model.chains.iter().flat_map(|(chain, rules)| rules.iter().map(move |rule| (chain, rule)));
        let theirs = lines.filter(|(_, rule)| is_foreign(&rule.spec));
        theirs.map(|(chain, rule)| (chain.clone(), rule.spec.clone())).collect()
    }

    fn reconcile(&mut self) {
        self.now += 60;
        let (wanted, foreign) = (self.wanted(), self.foreign());
        let known = std::mem::take(&mut self.known);
        let target =
            Target { wanted: &wanted, containers: &self.containers, known: &known, now: at(self.now) };
        let change = plan(&self.model.standing(), &target, self.literal_rules);
        self.model.carry_out(&change);
        self.known = self.model.standing().counted();
        assert_eq!(self.model.standing().hiding(), BTreeSet::new(), "{}", self.model.save());
        // Superseded counters go once they are certain, whatever passes until then.
        for number in [1, 4, 6, 11] {
            self.books_balance();
            self.send(number, ("tcp", 80), number % 2 == 0);
        }
        let target = Target { wanted: &wanted, containers: &self.containers, known: &[], now: at(self.now) };
        let known = std::mem::take(&mut self.known);
        let second = plan(&self.model.standing(), &Target { known: &known, ..target }, self.literal_rules);
        self.model.carry_out(&second);
        self.known = self.model.standing().counted();
        assert!(!self.model.save().contains(" -\"\n"), "no shadow stays: {}", self.model.save());
        let again =
            plan(&self.model.standing(), &Target { known: &self.known, ..target }, self.literal_rules);
        assert_eq!(
            again.script(self.model.family),
            None,
            "after\n{}{}",
            change.script(self.model.family).unwrap_or_default(),
            second.script(self.model.family).unwrap_or_default(),
        );
        assert_eq!(self.foreign(), foreign, "somebody else's rules were touched");
        self.check(&wanted);
    }

    fn check(&mut self, wanted: &[Wanted]) {
        let owners: BTreeMap<IpAddr, ContainerId> =
            wanted.iter().map(|it| (it.address, it.container.id)).collect();
        let mut live_at = BTreeMap::<(CounterKey, IpAddr), usize>::new();
        for counted in live(&self.known) {
            assert_eq!(
                owners.get(&counted.address),
                Some(&counted.key.container),
                "not its container's any more"
            );
            *live_at.entry((counted.key, counted.address)).or_default() += 1;
        }
        assert!(live_at.values().all(|count| *count == 1), "{live_at:?}");
        for wanted in wanted {
            assert!(
                wanted.keys().all(|key| live_at.contains_key(&(key, wanted.address))),
                "{}",
                self.model.save()
            );
        }
        self.books_balance();
        for wanted in wanted {
            self.a_packet_meets_its_own_rules(wanted, &owners);
        }
    }

    fn books_balance(&self) {
        let mut sums = self.sums();
        sums.retain(|_, bytes| *bytes > 0);
        assert_eq!(sums, self.truth, "{}", self.model.save());
    }

    fn a_packet_meets_its_own_rules(&self, wanted: &Wanted, owners: &BTreeMap<IpAddr, ContainerId>) {
        assert!(owners.contains_key(&wanted.address));
        for (_, protocol, port) in PORTS {
            let packet = Packet::new(client(self.model.family), wanted.address, (protocol, 80, port));
            let met = self.model.clone().send(packet);
            let is_asked =
                |it: &&PortNumber| PORTS.contains(&(it.protocol, protocol, it.port)) && it.port == port;
            let expected = 1 + wanted.ports.iter().filter(is_asked).count();
            let ours: Vec<_> = met.counters.iter().filter(|spec| !is_foreign(spec)).collect();
            assert_eq!(ours.len(), expected, "{ours:?}\n{}", self.model.save());
            assert!(ours.iter().all(|spec| spec.contains(&wanted.container.id.to_string())), "{ours:?}");
        }
    }

    fn remove_all(mut self) {
        let foreign = self.foreign();
        self.model.carry_out(&removal(&self.model.standing(), |_| true));
        assert_eq!(self.foreign(), foreign);
        assert!(
            self.model.chains.values().flatten().all(|rule| is_foreign(&rule.spec)),
            "{}",
            self.model.save()
        );
        let mut chains = self.model.chains.iter();
        assert!(chains.all(|(chain, rules)| !chain.starts_with("DTRAF") || !rules.is_empty()));
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let number = || 0..200_usize;
    prop_oneof![
        4 => number().prop_map(Damage::Delete),
        2 => (number(), number()).prop_map(|(line, to)| Damage::Copy { line, to }),
        2 => (number(), number()).prop_map(|(line, to)| Damage::Move { line, to }),
        2 => number().prop_map(Damage::Restore),
        2 => number().prop_map(|line| Damage::Foreign { line }),
        4 => (number(), number()).prop_map(|(line, spec)| Damage::Verdict { line, spec }),
        1 => Just(Damage::Flush),
        1 => Just(Damage::Clear),
    ]
}

/// What happens between two looks: others damage the rules, then packets come by.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(proptest::option::of(0..4_u8), 12).prop_map(Step::Connect),
        1 => (0..4_u8).prop_map(Step::Forget),
        8 => (0..12_u8, 0..3_u8, any::<bool>()).prop_map(|(address, port, out)| Step::Send { address, port, out }),
        4 => damage().prop_map(Step::Damage),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counts_are_kept_whatever_happens_to_addresses_and_rules(
        steps in vec(step(), 1..30),
        literal_rules in prop_oneof![Just(0), Just(6), Just(1000)],
        (family, presets) in prop_oneof![
            Just((Family::V4, Presets::Kept)), Just((Family::V6, Presets::Kept)), Just((Family::V6, Presets::Lost)),
        ],
    ) {
        let mut world = World::new(family, presets, literal_rules);
        world.reconcile();
        for step in &steps {
            world.take(step);
            if matches!(step, Step::Send { .. }) {
                world.known = world.model.standing().counted();
            } else {
                world.reconcile();
            }
        }
        world.remove_all();
    }

    #[test]
    fn any_addresses_have_their_own_rules_met(
        numbers in proptest::collection::btree_set(any::<u128>(), 1..60),
        six in any::<bool>(),
    ) {
        let family = if six { Family::V6 } else { Family::V4 };
        let address = |number: &u128| -> IpAddr {
            let six = IpAddr::from(number.to_be_bytes());
            let [one, two, three, four, ..] = number.to_be_bytes();
            if family == Family::V6 { six } else { [one, two, three, four].into() }
        };
        let addresses: BTreeSet<IpAddr> = numbers.iter().map(address).collect();
        let wanted: Vec<Wanted> = addresses.iter().map(|it| wanted(1, "web", *it, [])).collect();
        let containers = BTreeSet::from([id(1)]);
        let target = Target { wanted: &wanted, containers: &containers, known: &[], now: at(0) };
        let mut model = Model::new(family, Presets::Kept);
        model.carry_out(&plan(&model.standing(), &target, 20));
        for address in addresses {
            for (direction, packet) in [
                (Direction::Received, Packet::new(client(family), address, ("tcp", 1, 2))),
                (Direction::Transmitted, Packet::new(address, client(family), ("tcp", 1, 2))),
            ] {
                let before = model.standing().counted();
                model.send(packet);
                let after = model.standing().counted();
                let changed = before.iter().zip(&after).filter(|(before, after)| before.tally != after.tally);
                let changed: Vec<_> = changed.map(|(_, after)| (after.address, after.key.direction)).collect();
                prop_assert_eq!(changed, [(address, direction)]);
            }
            prop_assert_eq!(model.standing().counted()[0].key.matched, Matched::All);
        }
    }
}
