//! Marks in the port table for the ports that containers serve.

use std::collections::BTreeSet;

use dtraf_common::abi::PortCounters;
use dtraf_common::key::ServedKey;

use super::error::EbpfError;
use super::table::{Put, Table};
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

/// Says which ports a container serves, up to `most` of them.
pub(super) fn mark_served(
    table: &mut Table<PortCounters>,
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
pub(super) fn unmark_served(
    table: &mut Table<PortCounters>,
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
