//! What everything adds up to.
//!
//! Kept for each holder: the sum of the meters that are closed, and the latest reading of each that is not. So a total
//! never goes down because a container was restarted, reconnected or removed. In memory only. The ledger asks no one: who
//! holds a meter is decided before it is posted, and what it refuses to book it returns.

mod book;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry as Place};

pub(crate) use self::book::Book;
use super::amount::CounterReset;
use super::attribution::{Attributed, AttributedSnapshot, Owner, Reason};
use super::identity::{ContainerId, Generation, Slot, Timestamp};
use super::snapshot::{MeterId, MeterReading};

/// Who has a total: [`Owner`] without the names, which may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    Container(ContainerId),
    Unattributed(Reason),
}

impl From<&Owner> for Holder {
    fn from(owner: &Owner) -> Self {
        match owner {
            Owner::Container(container) => Self::Container(container.id),
            Owner::Unattributed(reason) => Self::Unattributed(*reason),
        }
    }
}

/// All totals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    open: BTreeMap<MeterId, Entry>,
    closed: BTreeMap<Holder, Closed>,
    /// The newest closed meter of each slot: what is not newer must not be booked again.
    freed: BTreeMap<Slot, Generation>,
    /// Containers whose rules were closed and may still be read.
    unruled: BTreeSet<ContainerId>,
}

/// A meter that may still count.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) owner: Owner,
    pub(crate) network: Option<String>,
    pub(crate) reading: MeterReading,
}

/// The sum of a holder's meters that will not count any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closed {
    /// The container's last known name.
    pub(crate) name: Option<String>,
    pub(crate) networks: BTreeSet<String>,
    pub(crate) book: Book,
    /// When the last of the meters was closed.
    until: Option<Timestamp>,
}

/// What a holder has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account<'a> {
    pub(crate) closed: Option<&'a Closed>,
    pub(crate) open: Vec<&'a Entry>,
}

/// What became of a snapshot, beside being booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) refused: Vec<(MeterId, Refusal)>,
    pub(crate) moved: Vec<Moved>,
}

/// Why a reading was not booked. What was booked of the meter before stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    CounterReset(#[from] CounterReset),
    #[error("the meter was closed before")]
    Closed,
}

/// A meter that changed hands with all its counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) meter: MeterId,
    pub(crate) from: Holder,
    pub(crate) to: Holder,
}

impl Ledger {
    /// Books every reading of a snapshot.
    pub(crate) fn post(&mut self, snapshot: AttributedSnapshot) -> Posted {
        let mut posted = Posted::default();
        let read: BTreeSet<_> =
            snapshot.meters.iter().map(|attributed| attributed.reading.meter.id).collect();
        self.unruled.retain(|container| read.contains(&MeterId::Rules(*container)));
        for attributed in snapshot.meters {
            self.post_meter(attributed, snapshot.taken_at, &mut posted);
        }
        posted
    }

    fn post_meter(&mut self, attributed: Attributed, taken_at: Timestamp, posted: &mut Posted) {
        let meter = attributed.reading.meter.id;
        if self.is_closed(meter) {
            return posted.refused.push((meter, Refusal::Closed));
        }
        self.close_older(meter, taken_at);
        let Attributed { reading, owner, network } = attributed;
        match self.open.entry(meter) {
            Place::Vacant(place) => {
                place.insert(Entry { owner, network, reading });
            }
            Place::Occupied(mut place) => {
                let entry = place.get_mut();
                posted.moved.extend(entry.hand_over(meter, owner));
                entry.network = network.or(entry.network.take());
                if let Err(refusal) = entry.advance(reading) {
                    posted.refused.push((meter, refusal.into()));
                }
            }
        }
    }

    fn is_closed(&self, meter: MeterId) -> bool {
        match meter {
            MeterId::Slot(slot, generation) => {
                self.freed.get(&slot).is_some_and(|freed| *freed >= generation)
            }
            MeterId::Rules(container) => self.unruled.contains(&container),
        }
    }

    /// A slot that is in use again was freed in between.
    fn close_older(&mut self, meter: MeterId, at: Timestamp) {
        let MeterId::Slot(slot, _) = meter else { return };
        let first = MeterId::Slot(slot, Generation(0));
        let older: Vec<_> = self.open.range(first..meter).map(|(older, _)| *older).collect();
        for older in older {
            self.close(older, at);
        }
    }

    /// Takes the last reading of a meter as final, once its slot was freed or its rules were removed.
    pub(crate) fn close(&mut self, meter: MeterId, at: Timestamp) {
        let Some(entry) = self.open.remove(&meter) else {
            return;
        };
        match meter {
            MeterId::Slot(slot, generation) => {
                let freed = self.freed.entry(slot).or_insert(generation);
                *freed = generation.max(*freed);
            }
            MeterId::Rules(container) => drop(self.unruled.insert(container)),
        }
        let closed = self.closed.entry(Holder::from(&entry.owner)).or_default();
        closed.book.add_reading(&entry.reading);
        closed.networks.extend(entry.network);
        closed.until = Some(at);
        if let Owner::Container(container) = entry.owner {
            closed.name = Some(container.name);
        }
    }

    /// Keeps only the `keep` latest of the containers that neither Docker nor an open meter knows any more; the others go
    /// into one sum, without ports, so that containers that come and go cannot fill the memory.
    pub(crate) fn forget_removed(&mut self, keep: usize, is_known: impl Fn(&ContainerId) -> bool) {
        let in_use: BTreeSet<_> = self.open.values().map(|entry| Holder::from(&entry.owner)).collect();
        let is_removed = |holder: &Holder| match holder {
            Holder::Container(id) => !is_known(id) && !in_use.contains(holder),
            Holder::Unattributed(_) => false,
        };
        let mut removed: Vec<_> = self.closed.iter().filter(|(holder, _)| is_removed(holder)).collect();
        if removed.len() <= keep {
            return;
        }
        removed.sort_by_key(|(_, closed)| closed.until);
        let forgotten: Vec<_> =
            removed.iter().take(removed.len() - keep).map(|(holder, _)| **holder).collect();
        let books: Vec<_> = forgotten.iter().filter_map(|holder| self.closed.remove(holder)).collect();
        let sum = &mut self.closed.entry(Holder::Unattributed(Reason::Forgotten)).or_default().book;
        for closed in books {
            sum.add(&Book { ports: BTreeMap::new(), ..closed.book });
        }
    }

    /// Everyone who has ever counted, with what they have.
    pub(crate) fn accounts(&self) -> BTreeMap<Holder, Account<'_>> {
        let mut accounts = BTreeMap::<Holder, Account<'_>>::new();
        for (holder, closed) in &self.closed {
            accounts.entry(*holder).or_default().closed = Some(closed);
        }
        for entry in self.open.values() {
            accounts.entry(Holder::from(&entry.owner)).or_default().open.push(entry);
        }
        accounts
    }

    /// A meter that is not closed.
    pub(crate) fn entry(&self, meter: MeterId) -> Option<&Entry> {
        self.open.get(&meter)
    }

    /// The meters that are not closed.
    pub(crate) fn open(&self) -> impl Iterator<Item = (MeterId, &Entry)> {
        self.open.iter().map(|(meter, entry)| (*meter, entry))
    }
}

impl Entry {
    /// Gives the meter to `owner`. Who has a meter does not lose it to nobody.
    fn hand_over(&mut self, meter: MeterId, owner: Owner) -> Option<Moved> {
        let (from, to) = (Holder::from(&self.owner), Holder::from(&owner));
        if matches!((from, to), (Holder::Container(_), Holder::Unattributed(_))) {
            return None;
        }
        self.owner = owner;
        (from != to).then_some(Moved { meter, from, to })
    }

    /// Takes a later reading, unless a counter in it went down.
    fn advance(&mut self, later: MeterReading) -> Result<(), CounterReset> {
        let checked = book::check_advance(&self.reading, &later);
        if checked.is_ok() {
            self.reading = later;
        } else {
            self.reading.meter = later.meter;
        }
        checked
    }
}

impl Account<'_> {
    /// The sum of all meters.
    pub(crate) fn book(&self) -> Book {
        let mut book = self.closed.map_or_else(Book::default, |closed| closed.book.clone());
        for entry in &self.open {
            book.add_reading(&entry.reading);
        }
        book
    }

    /// The container's last known name.
    pub(crate) fn name(&self) -> Option<&str> {
        let open = self.open.last().and_then(|entry| match &entry.owner {
            Owner::Container(container) => Some(container.name.as_str()),
            Owner::Unattributed(_) => None,
        });
        open.or_else(|| self.closed?.name.as_deref())
    }

    /// Names of the networks it was ever counted in.
    pub(crate) fn networks(&self) -> BTreeSet<&str> {
        let closed = self.closed.iter().flat_map(|closed| &closed.networks).map(String::as_str);
        closed.chain(self.open.iter().filter_map(|entry| entry.network.as_deref())).collect()
    }
}

#[cfg(test)]
mod tests;
