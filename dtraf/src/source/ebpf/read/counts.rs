//! What slots have counted, summed over CPUs, as the programs count it.

use std::mem::offset_of;
use std::ops::Range;
use std::sync::atomic::{Ordering, fence};

use dtraf_common::abi::{
    Counters, Direction, FrameCounters, Overhead, PortCounters, PortOverheads, Scope, SlotTotals,
};
use dtraf_common::key::PortKey;

use super::places::Places;
use super::sums::PerCpu;
use crate::accounting::identity::Slot;
use crate::source::ebpf::mapped::Mapped;
use crate::source::ebpf::maps::Maps;

const WORD: usize = size_of::<u64>();
const SCOPE_WORDS: usize = offset_of!(SlotTotals, buckets) / WORD;
const OTHER_WORDS: usize = size_of::<SlotTotals>() / WORD - SCOPE_WORDS;

/// The words of [`PortCounters`].
type PortWords = [u64; size_of::<PortCounters>() / WORD];
/// The words of [`PortOverheads`].
type OverheadWords = [u64; size_of::<PortOverheads>() / WORD];
/// The words of [`SlotTotals`].
type TotalWords = [u64; SCOPE_WORDS + OTHER_WORDS];

/// Sums over CPUs of the counters of some slots.
///
/// Ports are read first, then buckets, then scopes: a program adds to a scope before it adds to a port or a bucket, so that
/// these never have more than scopes have. Overheads of ports are read last, and only for slots that have some.
#[derive(Debug)]
pub(super) struct Counts {
    ports: Vec<PortWords>,
    /// Empty where no slot has any.
    overheads: Vec<OverheadWords>,
    totals: Vec<TotalWords>,
}

/// The same of one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotCounts<'a> {
    keys: &'a [PortKey],
    ports: &'a [PortWords],
    overheads: &'a [OverheadWords],
    totals: &'a TotalWords,
}

impl Counts {
    /// The counters at all places, by number, and then the totals of `slots`.
    pub(super) fn of_all(maps: &Maps, places: &Places, slots: &[Slot]) -> Self {
        let mut ports = vec![[0; _]; places.keys().len()];
        sum_ports(maps, places.ascending(), |nth, sums| ports[places.number(nth)] = *sums);
        let mut counts = Self { ports, overheads: Vec::new(), totals: Vec::new() };
        counts.complete(maps, places, 0..places.keys().len(), slots);
        counts
    }

    /// The counters at a slot's places, and then its totals.
    pub(super) fn of_one(maps: &Maps, places: &Places, slot: Slot) -> Self {
        let numbers = places.of(slot);
        let mut ports = Vec::with_capacity(numbers.len());
        sum_ports(maps, &places.positions()[numbers.clone()], |_, sums| ports.push(*sums));
        let mut counts = Self { ports, overheads: Vec::new(), totals: Vec::new() };
        counts.complete(maps, places, numbers, &[slot]);
        counts
    }

    /// Reads what is read after the counters at places: totals, and the overheads of slots that have some. Adds what was folded.
    fn complete(&mut self, maps: &Maps, places: &Places, numbers: Range<usize>, slots: &[Slot]) {
        fence(Ordering::Acquire);
        self.totals = totals(maps, slots);
        fence(Ordering::Acquire);
        let first = numbers.start;
        for (slot, words) in slots.iter().zip(&self.totals) {
            if !has_overhead(zerocopy::transmute_ref!(words)) {
                continue;
            }
            self.overheads.resize(self.ports.len(), [0; _]);
            for number in places.of(*slot) {
                for index in maps.ports.values(places.positions()[number]) {
                    maps.ports.overheads.add(index as usize, 0, &mut self.overheads[number - first]);
                }
            }
        }
        for (number, folded) in places.folded(numbers) {
            add_words(&mut self.ports[number - first], zerocopy::transmute_ref!(&folded.counters));
            if let Some(overheads) = self.overheads.get_mut(number - first) {
                add_words(overheads, zerocopy::transmute_ref!(&folded.overheads));
            }
        }
    }

    /// The counters of the slot that was the `nth`, whose `keys` stand at the places that were read as those numbers.
    pub(super) fn slot<'a>(
        &'a self,
        nth: usize,
        numbers: Range<usize>,
        keys: &'a [PortKey],
    ) -> SlotCounts<'a> {
        let overheads = self.overheads.get(numbers.clone()).unwrap_or_default();
        SlotCounts { keys, ports: &self.ports[numbers], overheads, totals: &self.totals[nth] }
    }
}

/// Adds modulo 2^64.
fn add_words<const N: usize>(sums: &mut [u64; N], words: &[u64; N]) {
    for (sum, word) in sums.iter_mut().zip(words) {
        *sum = sum.wrapping_add(*word);
    }
}

/// Some IP packet of the slot had a tag or padding. What is not IP has no port.
fn has_overhead(totals: &SlotTotals) -> bool {
    let is_ip = |scope: &Scope| *scope != Scope::Other;
    let of_scope = |scope: Scope| totals.scopes.iter().map(move |direction| direction[scope as usize]);
    let mut frames = Scope::ALL.into_iter().filter(is_ip).flat_map(of_scope);
    frames.any(|frames| frames.overhead != Overhead::default())
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

/// One CPU's buckets and flooded frames first, and then its scopes.
fn add_totals(mapped: &Mapped<SlotTotals>, index: usize, sum: &mut TotalWords) {
    let (scopes, others) = sum.split_first_chunk_mut::<SCOPE_WORDS>().expect("scopes are a part");
    let others: &mut [u64; OTHER_WORDS] = others.try_into().expect("the others are the rest");
    mapped.add(index, SCOPE_WORDS, others);
    fence(Ordering::Acquire);
    mapped.add(index, 0, scopes);
}

impl SlotCounts<'_> {
    /// In the order of their ports, by direction.
    pub(super) fn ports(&self) -> impl ExactSizeIterator<Item = (PortKey, [FrameCounters; 2])> {
        self.keys.iter().zip(self.ports).enumerate().map(|(nth, (key, words))| {
            let counters: &PortCounters = zerocopy::transmute_ref!(words);
            let overheads: PortOverheads = self
                .overheads
                .get(nth)
                .map_or_else(PortOverheads::default, |words| zerocopy::transmute!(*words));
            let frames = |direction: usize| FrameCounters {
                counters: counters.directions[direction],
                overhead: overheads.directions[direction],
            };
            (*key, [frames(0), frames(1)])
        })
    }

    pub(super) fn totals(&self) -> &SlotTotals {
        zerocopy::transmute_ref!(self.totals)
    }

    /// Ports and buckets together are what scopes are together: nothing was counted while they were read.
    pub(super) fn is_balanced(&self) -> bool {
        let totals = self.totals();
        let mut parts = [FrameCounters::default(); 2];
        for (_, counters) in self.ports() {
            for direction in Direction::ALL {
                add(&mut parts[direction as usize], counters[direction as usize]);
            }
        }
        Direction::ALL.into_iter().map(|direction| direction as usize).all(|direction| {
            let mut parts = parts[direction];
            totals.buckets[direction].iter().for_each(|bucket| add(&mut parts, *bucket));
            let mut all = FrameCounters::default();
            totals.scopes[direction].iter().for_each(|scope| add(&mut all, *scope));
            on_the_wire(parts.counters) == on_the_wire(all.counters)
                && parts.counters.skbs == all.counters.skbs
                && parts.overhead == all.overhead
        })
    }
}

fn add(sum: &mut FrameCounters, FrameCounters { counters, overhead }: FrameCounters) {
    let Counters { skb_bytes, skbs, added_bytes, added_packets } = counters;
    sum.counters.skb_bytes = sum.counters.skb_bytes.wrapping_add(skb_bytes);
    sum.counters.skbs = sum.counters.skbs.wrapping_add(skbs);
    sum.counters.added_bytes = sum.counters.added_bytes.wrapping_add(added_bytes);
    sum.counters.added_packets = sum.counters.added_packets.wrapping_add(added_packets);
    sum.overhead.wire_bytes = sum.overhead.wire_bytes.wrapping_add(overhead.wire_bytes);
    sum.overhead.skb_bytes = sum.overhead.skb_bytes.wrapping_add(overhead.skb_bytes);
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
    use dtraf_common::abi::{Bucket, Family, Role};
    use zerocopy::FromZeros as _;

    use super::*;

    const KEY: PortKey =
        PortKey { slot: 1, family: Family::V4, protocol: 6, role: Role::Server, scope: Scope::Lan, port: 80 };

    fn is_balanced(ports: &[PortWords], totals: &SlotTotals) -> bool {
        let overheads = vec![[0; _]; ports.len()];
        let counts = Counts { ports: ports.to_vec(), overheads, totals: vec![zerocopy::transmute!(*totals)] };
        counts.slot(0, 0..ports.len(), &vec![KEY; ports.len()]).is_balanced()
    }

    fn frames(skb_bytes: u64, skbs: u64) -> FrameCounters {
        let counters = Counters { skb_bytes, skbs, ..Counters::default() };
        FrameCounters { counters, overhead: Overhead::default() }
    }

    #[test]
    fn books_balance_where_ports_and_buckets_are_the_scopes() {
        let ports = [[100, 1, 0, 0, 0, 0, 0, 0], [50, 1, 0, 0, 70, 1, 0, 0]];
        let mut totals = SlotTotals::new_zeroed();
        totals.scopes[0][Scope::Lan as usize] = frames(150, 2);
        totals.scopes[0][Scope::Other as usize] = frames(42, 1);
        totals.buckets[0][Bucket::L2 as usize] = frames(42, 1);
        totals.scopes[1][Scope::Lan as usize] = frames(70, 1);
        assert!(is_balanced(&ports, &totals));
        assert!(!is_balanced(&ports[1..], &totals), "a port is missing");
        let segments = [[100, 1, 54, 1, 0, 0, 0, 0], ports[1]];
        assert!(!is_balanced(&segments, &totals), "a port has a segment that no scope has");
        totals.scopes[1][Scope::Internet as usize] = frames(60, 1);
        assert!(!is_balanced(&ports, &totals), "a scope has a packet that no port has");
        totals.scopes[1][Scope::Internet as usize] = frames(0, 0);
        totals.scopes[0][Scope::Lan as usize].overhead.wire_bytes = 4;
        assert!(!is_balanced(&ports, &totals), "a scope has a tag that no port has");
    }
}
