//! Marks in the port table for the ports that containers serve.

use std::collections::{BTreeMap, BTreeSet};

use dtraf_common::abi::Role;
use dtraf_common::key::{DirectoryKey, ServedKey};

use super::error::EbpfError;
use super::load::Counting;
use super::table::{Overheads, Put, Table};
use crate::accounting::identity::Slot;
use crate::accounting::inventory::PortNumber;

/// What came of [`mark_served`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Those that are marked now.
    pub(super) ports: BTreeSet<PortNumber>,
    /// How many of them were not before.
    pub(super) added: u32,
}

/// Ports that are marked, by slot, and how many skbs each has counted as a served one.
pub(crate) type Marks = BTreeMap<Slot, BTreeMap<PortNumber, u64>>;

impl Counting {
    /// All marks: those that user space has put, and those that containers have earned by answering.
    pub(crate) fn marks(&self) -> Marks {
        let mut marks = Marks::new();
        let mut counted = BTreeMap::<(u16, u8, u16), u64>::new();
        for (key, at) in self.maps.ports.keys() {
            match DirectoryKey::try_from(key) {
                Ok(DirectoryKey::Served(ServedKey { slot, protocol, port })) => {
                    marks.entry(Slot(slot)).or_default().insert(PortNumber { protocol, port }, 0);
                }
                Ok(DirectoryKey::Port(key)) if key.role == Role::Server => {
                    let sum = counted.entry((key.slot, key.protocol, key.port)).or_default();
                    *sum = sum.wrapping_add(self.skbs_at(at));
                }
                _ => {}
            }
        }
        for ((slot, protocol, port), skbs) in counted {
            let marked =
                marks.get_mut(&Slot(slot)).and_then(|ports| ports.get_mut(&PortNumber { protocol, port }));
            if let Some(sum) = marked {
                *sum = skbs;
            }
        }
        marks
    }
}

/// Says which ports a container serves, up to `most` of them.
pub(super) fn mark_served<V, O: Overheads>(
    table: &mut Table<V, O>,
    slot: Slot,
    ports: &BTreeSet<PortNumber>,
    most: usize,
) -> Marked {
    let mut marked = Marked::default();
    for port in ports.iter().take(most) {
        match table.put(key(slot, *port)) {
            Put::Added => marked.added += 1,
            Put::There => {}
            Put::NoRoom => continue,
        }
        marked.ports.insert(*port);
    }
    marked
}

/// Takes marks away that user space had put. Returns how many were there.
pub(super) fn unmark_served<V, O: Overheads>(
    table: &mut Table<V, O>,
    slot: Slot,
    ports: &BTreeSet<PortNumber>,
) -> Result<u32, EbpfError> {
    let mut freed = 0;
    for port in ports {
        if let Some(at) = table.find(key(slot, *port)) {
            table.free(at)?;
            freed += 1;
        }
    }
    Ok(freed)
}

fn key(slot: Slot, port: PortNumber) -> u64 {
    ServedKey { slot: slot.0, protocol: port.protocol, port: port.port }.pack()
}
