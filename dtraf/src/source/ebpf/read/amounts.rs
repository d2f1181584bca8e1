//! What the programs count, in the words of the core.

use std::collections::BTreeMap;

use dtraf_common::abi::{
    Bucket, Counters, Direction, ETHERNET_BYTES, PortCounters, Scope, SlotTotals, TaggedCounters, VLAN_BYTES,
};
use dtraf_common::key::PortKey;

use crate::accounting::amount::{Amount, Frames, PerDirection};
use crate::accounting::snapshot::{self, Port};
use crate::accounting::sorted::Sorted;

/// `counters` must be in the order of their keys' ports. Keys that differ in nothing but VLAN tags are one port.
pub(super) fn ports<'a>(
    counters: impl ExactSizeIterator<Item = (PortKey, &'a PortCounters)>,
) -> Sorted<Port, PerDirection<Amount>> {
    let mut ports = Vec::<(Port, PerDirection<Amount>)>::with_capacity(counters.len());
    for (key, counters) in counters {
        let (port, amounts) = (port(key), port_amounts(key, counters));
        match ports.last_mut() {
            Some((last, sum)) if *last == port => *sum += amounts,
            _ => ports.push((port, amounts)),
        }
    }
    ports.into_iter().collect()
}

pub(super) fn scopes(totals: &SlotTotals, direction: Direction) -> BTreeMap<Option<Scope>, Amount> {
    let mut scopes = BTreeMap::new();
    for (scope, counters) in Scope::ALL.into_iter().zip(&totals.scopes[direction as usize]) {
        let has_ip = scope != Scope::Other;
        let amount = amount(counters.counters, has_ip.then_some(counters.vlan_bytes));
        if !amount.is_zero() {
            scopes.insert(Some(scope), amount);
        }
    }
    scopes
}

pub(super) fn buckets(totals: &SlotTotals, direction: Direction) -> BTreeMap<snapshot::Bucket, Amount> {
    let mut buckets = BTreeMap::new();
    for (bucket, counters) in Bucket::ALL.into_iter().zip(&totals.buckets[direction as usize]) {
        let has_ip = !matches!(bucket, Bucket::L2 | Bucket::Foreign | Bucket::Unparsed);
        let amount = amount(counters.counters, has_ip.then_some(counters.vlan_bytes));
        if !amount.is_zero() {
            buckets.insert(snapshot::Bucket::Program(bucket), amount);
        }
    }
    buckets
}

/// What was counted for a pair.
pub(super) fn pair(TaggedCounters { counters, vlan_bytes }: TaggedCounters) -> Amount {
    amount(counters, Some(vlan_bytes))
}

pub(super) fn port(key: PortKey) -> Port {
    Port {
        protocol: key.protocol,
        port: key.port,
        role: key.role,
        family: key.family,
        scope: Some(key.scope),
    }
}

fn port_amounts(key: PortKey, counters: &PortCounters) -> PerDirection<Amount> {
    PerDirection::from_fn(|direction| {
        let counters = counters.directions[direction as usize];
        let packets = counters.skbs + counters.added_packets;
        amount(counters, Some(packets * u64::from(key.vlan_tags) * u64::from(VLAN_BYTES)))
    })
}

/// `vlan_bytes` is `None` for what is not IP.
fn amount(counters: Counters, vlan_bytes: Option<u64>) -> Amount {
    let wire_bytes = counters.skb_bytes.wrapping_add(counters.added_bytes);
    let packets = counters.skbs + counters.added_packets;
    let ethernet = u64::from(ETHERNET_BYTES);
    let link_bytes = vlan_bytes.map(|vlan_bytes| packets * ethernet + vlan_bytes);
    // A tag is in an skb's metadata, not in its bytes.
    let skb_link_bytes = vlan_bytes.map(|_| counters.skbs * ethernet);
    let above = |bytes: u64, link_bytes: Option<u64>| link_bytes.map_or(0, |link| bytes.saturating_sub(link));
    let frames = Frames {
        wire_bytes,
        packets,
        ip_bytes: above(wire_bytes, link_bytes),
        skb_bytes: counters.skb_bytes,
    };
    Amount {
        frames: Some(frames),
        skb_ip_bytes: above(counters.skb_bytes, skb_link_bytes),
        skbs: counters.skbs,
    }
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi::{Family, Role};

    use super::*;

    fn key(port: u16, vlan_tags: u8) -> PortKey {
        PortKey {
            slot: 1,
            family: Family::V4,
            protocol: 6,
            role: Role::Server,
            scope: Scope::Lan,
            port,
            vlan_tags,
        }
    }

    #[test]
    fn what_differs_in_its_tags_alone_is_one_port_whose_tags_are_no_ip_bytes() {
        let one = Counters { skb_bytes: 100, skbs: 1, ..Counters::default() };
        let tagged = Counters { added_bytes: 8, ..one };
        let [plain, tagged] = [one, tagged].map(|rx| PortCounters { directions: [rx, Counters::default()] });
        let ports = ports([(key(80, 0), &plain), (key(80, 2), &tagged), (key(81, 0), &plain)].into_iter());
        let amount = |wire_bytes: u64, packets: u64| Amount {
            frames: Some(Frames { wire_bytes, packets, ip_bytes: 86 * packets, skb_bytes: 100 * packets }),
            skb_ip_bytes: 86 * packets,
            skbs: packets,
        };
        let both = |rx| PerDirection { rx, tx: Amount::default() };
        let expected = [(port(key(80, 0)), both(amount(208, 2))), (port(key(81, 0)), both(amount(100, 1)))];
        assert_eq!(ports, expected.into_iter().collect());
    }
}
