//! Where each slot's port counters stand: the directory, by slot and in the order of the ports.

use std::collections::BTreeMap;
use std::ops::Range;

use dtraf_common::abi::Folded;
use dtraf_common::key::{DirectoryKey, PortKey};

use crate::accounting::identity::Slot;

/// All places as they were when the directory was looked through. They are numbered by slot, and then as
/// [`Port`](crate::accounting::snapshot::Port) orders ports.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Of each place, by number.
    keys: Vec<PortKey>,
    positions: Vec<u32>,
    /// The number of each slot's first place, and at the end how many there are.
    starts: Vec<usize>,
    /// All positions, ascending, and the number of the place at each.
    ascending: Vec<u32>,
    numbers: Vec<usize>,
    /// By number: amounts of places that are no more.
    folded: BTreeMap<usize, Folded>,
}

impl Places {
    /// Takes packed keys and their positions, which ascend, and what was folded into which of these. What is no port's, or of
    /// a slot that cannot be, or in another place's folded amounts already, has no place.
    pub(super) fn new(
        keys: impl Iterator<Item = (u64, u32)>,
        slots: u32,
        mut folded: BTreeMap<u32, Folded>,
    ) -> Self {
        let unfinished: Vec<u32> = folded.values().map(|folded| folded.unfinished).collect();
        let place = |(key, at): (u64, u32)| match DirectoryKey::try_from(key) {
            _ if unfinished.contains(&(at + 1)) => None,
            Ok(DirectoryKey::Port(key)) if u32::from(key.slot) < slots => Some((key, at)),
            _ => None,
        };
        let (found, ascending): (Vec<PortKey>, Vec<u32>) = keys.filter_map(place).unzip();
        // There are few slots, and each has few places to be sorted among themselves.
        let starts = starts(&found, slots);
        let mut next = starts.clone();
        let mut sorted = vec![(0, 0); found.len()];
        for (nth, key) in found.iter().enumerate() {
            let number = &mut next[usize::from(key.slot)];
            sorted[*number] = (rank(*key), nth);
            *number += 1;
        }
        for bounds in starts.windows(2) {
            sorted[bounds[0]..bounds[1]].sort_unstable();
        }
        let mut numbers = vec![0; found.len()];
        for (number, (_, nth)) in sorted.iter().enumerate() {
            numbers[*nth] = number;
        }
        let keys = sorted.iter().map(|(_, nth)| found[*nth]).collect();
        let positions = sorted.iter().map(|(_, nth)| ascending[*nth]).collect();
        let numbered = ascending.iter().zip(&numbers);
        let folded = if folded.is_empty() {
            BTreeMap::new()
        } else {
            numbered.filter_map(|(at, number)| Some((*number, folded.remove(at)?))).collect()
        };
        Self { keys, positions, starts, ascending, numbers, folded }
    }

    /// The numbers of a slot's places.
    pub(super) fn of(&self, slot: Slot) -> Range<usize> {
        let slot = usize::from(slot.0);
        let bounds = self.starts.get(slot).zip(self.starts.get(slot + 1));
        bounds.map_or(0..0, |(start, end)| *start..*end)
    }

    /// What was folded into places with these numbers.
    pub(super) fn folded(&self, numbers: Range<usize>) -> impl Iterator<Item = (usize, &Folded)> {
        self.folded.range(numbers).map(|(number, folded)| (*number, folded))
    }

    /// By number. The same key stands at two places while one of them is folded.
    pub(super) fn keys(&self) -> &[PortKey] {
        &self.keys
    }

    /// By number.
    pub(super) fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// All positions in the order of memory.
    pub(super) fn ascending(&self) -> &[u32] {
        &self.ascending
    }

    /// The number of the place that is the `nth` in memory.
    pub(super) fn number(&self, nth: usize) -> usize {
        self.numbers[nth]
    }
}

/// Where each slot's places begin when they are sorted by slot, and where the last one's end.
fn starts(keys: &[PortKey], slots: u32) -> Vec<usize> {
    let mut starts = vec![0; slots as usize + 1];
    for key in keys {
        starts[usize::from(key.slot) + 1] += 1;
    }
    let mut end = 0;
    for start in &mut starts {
        end += *start;
        *start = end;
    }
    starts
}

/// Orders a slot's keys as ports are ordered.
fn rank(key: PortKey) -> u32 {
    u32::from(key.protocol) << 24
        | u32::from(key.port) << 8
        | (key.role as u32) << 4
        | (key.family as u32) << 3
        | key.scope as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dtraf_common::abi::{Family, Role, Scope};
    use dtraf_common::key::ServedKey;
    use proptest::prelude::*;

    use super::*;
    use crate::source::ebpf::read::amounts::port;

    fn keys() -> impl Strategy<Value = PortKey> {
        let parts = (0u16..6, 0u8..2, any::<u8>(), 0u8..4, 0u8..6, any::<u16>());
        parts.prop_map(|(slot, family, protocol, role, scope, port)| PortKey {
            slot,
            family: Family::try_from(family).unwrap(),
            protocol,
            role: Role::try_from(role).unwrap(),
            scope: Scope::try_from(scope).unwrap(),
            port,
        })
    }

    proptest! {
        #[test]
        fn each_slot_has_its_own_places_in_the_order_of_ports(keys in proptest::collection::vec(keys(), 0..200)) {
            const SLOTS: u32 = 5;
            let marks = (0..SLOTS).map(|slot| ServedKey { slot: u16::try_from(slot).unwrap(), protocol: 6, port: 80 }.pack());
            let packed = marks.chain(keys.iter().map(|key| key.pack())).zip(7..);
            let places = Places::new(packed.clone(), SLOTS, BTreeMap::new());
            let at: BTreeMap<u32, u64> = packed.map(|(key, at)| (at, key)).collect();
            let mut found = 0;
            for slot in (0..SLOTS).map(|slot| u16::try_from(slot).unwrap()) {
                let numbers = places.of(Slot(slot));
                prop_assert_eq!(numbers.start, found);
                found = numbers.end;
                let keys = &places.keys()[numbers.clone()];
                prop_assert!(keys.iter().zip(&places.positions()[numbers]).all(|(key, position)| key.slot == slot && at[position] == key.pack()));
                prop_assert!(keys.is_sorted_by_key(|key| port(*key)));
            }
            prop_assert_eq!(found, keys.iter().filter(|key| u32::from(key.slot) < SLOTS).count());
            prop_assert!(places.of(Slot(5)).is_empty());
            prop_assert!(places.ascending().is_sorted());
            let numbered: Vec<u32> = (0..found).map(|nth| places.positions()[places.number(nth)]).collect();
            prop_assert_eq!(&numbered, places.ascending());
        }
    }
}
