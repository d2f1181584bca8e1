//! Counters -> [`Snapshot`]: one reading for each container, over all its addresses.
//!
//! What rules cannot know stays unknown: frames, and who the other end was. What no port's rule has counted is the total
//! less the ports.

use std::collections::{BTreeMap, BTreeSet};

use dtraf_common::abi::{Direction, Role, Scope};

use super::{Counted, CounterKey, Matched, Tally};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::history::journal::Cursor;
use crate::accounting::history::key::divided;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::{
    Bucket, ContainerName, HookKind, Life, Meter, MeterId, MeterReading, Point, Port, Snapshot,
};
use crate::accounting::sorted::Sorted;

/// What all counters say. `amounts` has what is to be booked for each key, which may be more than a counter says whose past
/// was taken from it.
pub(crate) fn snapshot(
    counted: &[Counted],
    amounts: &BTreeMap<CounterKey, Tally>,
    hook: HookKind,
    now: Timestamp,
) -> Snapshot {
    let mut containers = BTreeMap::<ContainerId, Vec<&Counted>>::new();
    for counter in counted {
        containers.entry(counter.key.container).or_default().push(counter);
    }
    let reading = |(id, counters): (ContainerId, Vec<&Counted>)| reading(id, &counters, amounts, hook, now);
    Snapshot { taken_at: now, meters: containers.into_iter().map(reading).collect() }
}

fn reading(
    id: ContainerId,
    counters: &[&Counted],
    amounts: &BTreeMap<CounterKey, Tally>,
    hook: HookKind,
    now: Timestamp,
) -> MeterReading {
    let keys = counters.iter().map(|counter| counter.key).collect();
    let (scopes, buckets, ports) = figures(&keys, amounts);
    MeterReading {
        meter: meter(id, counters, hook, now),
        scopes,
        buckets,
        ports,
        flooded: BTreeMap::new(),
        origins: None,
    }
}

/// What was booked of each container when its counters had counted so much.
pub(crate) fn cursors(amounts: &BTreeMap<CounterKey, Tally>) -> BTreeMap<MeterId, Cursor> {
    let mut containers = BTreeMap::<ContainerId, BTreeSet<CounterKey>>::new();
    for key in amounts.keys() {
        containers.entry(key.container).or_default().insert(*key);
    }
    let cursor = |(id, keys): (ContainerId, BTreeSet<CounterKey>)| {
        let (scopes, buckets, ports) = figures(&keys, amounts);
        (MeterId::Rules(id), divided(&scopes, &buckets, ports.iter()))
    };
    containers.into_iter().map(cursor).collect()
}

type Figures = (
    PerDirection<BTreeMap<Option<Scope>, Amount>>,
    PerDirection<BTreeMap<Bucket, Amount>>,
    Sorted<Port, PerDirection<Amount>>,
);

/// The sums of one container's counters.
fn figures(keys: &BTreeSet<CounterKey>, amounts: &BTreeMap<CounterKey, Tally>) -> Figures {
    let mut totals = PerDirection::<Tally>::default();
    let mut ports = BTreeMap::<Port, PerDirection<Tally>>::new();
    for key in keys {
        let tally = amounts.get(key).copied().unwrap_or_default();
        let sum = match key.matched {
            Matched::All => totals.get_mut(key.direction),
            Matched::Port(number) => {
                let port = Port {
                    protocol: number.protocol,
                    port: number.port,
                    role: Role::Server,
                    family: key.family,
                    scope: None,
                };
                ports.entry(port).or_default().get_mut(key.direction)
            }
        };
        *sum = *sum + tally;
    }
    // A port's rule may have counted while the one for everything was missing.
    let in_ports = PerDirection::from_fn(|direction| ports.values().map(|port| *port.get(direction)).sum());
    let left = PerDirection::from_fn(|direction| totals.get(direction).less(in_ports.get(direction)));
    let total = |direction: Direction| amount(*in_ports.get(direction) + *left.get(direction));
    (
        PerDirection::from_fn(|direction| BTreeMap::from([(None, total(direction))])),
        PerDirection::from_fn(|direction| BTreeMap::from([(Bucket::NoRule, amount(*left.get(direction)))])),
        ports
            .into_iter()
            .map(|(port, tallies)| (port, PerDirection::from_fn(|direction| amount(*tallies.get(direction)))))
            .collect(),
    )
}

fn meter(id: ContainerId, counters: &[&Counted], hook: HookKind, now: Timestamp) -> Meter {
    let live = || counters.iter().filter(|counter| counter.life == Life::Live);
    // The newest has the name that the container had last.
    let newest = counters.iter().max_by_key(|counter| (counter.life == Life::Live, counter.since));
    Meter {
        id: MeterId::Rules(id),
        point: Point::Addresses(live().map(|counter| counter.address).collect()),
        life: if live().next().is_some() { Life::Live } else { Life::Retired },
        hook,
        attached_at: counters.iter().map(|counter| counter.since).min().unwrap_or(now),
        shortfall: None,
        container: newest.map(|counter| ContainerName { id, name: counter.name.clone() }),
    }
}

fn amount(tally: Tally) -> Amount {
    Amount { frames: None, skb_ip_bytes: tally.bytes, skbs: tally.packets }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use dtraf_common::abi::Family;

    use super::*;
    use crate::accounting::fixtures::{at, id};
    use crate::accounting::inventory::PortNumber;
    use crate::source::rules::sums;

    fn counted(matched: Matched, address: &str, packets: u64) -> Counted {
        let address: IpAddr = address.parse().unwrap();
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        Counted {
            key: CounterKey { container: id(1), family, direction: Direction::Received, matched },
            name: "web".to_owned(),
            address,
            since: at(packets),
            life: Life::Live,
            tally: Tally { packets, bytes: 100 * packets },
        }
    }

    fn of(counters: &[Counted]) -> MeterReading {
        let hook = HookKind::DockerUser;
        snapshot(counters, &sums(counters), hook, at(9)).meters.pop().unwrap()
    }

    const TCP_80: Matched = Matched::Port(PortNumber { protocol: 6, port: 80 });

    #[test]
    fn all_addresses_of_a_container_are_one_meter() {
        let reading = of(&[
            counted(TCP_80, "172.17.0.2", 3),
            counted(Matched::All, "172.17.0.2", 5),
            counted(Matched::All, "172.18.0.2", 10),
            counted(Matched::All, "fd00::2", 1),
        ]);
        assert_eq!(reading.total().rx, Amount { frames: None, skb_ip_bytes: 1600, skbs: 16 });
        assert_eq!(reading.buckets.rx[&Bucket::NoRule].skbs, 13);
        assert_eq!(reading.ports.values().next().unwrap().rx.skbs, 3);
        assert_eq!(reading.meter.attached_at, at(1));
        let Point::Addresses(addresses) = &reading.meter.point else { panic!("{reading:?}") };
        assert_eq!(addresses.len(), 3);
    }

    #[test]
    fn ports_and_the_rest_are_the_total_whatever_was_read() {
        let reading = of(&[counted(TCP_80, "172.17.0.2", 7), counted(Matched::All, "172.17.0.2", 5)]);
        assert_eq!((reading.total().rx.skbs, reading.buckets.rx[&Bucket::NoRule].skbs), (7, 0));
    }

    #[test]
    fn a_retired_counter_keeps_its_counts_and_has_no_address() {
        let retired = Counted { life: Life::Retired, ..counted(Matched::All, "172.17.0.2", 5) };
        let reading = of(&[retired]);
        assert_eq!((reading.total().rx.skbs, reading.meter.life), (5, Life::Retired));
        assert_eq!(reading.meter.point, Point::Addresses(BTreeSet::new()));
    }
}
