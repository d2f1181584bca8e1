//! A reading of real maps.

use std::path::Path;

use super::Books;
use crate::accounting::attribution::AttributedSnapshot;
use crate::accounting::snapshot::Snapshot;
use crate::clock;
use crate::source::ebpf::{Limits, PEER_ENTRIES, PinDirectory, Staged};

/// Maps with counts in them, and the books that readings go into.
#[derive(Debug)]
pub struct Reading {
    staged: Staged,
    books: Books,
}

/// What was read and not yet attributed.
#[derive(Debug)]
pub struct Taken(Snapshot);

/// What was attributed and not yet booked.
#[derive(Debug)]
pub struct Owned(AttributedSnapshot);

impl Reading {
    /// Makes the maps below a BPF file system. `cpus` are the host's own when it is `None`.
    pub fn stage(
        bpffs: &Path,
        cpus: Option<u32>,
        port_entries: u32,
        containers: u16,
        ports: u16,
    ) -> anyhow::Result<Self> {
        let limits = Limits {
            interfaces: 1024,
            port_entries,
            ports_per_interface: ports.into(),
            peer_entries: PEER_ENTRIES,
        };
        let staged = Staged::new(&PinDirectory::new(bpffs)?, cpus, limits, containers, ports)?;
        Ok(Self { staged, books: Books::of(containers, 0) })
    }

    /// How many counters of ports there are.
    pub fn counters(&self) -> u32 {
        self.staged.counters()
    }

    /// Reads all of them.
    pub fn take(&self) -> Taken {
        Taken(self.staged.snapshot(clock::now()))
    }

    /// Says whose they are.
    pub fn attribute(&self, taken: Taken) -> Owned {
        Owned(self.books.attributed(taken.0))
    }

    /// Books them. Gives how many ports' counters were in it.
    pub fn book(&mut self, owned: Owned) -> usize {
        let ports = owned.0.meters.iter().map(|attributed| attributed.reading.ports.len()).sum();
        let posted = self.books.ledger.post(owned.0);
        assert_eq!(posted.refused, [], "counters only grow");
        ports
    }
}
