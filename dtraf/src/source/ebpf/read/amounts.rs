//! What the programs count, in the words of the core.

use std::collections::BTreeMap;

use dtraf_common::abi::{Bucket, Direction, ETHERNET_BYTES, FrameCounters, Scope, SlotTotals};
use dtraf_common::key::PortKey;

use crate::accounting::amount::{Amount, Frames, PerDirection};
use crate::accounting::snapshot::{self, Port};
use crate::accounting::sorted::Sorted;

/// `counters` must be in the order of their keys' ports. A port may be there twice.
pub(super) fn ports(
    counters: impl ExactSizeIterator<Item = (PortKey, [FrameCounters; 2])>,
) -> Sorted<Port, PerDirection<Amount>> {
    let mut ports = Vec::<(Port, PerDirection<Amount>)>::with_capacity(counters.len());
    for (key, counters) in counters {
        let (port, amounts) =
            (port(key), PerDirection::from_fn(|direction| amount(counters[direction as usize])));
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
        let amount = amount(*counters);
        if !amount.is_zero() {
            scopes.insert(Some(scope), amount);
        }
    }
    scopes
}

/// Flooded frames, by the scope of their source address.
pub(super) fn flooded(totals: &SlotTotals) -> BTreeMap<Scope, Amount> {
    let amounts = Scope::ALL.into_iter().zip(totals.flooded.map(amount));
    amounts.filter(|(_, amount)| !amount.is_zero()).collect()
}

pub(super) fn buckets(totals: &SlotTotals, direction: Direction) -> BTreeMap<snapshot::Bucket, Amount> {
    let mut buckets = BTreeMap::new();
    for (bucket, counters) in Bucket::ALL.into_iter().zip(&totals.buckets[direction as usize]) {
        let amount = amount(*counters);
        if !amount.is_zero() {
            buckets.insert(snapshot::Bucket::Program(bucket), amount);
        }
    }
    buckets
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

/// Counters in every unit. Each unit is a sum of the counters' words, so that what adds up in one adds up in all.
pub(super) fn amount(FrameCounters { counters, overhead }: FrameCounters) -> Amount {
    let wire_bytes = counters.skb_bytes.wrapping_add(counters.added_bytes);
    let packets = counters.skbs + counters.added_packets;
    let ip_bytes = |bytes: u64, frames: u64, overhead: u64| {
        bytes.saturating_sub(frames * u64::from(ETHERNET_BYTES)).saturating_sub(overhead)
    };
    let frames = Frames {
        wire_bytes,
        packets,
        ip_bytes: ip_bytes(wire_bytes, packets, overhead.wire_bytes),
        skb_bytes: counters.skb_bytes,
    };
    Amount {
        frames: Some(frames),
        skb_ip_bytes: ip_bytes(counters.skb_bytes, counters.skbs, overhead.skb_bytes),
        skbs: counters.skbs,
    }
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi::{Counters, Family, Overhead, Role};
    use dtraf_common::packet::{Frame, Kind};
    use dtraf_common::wire::{SkbSize, measure};
    use proptest::prelude::*;

    use super::*;

    fn key(port: u16) -> PortKey {
        PortKey { slot: 1, family: Family::V4, protocol: 6, role: Role::Server, scope: Scope::Lan, port }
    }

    #[test]
    fn tags_and_padding_are_no_ip_bytes() {
        let counters = Counters { skb_bytes: 100, skbs: 1, added_bytes: 8, added_packets: 0 };
        let frames = FrameCounters { counters, overhead: Overhead { wire_bytes: 14, skb_bytes: 6 } };
        let expected = Frames { wire_bytes: 108, packets: 1, ip_bytes: 80, skb_bytes: 100 };
        assert_eq!(amount(frames), Amount { frames: Some(expected), skb_ip_bytes: 80, skbs: 1 });
    }

    #[test]
    fn a_port_at_two_places_is_one_port() {
        let counters = Counters { skb_bytes: 100, skbs: 1, ..Counters::default() };
        let frames = [FrameCounters { counters, ..FrameCounters::default() }, FrameCounters::default()];
        let ports = ports([(key(80), frames), (key(80), frames), (key(81), frames)].into_iter());
        let both = |rx| PerDirection { rx, tx: Amount::default() };
        let one = amount(frames[0]);
        assert_eq!(
            ports,
            [(port(key(80)), both(one + one)), (port(key(81)), both(one))].into_iter().collect()
        );
    }

    /// Adds a frame as the programs do.
    fn add(to: &mut FrameCounters, skb: SkbSize, frame: &Frame) {
        let size = measure(skb, frame, || false);
        to.counters.skb_bytes += size.skb_bytes;
        to.counters.skbs += 1;
        to.counters.added_bytes = to.counters.added_bytes.wrapping_add(size.added_bytes);
        to.counters.added_packets += size.added_packets;
        to.overhead.wire_bytes += size.wire_overhead;
        to.overhead.skb_bytes += size.skb_overhead;
    }

    fn frames() -> impl Strategy<Value = (SkbSize, Frame)> {
        let sizes = (60u32..70_000, 0u32..2, prop_oneof![Just(0u32), 1u32..2000], 0u32..50);
        let headers = (0u8..6, 0u32..3, 0u32..70_000, prop_oneof![Just(0u32), Just(40u32), Just(60u32)]);
        (sizes, headers).prop_map(
            |((bytes, metadata_tags, gso_size, gso_segs), (kind, vlan_tags, ip_bytes, header_bytes))| {
                let kind = Kind::try_from(kind).unwrap();
                let frame =
                    Frame { kind, protocol: 6, vlan_tags, ip_bytes, header_bytes, ..Frame::UNREADABLE };
                (SkbSize { bytes, metadata_tags, gso_size, gso_segs }, frame)
            },
        )
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_total_in_every_unit(frames in proptest::collection::vec((0usize..4, frames()), 1..50)) {
            let mut parts = [FrameCounters::default(); 4];
            let mut total = FrameCounters::default();
            for (part, (skb, frame)) in &frames {
                add(&mut parts[*part], *skb, frame);
                add(&mut total, *skb, frame);
            }
            let sum: Amount = parts.into_iter().map(amount).sum();
            prop_assert_eq!(sum, amount(total));
            let is_ip = |(_, (_, frame)): &(usize, (SkbSize, Frame))| frame.is_ip();
            if !frames.iter().any(is_ip) {
                prop_assert_eq!((sum.frames.unwrap().ip_bytes, sum.skb_ip_bytes), (0, 0));
            }
        }
    }
}
