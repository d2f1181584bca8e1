//! A batch of the ledger, from the books to the disk.

use std::path::Path;
use std::time::Duration;

use super::Books;
use crate::accounting::history::journal::{Batch, Journal};
use crate::accounting::identity::Timestamp;
use crate::clock;
use crate::store::{Calendar, Epoch, Retention, Store};
use crate::zone;

/// The books of containers that are all active, and the ledger that they go to.
#[derive(Debug)]
pub struct Flush {
    books: Books,
    journal: Journal,
    store: Store,
    ports: u16,
    times: u64,
}

/// What is to be written.
#[derive(Debug)]
pub struct Made(Batch);

impl Flush {
    /// Opens a ledger, or makes it.
    pub fn open(path: &Path, containers: u16, ports: u16) -> anyhow::Result<Self> {
        let store = Store::open(path, Epoch::maps("bench", 1), zone::host(), Retention::default())?;
        let mut journal = Journal::default();
        journal.resume(store.resume()?);
        Ok(Self { books: Books::of(containers, ports), journal, store, ports, times: 1 })
    }

    /// Every counter has grown.
    pub fn grow(&mut self) {
        self.times += 1;
        self.books.grow(self.ports, self.times);
    }

    /// Makes the batch of what has come since the last one, as of so long from now.
    pub fn make(&mut self, after: Duration) -> Made {
        let at = Timestamp(clock::now().0 + after);
        let batch = self.journal.batch(self.books.ledger.open(), &self.books.inventory, Vec::new(), at);
        Made(batch.expect("every counter has grown"))
    }

    /// Writes it. It is on the disk when this returns.
    pub fn write(&mut self, made: &Made) -> anyhow::Result<()> {
        let sequence = self.store.write(&made.0, Calendar::Trusted)?;
        Ok(self.journal.settle(sequence)?)
    }
}
