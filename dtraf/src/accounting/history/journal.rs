//! What was counted and is not yet on disk.
//!
//! Knows for each meter the reading up to which its counts are on disk, and makes from later ones the batch that is to be
//! written next. A batch holds the differences together with the readings that they end at; it counts as written only when
//! the store says so. A batch whose fate is unknown is asked for by its number before the next one is made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::account::AccountKey;
use super::details::KnownContainers;
use super::key::{Key, amounts};
use crate::accounting::amount::{Amount, Delta, PerDirection};
use crate::accounting::attribution::Owner;
use crate::accounting::bill::label::TermLabel;
use crate::accounting::card::CardReading;
use crate::accounting::folding::refold;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::Inventory;
use crate::accounting::ledger::{Entry, Holder};
use crate::accounting::snapshot::{Meter, MeterId, MeterReading, Shortfall};
use dtraf_common::abi::Direction;

/// A reading, by key.
pub(crate) type Cursor = BTreeMap<Key, PerDirection<Amount>>;

/// A counter that is not a meter's alone, as it was last read; the reader's business. See [`Batch::raw`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawCounter {
    pub(crate) place: String,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Number of a batch. Batches follow one another without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(pub(crate) u64);

/// From where on is booked what counters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Start {
    /// From the readings that are on disk; from nothing where there is none.
    #[default]
    Cursors,
    /// From what they say next: nobody knows any more what was booked of that. Nothing of it is, so that nothing is twice.
    NextReading,
}

/// What is on disk of the counters that count now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resumed {
    pub(crate) sequence: Sequence,
    pub(crate) start: Start,
    pub(crate) cursors: BTreeMap<MeterId, Cursor>,
    /// The last [`Batch::raw`] that was written, and whether that was in the epoch that counts now.
    pub(crate) raw: Vec<RawCounter>,
    pub(crate) raw_is_current: bool,
}

/// What is to be written at once, or not at all.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) sequence: Sequence,
    pub(crate) at: Timestamp,
    /// Containers of which something is new.
    pub(crate) containers: Vec<Described>,
    /// Containers that are no more, and when they were removed.
    pub(crate) gone: Vec<(ContainerId, Timestamp)>,
    /// Containers that are not named here are no more, either.
    pub(crate) complete: bool,
    pub(crate) meters: Vec<Posting>,
    /// Readings of counters that meters are worked out from, where those can be set back and a meter cannot.
    pub(crate) raw: Vec<RawCounter>,
    /// What network cards say when it is written.
    pub(crate) cards: Vec<CardReading>,
}

/// What was counted at one meter.
#[derive(Clone, Debug)]
pub(crate) struct Posting {
    pub(crate) meter: Meter,
    pub(crate) holder: Holder,
    /// No later reading will come.
    pub(crate) ended: bool,
    pub(crate) counts: Vec<Count>,
}

/// What was counted under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) key: Key,
    pub(crate) added: PerDirection<Delta>,
    /// What the counters said when that had been added.
    pub(crate) counted: PerDirection<Amount>,
}

/// What is to be remembered of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
    pub(crate) key: AccountKey,
    /// When it was first heard of.
    pub(crate) since: Timestamp,
    /// `None` when only its name is known.
    pub(crate) circumstances: Option<Circumstances>,
}

/// What Docker says of a container and may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Circumstances {
    pub(crate) image: String,
    pub(crate) project: Option<String>,
    pub(crate) addresses: Vec<AddressPeriod>,
    /// What it says its account is billed, and may use.
    pub(crate) labels: Vec<(TermLabel, String)>,
}

/// Address of a container on a network, and the time in which it was seen with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressPeriod {
    pub(crate) network: String,
    pub(crate) address: String,
    pub(crate) since: Timestamp,
    /// `None` while the container has it.
    pub(crate) until: Option<Timestamp>,
}

/// Time after its removal in which a container without amounts may still be found to own an interface.
const IDENTIFICATION: Duration = Duration::from_mins(1);

/// What may change of a meter without a packet.
type Facts = (Holder, Option<PerDirection<Shortfall>>);

#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The last batch that is known to be on disk.
    written: Sequence,
    start: Start,
    /// What counters said is taken for booked, and not on disk as such yet.
    rebased: bool,
    booked: BTreeMap<MeterId, Cursor>,
    /// What else was written of each meter.
    facts: BTreeMap<MeterId, Facts>,
    described: BTreeMap<ContainerId, Described>,
    known: KnownContainers,
    /// Last readings of meters that are gone, until they are on disk.
    ended: BTreeMap<MeterId, (Holder, MeterReading)>,
    /// On the way to the disk.
    pending: Option<Batch>,
}

impl Journal {
    /// Goes on from what is on disk.
    pub(crate) fn resume(&mut self, resumed: Resumed) {
        (self.written, self.start, self.booked) = (resumed.sequence, resumed.start, resumed.cursors);
    }

    /// Returns what is known of containers, to be added to.
    pub(crate) fn known(&mut self) -> &mut KnownContainers {
        &mut self.known
    }

    /// The fate of a batch is not known yet.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// What has come since the last batch, which must be settled. `None` when nothing has.
    pub(crate) fn batch<'a>(
        &mut self,
        open: impl Iterator<Item = (MeterId, &'a Entry)>,
        inventory: &Inventory,
        raw: Vec<RawCounter>,
        at: Timestamp,
    ) -> Option<Batch> {
        let batch = self.draft(open, inventory, raw, at);
        if batch.is_nothing() {
            return None;
        }
        self.pending = Some(batch.clone());
        Some(batch)
    }

    /// The same, and one with nothing in it when nothing has come: it says that.
    pub(crate) fn any_batch<'a>(
        &mut self,
        open: impl Iterator<Item = (MeterId, &'a Entry)>,
        inventory: &Inventory,
        raw: Vec<RawCounter>,
        at: Timestamp,
    ) -> Batch {
        let batch = self.draft(open, inventory, raw, at);
        self.pending = Some(batch.clone());
        batch
    }

    fn draft<'a>(
        &mut self,
        open: impl Iterator<Item = (MeterId, &'a Entry)>,
        inventory: &Inventory,
        raw: Vec<RawCounter>,
        at: Timestamp,
    ) -> Batch {
        assert!(self.pending.is_none(), "a batch is settled before the next is made");
        let open: Vec<_> = open.collect();
        if self.start == Start::NextReading {
            self.rebase(&open);
        }
        let mut meters = Vec::new();
        for (id, (holder, reading)) in &self.ended {
            meters.push(self.posting(*id, *holder, reading, true));
        }
        self.known.list(&inventory.containers, at);
        let mut present: BTreeSet<_> = self.known.present().collect();
        present.extend(inventory.containers.keys());
        let mut containers = BTreeMap::new();
        for (id, entry) in open {
            if let Owner::Container(name) = &entry.owner {
                present.insert(name.id);
                containers.entry(name.id).or_insert_with(|| Described::named(name.id, &name.name, at));
            }
            meters.push(self.posting(id, Holder::from(&entry.owner), &entry.reading, false));
        }
        meters.retain(|posting| {
            let is_new = self.facts.get(&posting.meter.id) != Some(&facts(posting));
            posting.ended || is_new || !posting.counts.is_empty()
        });
        let posted: BTreeSet<_> = meters.iter().map(|posting| posting.holder).collect();
        let removed = self.known.removed().filter(|(id, has_addresses)| {
            !present.contains(id) && (*has_addresses || posted.contains(&Holder::Container(*id)))
        });
        let written = present.iter().copied().chain(removed.map(|(id, _)| id));
        containers.extend(written.filter_map(|id| Some((id, self.known.describe(id)?))));
        let ended = self.described.keys().chain(containers.keys()).filter(|id| !present.contains(id));
        let ended: BTreeSet<_> = ended.copied().collect();
        let gone = ended.into_iter().map(|id| (id, self.known.removed_at(id).unwrap_or(at))).collect();
        containers.retain(|id, described| self.described.get(id) != Some(described));
        Batch {
            sequence: Sequence(self.written.0 + 1),
            at,
            containers: containers.into_values().collect(),
            gone,
            complete: self.described.is_empty(),
            meters,
            raw,
            cards: Vec::new(),
        }
    }

    /// Takes what counters say for booked.
    fn rebase(&mut self, open: &[(MeterId, &Entry)]) {
        let ended = self.ended.iter().map(|(id, (_, reading))| (*id, reading));
        let readings = open.iter().map(|(id, entry)| (*id, &entry.reading)).chain(ended);
        self.booked = readings.map(|(id, reading)| (id, amounts(reading))).collect();
        (self.start, self.rebased) = (Start::Cursors, true);
    }

    fn posting(&self, id: MeterId, holder: Holder, reading: &MeterReading, ended: bool) -> Posting {
        let counted = amounts(reading);
        let booked = self.booked.get(&id);
        let refolded = booked.and_then(|booked| refold(booked, &counted));
        let booked = refolded.as_ref().map(|refolded| &refolded.earlier).or(booked);
        let folded = refolded.iter().flat_map(|refolded| &refolded.folded);
        let gone = folded.filter(|key| !counted.contains_key(key));
        let mut counts: Vec<_> = gone.copied().map(Count::folded).collect();
        for (key, counted) in counted {
            let before = booked.and_then(|cursor| cursor.get(&key)).copied().unwrap_or_default();
            let count = count(key, before, counted);
            if self.rebased || !count.is_nothing() || refolded.is_some() {
                counts.push(count);
            }
        }
        Posting { meter: reading.meter.clone(), holder, ended, counts }
    }

    /// Keeps the last reading of a meter that is gone from the kernel.
    pub(crate) fn end(&mut self, id: MeterId, entry: &Entry) {
        self.ended.insert(id, (Holder::from(&entry.owner), entry.reading.clone()));
    }

    /// Everything that the meter said in this reading is on disk.
    pub(crate) fn is_written(&self, reading: &MeterReading) -> bool {
        let booked = self.booked.get(&reading.meter.id);
        amounts(reading).iter().all(|(key, amounts)| {
            let on_disk = booked.and_then(|cursor| cursor.get(key)).copied().unwrap_or_default();
            on_disk == *amounts || *amounts == PerDirection::default()
        })
    }

    /// The store has answered: `on_disk` is the last batch there.
    pub(crate) fn settle(&mut self, on_disk: Sequence) -> Result<(), OutOfStep> {
        let pending = self.pending.take();
        match pending {
            Some(batch) if batch.sequence == on_disk => {
                self.apply(batch);
                Ok(())
            }
            _ if on_disk == self.written => Ok(()),
            _ => Err(OutOfStep { expected: self.written, found: on_disk }),
        }
    }

    fn apply(&mut self, batch: Batch) {
        (self.written, self.rebased) = (batch.sequence, false);
        for described in batch.containers {
            self.known.settle_addresses(&described);
            self.described.insert(described.id, described.without_ended_addresses());
        }
        for (id, _) in batch.gone {
            self.described.remove(&id);
            self.known.forget(id);
        }
        self.known.forget_idle(batch.at, IDENTIFICATION);
        for posting in batch.meters {
            let id = posting.meter.id;
            if posting.ended {
                self.booked.remove(&id);
                self.facts.remove(&id);
                self.ended.remove(&id);
                continue;
            }
            self.facts.insert(id, facts(&posting));
            let cursor = self.booked.entry(id).or_default();
            for count in posting.counts {
                if count.is_folded() {
                    cursor.remove(&count.key);
                } else {
                    cursor.insert(count.key, count.counted);
                }
            }
        }
    }
}

/// Somebody else has written to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger's last batch is number {}, and {} was the last of this process", found.0, expected.0)]
pub(crate) struct OutOfStep {
    expected: Sequence,
    found: Sequence,
}

fn facts(posting: &Posting) -> Facts {
    (posting.holder, posting.meter.shortfall)
}

/// What has come. Where a counter went down, which the books have refused and told, nothing is taken until
/// it is above what it was.
fn count(key: Key, before: PerDirection<Amount>, counted: PerDirection<Amount>) -> Count {
    let mut added = PerDirection::<Delta>::default();
    let mut until = before;
    for direction in Direction::ALL {
        let (earlier, later) = (before.get(direction), counted.get(direction));
        if let Ok(delta) = later.since(earlier) {
            *added.get_mut(direction) = delta;
            *until.get_mut(direction) = *later;
        }
    }
    Count { key, added, counted: until }
}

impl Batch {
    /// Nothing has come.
    fn is_nothing(&self) -> bool {
        self.meters.is_empty() && self.containers.is_empty() && self.gone.is_empty()
    }
}

impl Count {
    /// A port whose counter is no more: it was folded into another one, with what is booked of it.
    fn folded(key: Key) -> Self {
        Self { key, added: PerDirection::default(), counted: PerDirection::default() }
    }

    /// The key has no counter any more.
    pub(crate) fn is_folded(&self) -> bool {
        self.counted == PerDirection::default()
    }

    /// Nothing has come.
    pub(crate) fn is_nothing(&self) -> bool {
        Direction::ALL.iter().all(|direction| self.added.get(*direction).0.is_zero())
    }
}

impl Described {
    fn named(id: ContainerId, name: &str, at: Timestamp) -> Self {
        Self { id, name: name.to_owned(), key: AccountKey::of_name(name), since: at, circumstances: None }
    }

    pub(super) fn addresses(&self) -> &[AddressPeriod] {
        self.circumstances.as_ref().map_or(&[], |circumstances| &circumstances.addresses)
    }

    fn without_ended_addresses(mut self) -> Self {
        if let Some(circumstances) = &mut self.circumstances {
            circumstances.addresses.retain(|period| period.until.is_none());
        }
        self
    }
}

#[cfg(test)]
mod tests;
