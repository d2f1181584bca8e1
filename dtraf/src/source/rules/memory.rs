//! What this process remembers of the counters, so that their sum never goes down.
//!
//! Rules can be taken away, counters set to zero, and iptables-legacy may show a counter too low for a moment while somebody
//! edits rules. The first two are gaps that are told; the last is none. All that was counted before stands.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::IpAddr;

use super::{Counted, CounterKey, Matched, Tally, sums};
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
    /// By the key of a rule for everything: what no port's rule has counted, as far as that is certain.
    rests: BTreeMap<CounterKey, Tally>,
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

    /// Time of the last reading.
    pub(crate) fn read_at(&self) -> Option<Timestamp> {
        self.read_at
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
        let before = self.whole();
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
        self.settle(&before);
        set_back
    }

    /// Goes on from what was booked when an earlier process ended, of which this one may have seen more already. What is lower
    /// now was set back in between.
    pub(crate) fn resume(&mut self, booked: &BTreeMap<CounterKey, Tally>) {
        let ports = ports(booked);
        for (key, tally) in booked {
            let mut was_set_back = false;
            match self.sums.entry(*key) {
                Entry::Vacant(place) => {
                    place.insert(Remembered { seen: *tally, ..Remembered::default() });
                }
                Entry::Occupied(mut place) => {
                    let remembered = place.get_mut();
                    if remembered.seen.packets < tally.packets || remembered.seen.bytes < tally.bytes {
                        remembered.before = remembered.before + *tally;
                        was_set_back = true;
                    }
                }
            }
            if key.matched == Matched::All {
                let booked = tally.less(&ports.get(key).copied().unwrap_or_default());
                let rest = self.rests.entry(*key).or_default();
                *rest = if was_set_back { *rest + booked } else { rest.most(&booked) };
            }
        }
    }

    /// Takes all that was counted up to the last reading for booked, and says what that is.
    pub(crate) fn rebase(&mut self) -> BTreeMap<CounterKey, Tally> {
        let whole = self.whole();
        let ports = ports(&whole);
        for (key, tally) in whole.iter().filter(|(key, _)| key.matched == Matched::All) {
            let rest = tally.less(&ports.get(key).copied().unwrap_or_default());
            self.rests.insert(*key, rest);
        }
        whole
    }

    /// What counters said that had counted what is booked, for the next process: it books what is above.
    pub(crate) fn booked(&self) -> impl Iterator<Item = (CounterKey, Tally)> {
        let (whole, amounts) = (self.whole(), self.amounts());
        self.sums.iter().map(move |(key, remembered)| {
            let unbooked = whole[key].less(&amounts[key]);
            (*key, remembered.seen.less(&unbooked))
        })
    }

    /// Forgets containers that have no counters, unless they are known otherwise.
    pub(crate) fn forget_absent(&mut self, is_known: impl Fn(&ContainerId) -> bool) {
        let counted: BTreeSet<_> = self.counted.iter().map(|counter| counter.key.container).collect();
        let stays = |key: &CounterKey| counted.contains(&key.container) || is_known(&key.container);
        self.sums.retain(|key, _| stays(key));
        self.rests.retain(|key, _| stays(key));
    }

    /// What is to be booked for each key. Where ports are counted, too, a total is what is certain of it after two readings.
    pub(crate) fn amounts(&self) -> BTreeMap<CounterKey, Tally> {
        let mut amounts = self.whole();
        for (key, ports) in ports(&amounts) {
            if let Some(total) = amounts.get_mut(&key) {
                *total = ports + self.rests.get(&key).copied().unwrap_or_default();
            }
        }
        amounts
    }

    /// All that the counters of each key were seen to have counted.
    fn whole(&self) -> BTreeMap<CounterKey, Tally> {
        self.sums.iter().map(|(key, remembered)| (*key, remembered.before + remembered.seen)).collect()
    }

    /// Counters are read one after another while packets pass: one may be in the total of a reading and in its port only in
    /// the next. What the total was before the ports were read is without any such packet, and so is never taken back.
    ///
    /// A port that is lower than it was says nothing: what it has counted since, it may yet be believed to have.
    fn settle(&mut self, before: &BTreeMap<CounterKey, Tally>) {
        let whole = self.whole();
        let ports = ports(&whole);
        let low: BTreeSet<CounterKey> =
            self.sums.iter().filter(|(_, it)| it.low != 0).map(|(key, _)| everything(*key)).collect();
        for (key, all) in whole.iter().filter(|(key, _)| key.matched == Matched::All && !low.contains(key)) {
            let certain = match ports.get(key) {
                Some(ports) => before.get(key).copied().unwrap_or_default().less(ports),
                None => *all,
            };
            let rest = self.rests.entry(*key).or_default();
            *rest = rest.most(&certain);
        }
    }

    /// Forgets a container whose counters were removed.
    pub(crate) fn forget(&mut self, container: ContainerId) {
        self.counted.retain(|counter| counter.key.container != container);
        self.sums.retain(|key, _| key.container != container);
        self.rests.retain(|key, _| key.container != container);
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

/// The key of the rule for everything that a key's packets are a part of.
fn everything(key: CounterKey) -> CounterKey {
    CounterKey { matched: Matched::All, ..key }
}

/// What ports have together, by the key of the rule for everything.
fn ports(amounts: &BTreeMap<CounterKey, Tally>) -> BTreeMap<CounterKey, Tally> {
    let mut ports = BTreeMap::<CounterKey, Tally>::new();
    for (key, tally) in amounts.iter().filter(|(key, _)| key.matched != Matched::All) {
        let sum = ports.entry(everything(*key)).or_default();
        *sum = *sum + *tally;
    }
    ports
}

/// Keeps the one that has counted most of copies, and of counters that count at the same address at the same time: each
/// has counted every packet.
fn once(counted: Vec<Counted>) -> Vec<Counted> {
    let copies = most_of_each(counted, place);
    let (live, retired): (Vec<_>, Vec<_>) =
        copies.into_iter().partition(|counter| counter.life == Life::Live);
    let mut counted = most_of_each(live, |counter| (counter.key, counter.address));
    counted.extend(retired);
    counted.sort_by_key(place);
    counted
}

fn most_of_each<K: Ord>(counted: Vec<Counted>, key: impl Fn(&Counted) -> K) -> Vec<Counted> {
    let mut most = BTreeMap::<K, Counted>::new();
    for counter in counted {
        match most.entry(key(&counter)) {
            Entry::Vacant(place) => drop(place.insert(counter)),
            Entry::Occupied(mut place) if place.get().tally.bytes < counter.tally.bytes => {
                place.insert(counter);
            }
            Entry::Occupied(_) => {}
        }
    }
    most.into_values().collect()
}

/// Retired or not, a counter for an address stands once. One that takes over from another begins later.
fn place(counter: &Counted) -> (CounterKey, IpAddr, Timestamp) {
    (counter.key, counter.address, counter.since)
}

#[cfg(test)]
mod tests;
