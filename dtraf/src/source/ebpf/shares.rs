//! What each interface may have in the port table: marks for the ports that its container serves, and entries of its own.

use std::collections::BTreeSet;

use dtraf_common::abi::{MeterRecord, SlotState, maps};

use super::error::EbpfError;
use super::load::Counting;
use super::marks::{mark_served, unmark_served};
use super::meters::Meters;
use super::plain::Plain;
use super::table::{Overheads, Table};
use crate::accounting::identity::Slot;
use crate::accounting::inventory::PortNumber;
use crate::accounting::quota::quotas;

impl Counting {
    /// Slots are running short, or interfaces that are gone own a quarter of the port table.
    pub(crate) fn is_nearly_full(&self) -> bool {
        let retired = self.meters.iter().filter(|(_, record)| record.state == MeterRecord::STATE_RETIRED);
        let owned =
            retired.filter_map(|(slot, _)| self.maps.ports.state(slot).ok()).map(|state| state.entries);
        self.meters.iter().count() > self.maps.geometry.slots as usize / 4 * 3
            || owned.sum::<u32>() > self.maps.ports.size.positions() / 4
    }

    /// Changes what is known of a slot's served ports from `before` to `now`. Returns the ports that are marked: they take
    /// room in the table, and at most half of the slot's share.
    pub(crate) fn set_served(
        &mut self,
        slot: Slot,
        before: &BTreeSet<PortNumber>,
        now: &BTreeSet<PortNumber>,
    ) -> Result<BTreeSet<PortNumber>, EbpfError> {
        let freed = unmark_served(&mut self.maps.ports, slot, &before.difference(now).copied().collect())?;
        let marked = mark_served(&mut self.maps.ports, slot, now, self.ports_per_interface as usize / 2);
        if freed != 0 || marked.added != 0 {
            let state = self.maps.ports.state(slot)?;
            let entries = state.entries.saturating_sub(freed).saturating_add(marked.added);
            self.maps.ports.set_state(slot, SlotState { entries, ..state })?;
        }
        Ok(marked.ports)
    }

    /// Lets an interface have entries of its own. Until its served ports are marked, the packets of conversations that
    /// were there before would be taken for the container's own.
    pub(crate) fn open_table(&mut self, slot: Slot) -> Result<(), EbpfError> {
        if self.closed.remove(&slot) { self.share_table() } else { Ok(()) }
    }

    /// Interfaces that may not have entries yet.
    pub(crate) fn closed(&self) -> BTreeSet<Slot> {
        self.closed.clone()
    }

    /// Divides the tables among the interfaces that are there. Those that are gone keep what they own, and get no more.
    pub(crate) fn share_table(&mut self) -> Result<(), EbpfError> {
        let slots = self.maps.geometry.slots - 1;
        share(&mut self.maps.ports, &self.meters, slots, self.ports_per_interface, &self.closed)?;
        // No container has more peers than there are slots.
        share(&mut self.maps.peers, &self.meters, slots, slots, &BTreeSet::new())
    }

    /// Forgets which UDP ports were asked. A conversation that was under way before dtraf came may have begun with what looks
    /// like a question: without this, the container's side of it would be taken for answers for ever.
    pub(crate) fn forget_questions(&mut self) -> Result<(), EbpfError> {
        let slots: Vec<Slot> = self.meters.iter().map(|(slot, _)| slot).collect();
        slots.into_iter().try_for_each(|slot| self.forget_asked(slot))
    }

    /// Forgets the MAC addresses that a container has sent from.
    pub(super) fn forget_learned(&mut self, slot: Slot) -> Result<(), EbpfError> {
        self.maps
            .learned
            .set(u32::from(slot.0), Plain(zerocopy::FromZeros::new_zeroed()), 0)
            .map_err(|source| EbpfError::Map { map: maps::LEARNED, source })
    }

    pub(super) fn forget_asked(&mut self, slot: Slot) -> Result<(), EbpfError> {
        self.maps
            .asked
            .set(u32::from(slot.0), Plain(zerocopy::FromZeros::new_zeroed()), 0)
            .map_err(|source| EbpfError::Map { map: maps::ASKED, source })
    }
}

/// Each interface has up to `most` entries; those that are `closed` have none.
fn share<V, O: Overheads>(
    table: &mut Table<V, O>,
    meters: &Meters,
    slots: u32,
    most: u32,
    closed: &BTreeSet<Slot>,
) -> Result<(), EbpfError> {
    let (mut live, mut states, mut left) = (Vec::new(), Vec::new(), table.size.positions());
    for (slot, record) in meters.iter() {
        let state = table.state(slot)?;
        if record.state == MeterRecord::STATE_LIVE {
            live.push(slot);
            states.push(state);
        } else {
            left = left.saturating_sub(state.entries);
        }
    }
    let owned: Vec<u32> = states.iter().map(|state| state.entries).collect();
    let quotas = quotas(left, slots, most, &owned);
    for ((slot, state), quota) in live.into_iter().zip(states).zip(quotas) {
        let quota = if closed.contains(&slot) { 0 } else { quota };
        if state.quota != quota {
            // The programs may have added an entry since it was read: the count is then one short, and the quota one
            // wider.
            let entries = table.state(slot)?.entries;
            table.set_state(slot, SlotState { quota, entries })?;
        }
    }
    Ok(())
}
