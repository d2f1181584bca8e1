//! What this process remembers of the counters, so that their sum never goes down.
//!
//! Rules can be taken away, counters set to zero, and iptables-legacy may show a counter too low for a moment while somebody
//! edits rules. The first two are gaps that are told; the last is none. All that was counted before stands.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::IpAddr;

use super::{Counted, CounterKey, Tally, sums};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::{ContainerName, Life};

/// After so many readings in a row a low counter is believed.
const PATIENCE: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last reading.
    counted: Vec<Counted>,
    read_at: Option<Timestamp>,
    sums: BTreeMap<CounterKey, Remembered>,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    /// The most that its counters were seen to have since they were last set back.
    seen: Tally,
    /// What they had had before that.
    before: Tally,
    /// How many readings in a row have been lower.
    low: u32,
}

/// Counters of a container that were gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) container: ContainerName,
    pub(crate) addresses: BTreeSet<IpAddr>,
    pub(crate) counters: usize,
    /// When they were last seen: what came since may not have been counted.
    pub(crate) last_seen: Timestamp,
}

/// A counter that somebody has set back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetBack {
    pub(crate) key: CounterKey,
    pub(crate) name: String,
    pub(crate) from: Tally,
    pub(crate) to: Tally,
}

impl Memory {
    /// The counters that were there at the last reading and are not in `counted`.
    pub(crate) fn missing(&self, counted: &[Counted]) -> Vec<Missing> {
        let there: BTreeSet<_> = counted.iter().map(place).collect();
        let mut missing = BTreeMap::<ContainerId, Missing>::new();
        for gone in self.counted.iter().filter(|counter| !there.contains(&place(counter))) {
            let container = ContainerName { id: gone.key.container, name: gone.name.clone() };
            let entry = missing.entry(container.id).or_insert_with(|| Missing {
                container,
                addresses: BTreeSet::new(),
                counters: 0,
                last_seen: self.read_at.unwrap_or_default(),
            });
            entry.counters += 1;
            if gone.life == Life::Live {
                entry.addresses.insert(gone.address);
            }
        }
        missing.into_values().collect()
    }

    /// The last reading.
    pub(crate) fn counted(&self) -> &[Counted] {
        &self.counted
    }

    /// Takes a reading. Counters that somebody has taken away count as they were last seen: they are still to be put back.
    /// Returns those that were set back: what they had had before stands.
    pub(crate) fn take(&mut self, counted: Vec<Counted>, now: Timestamp) -> Vec<SetBack> {
        let there: BTreeSet<_> = counted.iter().map(place).collect();
        let gone = self.counted.iter().filter(|counter| !there.contains(&place(counter))).cloned();
        let all = counted.into_iter().chain(gone.collect::<Vec<_>>());
        self.learn(all.collect(), now)
    }

    /// Takes a reading after dtraf has changed what stands. Counters may have gone to another address, and with them what
    /// they had counted; only those that have gone altogether are still to be put back.
    pub(crate) fn take_changed(&mut self, counted: Vec<Counted>, now: Timestamp) -> Vec<SetBack> {
        let there: BTreeSet<_> = counted.iter().map(|counter| counter.key).collect();
        let gone = self.counted.iter().filter(|counter| !there.contains(&counter.key)).cloned();
        let all = counted.into_iter().chain(gone.collect::<Vec<_>>());
        self.learn(all.collect(), now)
    }

    fn learn(&mut self, counted: Vec<Counted>, now: Timestamp) -> Vec<SetBack> {
        let counted = once(counted);
        let mut set_back = Vec::new();
        for (key, tally) in sums(&counted) {
            let remembered = self.sums.entry(key).or_default();
            if let Some(from) = remembered.take(tally) {
                let name = counted.iter().find(|counter| counter.key == key);
                let name = name.map(|counter| counter.name.clone()).unwrap_or_default();
                set_back.push(SetBack { key, name, from, to: tally });
            }
        }
        self.counted = counted;
        self.read_at = Some(now);
        set_back
    }

    /// Goes on from what an earlier process had seen, of which this one may have seen more already. What is lower now was set
    /// back in between.
    pub(crate) fn resume(&mut self, saved: &BTreeMap<CounterKey, Tally>) {
        for (key, seen) in saved {
            match self.sums.entry(*key) {
                Entry::Vacant(place) => {
                    place.insert(Remembered { seen: *seen, ..Remembered::default() });
                }
                Entry::Occupied(mut place) => {
                    let remembered = place.get_mut();
                    if remembered.seen.packets < seen.packets || remembered.seen.bytes < seen.bytes {
                        remembered.before = remembered.before + *seen;
                    }
                }
            }
        }
    }

    /// What the counters of each key were last seen to have.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (CounterKey, Tally)> {
        self.sums.iter().map(|(key, remembered)| (*key, remembered.seen))
    }

    /// Forgets containers that have no counters, unless they are known otherwise.
    pub(crate) fn forget_absent(&mut self, is_known: impl Fn(&ContainerId) -> bool) {
        let counted: BTreeSet<_> = self.counted.iter().map(|counter| counter.key.container).collect();
        self.sums.retain(|key, _| counted.contains(&key.container) || is_known(&key.container));
    }

    /// What is to be booked for each key.
    pub(crate) fn amounts(&self) -> BTreeMap<CounterKey, Tally> {
        self.sums.iter().map(|(key, remembered)| (*key, remembered.before + remembered.seen)).collect()
    }

    /// Forgets a container whose counters were removed.
    pub(crate) fn forget(&mut self, container: ContainerId) {
        self.counted.retain(|counter| counter.key.container != container);
        self.sums.retain(|key, _| key.container != container);
    }
}

impl Remembered {
    /// Returns what was there when that is to be believed to be gone.
    fn take(&mut self, tally: Tally) -> Option<Tally> {
        if tally.packets >= self.seen.packets && tally.bytes >= self.seen.bytes {
            (self.seen, self.low) = (tally, 0);
            return None;
        }
        self.low += 1;
        if self.low < PATIENCE {
            return None;
        }
        let from = self.seen;
        *self = Self { seen: tally, before: self.before + from, low: 0 };
        Some(from)
    }
}

/// One that stands twice has counted every packet twice: the one that has counted longer counts.
fn once(counted: Vec<Counted>) -> Vec<Counted> {
    let mut places = BTreeMap::<_, Counted>::new();
    for counter in counted {
        match places.entry(place(&counter)) {
            Entry::Vacant(place) => drop(place.insert(counter)),
            Entry::Occupied(mut place) if place.get().tally.bytes < counter.tally.bytes => {
                place.insert(counter);
            }
            Entry::Occupied(_) => {}
        }
    }
    places.into_values().collect()
}

/// Retired or not, a counter for an address stands once.
fn place(counter: &Counted) -> (CounterKey, IpAddr) {
    (counter.key, counter.address)
}

#[cfg(test)]
mod tests;
