//! What slots have counted, summed over CPUs, as the programs count it.

use std::mem::offset_of;
use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use dtraf_common::abi::{Counters, Direction, PortCounters, SlotTotals};
use dtraf_common::key::PortKey;

use super::places::Places;
use super::sums::PerCpu;
use crate::accounting::identity::Slot;
use crate::source::ebpf::mapped::Mapped;
use crate::source::ebpf::maps::Maps;

const WORD: usize = size_of::<u64>();
const SCOPE_WORDS: usize = offset_of!(SlotTotals, buckets) / WORD;
const BUCKET_WORDS: usize = size_of::<SlotTotals>() / WORD - SCOPE_WORDS;

/// The words of [`PortCounters`].
type PortWords = [u64; size_of::<PortCounters>() / WORD];
/// The words of [`SlotTotals`].
type TotalWords = [u64; SCOPE_WORDS + BUCKET_WORDS];

/// What was read of some slots.
///
/// Ports are read first, then buckets, then scopes: a program adds to a scope before it adds to a port or a bucket, so that
/// these never have more than scopes have.
#[derive(Debug)]
pub(super) struct Counts {
    ports: Vec<PortWords>,
    totals: Vec<TotalWords>,
}

/// What was read of one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotCounts<'a> {
    keys: &'a [PortKey],
    ports: &'a [PortWords],
    totals: &'a TotalWords,
}

impl Counts {
    /// What stands at all places, by number, and then the totals of `slots`.
    pub(super) fn of_all(maps: &Maps, places: &Places, slots: &[Slot]) -> Self {
        let mut ports = vec![[0; _]; places.keys().len()];
        sum_ports(maps, places.ascending(), |nth, sums| ports[places.number(nth)] = *sums);
        fence(Ordering::Acquire);
        Self { ports, totals: totals(maps, slots) }
    }

    /// What stands at a slot's places, and then its totals.
    pub(super) fn of_one(maps: &Maps, places: &Places, slot: Slot) -> Self {
        let positions = &places.positions()[places.of(slot)];
        let mut ports = Vec::with_capacity(positions.len());
        sum_ports(maps, positions, |_, sums| ports.push(*sums));
        fence(Ordering::Acquire);
        Self { ports, totals: totals(maps, &[slot]) }
    }

    /// Of the slot that was the `nth`, whose `keys` stand at the places that were read as those numbers.
    pub(super) fn slot<'a>(
        &'a self,
        nth: usize,
        numbers: Range<usize>,
        keys: &'a [PortKey],
    ) -> SlotCounts<'a> {
        SlotCounts { keys, ports: &self.ports[numbers], totals: &self.totals[nth] }
    }
}

/// The totals of a slot alone.
pub(super) fn slot_totals(maps: &Maps, slot: Slot) -> SlotTotals {
    zerocopy::transmute!(totals(maps, &[slot])[0])
}

fn sum_ports(maps: &Maps, positions: &[u32], give: impl FnMut(usize, &PortWords)) {
    let (size, counters) = (maps.ports.size, &maps.ports.counters);
    let add = |index, sum: &mut PortWords| counters.add(index, 0, sum);
    PerCpu { cpus: size.cpus, stride: size.positions() }.sum_each(
        positions,
        |index| counters.prefetch(index),
        add,
        give,
    );
}

fn totals(maps: &Maps, slots: &[Slot]) -> Vec<TotalWords> {
    let per_cpu = PerCpu { cpus: maps.geometry.cpus, stride: maps.geometry.slots };
    let places: Vec<u32> = slots.iter().map(|slot| slot.0.into()).collect();
    let mut totals = Vec::with_capacity(places.len());
    let add = |index, sum: &mut TotalWords| add_totals(&maps.totals, index, sum);
    per_cpu.sum_each(&places, |index| maps.totals.prefetch(index), add, |_, sums| totals.push(*sums));
    totals
}

/// One CPU's buckets first, and then its scopes.
fn add_totals(mapped: &Mapped<SlotTotals>, index: usize, sum: &mut TotalWords) {
    let (scopes, buckets) = sum.split_first_chunk_mut::<SCOPE_WORDS>().expect("scopes are a part");
    let buckets: &mut [u64; BUCKET_WORDS] = buckets.try_into().expect("buckets are the other part");
    mapped.add(index, SCOPE_WORDS, buckets);
    fence(Ordering::Acquire);
    mapped.add(index, 0, scopes);
}

impl SlotCounts<'_> {
    /// In the order of their ports.
    pub(super) fn ports(&self) -> impl ExactSizeIterator<Item = (PortKey, &PortCounters)> {
        self.keys.iter().zip(self.ports).map(|(key, words)| (*key, zerocopy::transmute_ref!(words)))
    }

    pub(super) fn totals(&self) -> &SlotTotals {
        zerocopy::transmute_ref!(self.totals)
    }

    /// Ports and buckets together are what scopes are together: nothing was counted while they were read.
    pub(super) fn is_balanced(&self) -> bool {
        let totals = self.totals();
        let mut parts = [Counters::default(); 2];
        for (_, counters) in self.ports() {
            for direction in Direction::ALL {
                add(&mut parts[direction as usize], counters.directions[direction as usize]);
            }
        }
        Direction::ALL.into_iter().map(|direction| direction as usize).all(|direction| {
            let mut parts = parts[direction];
            totals.buckets[direction].iter().for_each(|bucket| add(&mut parts, bucket.counters));
            let mut all = Counters::default();
            totals.scopes[direction].iter().for_each(|scope| add(&mut all, scope.counters));
            on_the_wire(parts) == on_the_wire(all) && parts.skbs == all.skbs
        })
    }
}

fn add(sum: &mut Counters, counters: Counters) {
    let Counters { skb_bytes, skbs, added_bytes, added_packets } = counters;
    sum.skb_bytes = sum.skb_bytes.wrapping_add(skb_bytes);
    sum.skbs = sum.skbs.wrapping_add(skbs);
    sum.added_bytes = sum.added_bytes.wrapping_add(added_bytes);
    sum.added_packets = sum.added_packets.wrapping_add(added_packets);
}

/// Bytes and packets.
fn on_the_wire(counters: Counters) -> (u64, u64) {
    (
        counters.skb_bytes.wrapping_add(counters.added_bytes),
        counters.skbs.wrapping_add(counters.added_packets),
    )
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi::{Bucket, Family, Role, Scope, TaggedCounters};
    use zerocopy::FromZeros as _;

    use super::*;

    const KEY: PortKey = PortKey {
        slot: 1,
        family: Family::V4,
        protocol: 6,
        role: Role::Server,
        scope: Scope::Lan,
        port: 80,
        vlan_tags: 0,
    };

    fn is_balanced(ports: &[PortWords], totals: &SlotTotals) -> bool {
        let counts = Counts { ports: ports.to_vec(), totals: vec![zerocopy::transmute!(*totals)] };
        counts.slot(0, 0..ports.len(), &vec![KEY; ports.len()]).is_balanced()
    }

    fn tagged(skb_bytes: u64, skbs: u64) -> TaggedCounters {
        TaggedCounters { counters: Counters { skb_bytes, skbs, ..Counters::default() }, vlan_bytes: 0 }
    }

    #[test]
    fn books_balance_where_ports_and_buckets_are_the_scopes() {
        let ports = [[100, 1, 0, 0, 0, 0, 0, 0], [50, 1, 0, 0, 70, 1, 0, 0]];
        let mut totals = SlotTotals::new_zeroed();
        totals.scopes[0][Scope::Lan as usize] = tagged(150, 2);
        totals.scopes[0][Scope::Other as usize] = tagged(42, 1);
        totals.buckets[0][Bucket::L2 as usize] = tagged(42, 1);
        totals.scopes[1][Scope::Lan as usize] = tagged(70, 1);
        assert!(is_balanced(&ports, &totals));
        assert!(!is_balanced(&ports[1..], &totals), "a port is missing");
        let segments = [[100, 1, 54, 1, 0, 0, 0, 0], ports[1]];
        assert!(!is_balanced(&segments, &totals), "a port has a segment that no scope has");
        totals.scopes[1][Scope::Internet as usize] = tagged(60, 1);
        assert!(!is_balanced(&ports, &totals), "a scope has a packet that no port has");
    }
}
