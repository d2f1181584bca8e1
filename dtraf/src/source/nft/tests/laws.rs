//! The laws of [`Target`], whatever happens to containers, to the table and to dtraf.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;

use super::model::{Kernel, Table};
use crate::accounting::fixtures::{at, id};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::PortNumber;
use crate::accounting::snapshot::{ContainerName, Life};
use crate::source::nft::name::CounterName;
use crate::source::nft::plan::plan;
use crate::source::rules::{Counted, CounterKey, Tally, Target, Wanted};

#[derive(Clone, Debug)]
enum Act {
    /// These addresses' containers, each with its ports, and those who have none; the others are removed.
    Containers {
        addresses: BTreeMap<u8, (u8, u8)>,
        stopped: BTreeSet<u8>,
    },
    /// Packets at one of the places where something counts.
    Count {
        place: prop::sample::Index,
        packets: u64,
    },
    /// A process that knows nothing takes over.
    Restart,
    FlushRuleset,
    DeleteChain,
    FlushChain,
    /// Somebody takes a counter away, and all that points to it.
    DeleteCounter(prop::sample::Index),
    DeleteElement(prop::sample::Index),
    FlushMap(prop::sample::Index),
    /// Somebody has a place lead to a counter of his own.
    Misdirect(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    let addresses = prop::collection::btree_map(0..8_u8, (0..4_u8, 0..4_u8), 0..6);
    let stopped = prop::collection::btree_set(0..4_u8, 0..4);
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (addresses, stopped).prop_map(|(addresses, stopped)| Act::Containers { addresses, stopped }),
        6 => (index(), 1..1000_u64).prop_map(|(place, packets)| Act::Count { place, packets }),
        1 => Just(Act::Restart),
        1 => Just(Act::FlushRuleset),
        1 => Just(Act::DeleteChain),
        1 => Just(Act::FlushChain),
        2 => index().prop_map(Act::DeleteCounter),
        1 => index().prop_map(Act::DeleteElement),
        1 => index().prop_map(Act::FlushMap),
        1 => index().prop_map(Act::Misdirect),
    ]
}

#[derive(Default)]
struct World {
    kernel: Kernel,
    wanted: Vec<Wanted>,
    containers: BTreeSet<ContainerId>,
    known: Vec<Counted>,
    /// What was ever counted, of containers that are not removed.
    truth: BTreeMap<CounterKey, Tally>,
}

fn wanted(address: u8, container: u8, ports: u8) -> Wanted {
    let address: IpAddr = match address {
        0..5 => [10, 0, 0, address].into(),
        _ => [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(address)].into(),
    };
    let ports =
        (0..2).filter(|bit| ports & (1 << bit) != 0).map(|bit| PortNumber { protocol: 6, port: 80 + bit });
    let container = ContainerName { id: id(container), name: format!("c {container}") };
    Wanted { container, address, ports: ports.collect() }
}

/// Picks one, if there is one.
fn pick<T>(index: prop::sample::Index, from: impl Iterator<Item = T>) -> Option<T> {
    let mut from: Vec<T> = from.collect();
    (!from.is_empty()).then(|| from.swap_remove(index.index(from.len())))
}

fn maps(tables: &mut BTreeMap<String, Table>) -> impl Iterator<Item = &mut BTreeMap<String, String>> {
    tables.values_mut().flat_map(|table| table.maps.values_mut())
}

impl World {
    fn act(&mut self, act: Act) {
        match act {
            Act::Containers { addresses, stopped } => {
                let ports: BTreeMap<u8, u8> = addresses.values().copied().collect();
                let wanted = addresses
                    .iter()
                    .map(|(address, (container, _))| wanted(*address, *container, ports[container]));
                self.wanted = wanted.collect();
                self.containers = ports.keys().chain(&stopped).map(|number| id(*number)).collect();
                self.truth.retain(|key, _| self.containers.contains(&key.container));
            }
            Act::Restart => self.known.clear(),
            Act::FlushRuleset => self.kernel.tables.clear(),
            other => self.act_on_tables(&other),
        }
    }

    fn act_on_tables(&mut self, act: &Act) {
        let tables = &mut self.kernel.tables;
        match *act {
            Act::Count { place, packets } => {
                let maps = tables.values().flat_map(|table| &table.maps);
                let live = maps.filter(|(name, _)| !name.starts_with("retired"));
                if let Some(counter) = pick(place, live.flat_map(|(_, map)| map.values().cloned())) {
                    let more = Tally { packets, bytes: 100 * packets };
                    let tally = tables.values_mut().find_map(|it| it.counters.get_mut(&counter)).unwrap();
                    *tally = *tally + more;
                    let name: CounterName = counter.parse().unwrap();
                    let truth = self.truth.entry(name.key).or_default();
                    *truth = *truth + more;
                }
            }
            Act::DeleteChain => tables.values_mut().for_each(|table| table.chain = None),
            Act::FlushChain => {
                for table in tables.values_mut() {
                    table.chain.as_mut().unwrap().1.clear();
                }
            }
            Act::DeleteCounter(index) => {
                let counters = tables.values().flat_map(|table| table.counters.keys().cloned());
                if let Some(counter) = pick(index, counters) {
                    for table in tables.values_mut() {
                        table.counters.remove(&counter);
                        table.maps.values_mut().for_each(|map| map.retain(|_, it| *it != counter));
                    }
                }
            }
            Act::DeleteElement(index) => {
                if let Some(map) = pick(index, maps(tables)) {
                    map.pop_first();
                }
            }
            Act::Misdirect(index) => {
                for table in tables.values_mut() {
                    table.counters.insert("theirs".to_owned(), Tally::default());
                }
                if let Some(counter) = pick(index, maps(tables).flat_map(BTreeMap::values_mut)) {
                    "theirs".clone_into(counter);
                }
            }
            Act::FlushMap(index) => {
                if let Some(map) = pick(index, maps(tables)) {
                    map.clear();
                }
            }
            Act::Containers { .. } | Act::Restart | Act::FlushRuleset => {}
        }
    }

    fn target(&self, now: Timestamp) -> Target<'_> {
        Target { wanted: &self.wanted, containers: &self.containers, known: &self.known, now }
    }

    /// What a daemon does each time: look, change, look again.
    fn tend(&mut self, now: Timestamp) {
        let before = self.kernel.read();
        let plan = plan(&before, &self.target(now));
        self.kernel.carry_out(&plan);
        let after = self.kernel.read().counted();
        self.every_key_of_every_address_has_one_counter(&after);
        self.sums_are_the_truth(&after);
        self.counters_keep_their_beginning(&before.counted(), &after);
        self.known = after;
    }

    fn every_key_of_every_address_has_one_counter(&self, after: &[Counted]) {
        let live = after.iter().filter(|counted| counted.life == Life::Live);
        let mut live: Vec<_> = live.map(|counted| (counted.key, counted.address)).collect();
        let keys = |wanted: &Wanted| wanted.keys().map(|key| (key, wanted.address)).collect::<Vec<_>>();
        let mut wanted: Vec<_> = self.wanted.iter().flat_map(keys).collect();
        live.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(live, wanted);
    }

    fn sums_are_the_truth(&self, after: &[Counted]) {
        let mut sums = BTreeMap::<CounterKey, Tally>::new();
        for counted in after {
            let sum = sums.entry(counted.key).or_default();
            *sum = *sum + counted.tally;
            assert!(self.containers.contains(&counted.key.container), "{counted:?} is nobody's");
        }
        sums.retain(|_, sum| *sum != Tally::default());
        assert_eq!(sums, self.truth);
    }

    fn counters_keep_their_beginning(&self, before: &[Counted], after: &[Counted]) {
        let mut beginnings: Vec<_> = after.iter().map(|it| (it.key, it.since)).collect();
        for counted in before.iter().filter(|it| self.containers.contains(&it.key.container)) {
            let beginning = beginnings.iter().position(|it| *it == (counted.key, counted.since));
            beginnings.swap_remove(beginning.expect("whatever stood still stands"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_the_laws_hold_and_nothing_is_left_to_do(acts in prop::collection::vec(act(), 0..40)) {
        let mut world = World::default();
        for (second, act) in (0..).zip(acts) {
            world.act(act);
            world.tend(at(second));
            let again = plan(&world.kernel.read(), &world.target(at(second + 1)));
            prop_assert_eq!(again.script(), "");
        }
    }
}
