//! Entries of the port table that are folded into the one that a container's other remote ports share.
//!
//! A container that talks to very many ports would use up its quota for good. What an idle entry has counted is added to what
//! the shared one stands for, and its position is free again. No byte is lost or counted twice, whenever the process ends:
//!
//! 1. The key of the idle entry is written so that programs do not find it ([`folding`]). Its counters are read as before.
//! 2. Once every program that may have found it has ended, its counters stand still.
//! 3. They are added to the shared position's [`Folded`], together with the number of the position that they come from. That
//!    is one update of one value of a map: both are there or neither. From here on readers pass over the position.
//! 4. The position is cleared and freed, and its number taken out of the [`Folded`].
//!
//! A process that starts goes on with whatever step was not reached.

use std::collections::BTreeMap;

use dtraf_common::abi::{Counters, Folded, MeterRecord, SlotState, TOMBSTONE, maps};
use dtraf_common::key::{client_port, folding, shared, slot_of, unfolded};

use super::error::EbpfError;
use super::load::Counting;
use super::mapped::load;
use super::maps::Maps;
use super::plain::Plain;
use super::read::wait_for_programs;
use super::table::Put;
use crate::accounting::identity::Slot;

/// Entries that are folded at a time, at most: each keeps others waiting for a few system calls.
const FOLDED_TOGETHER: usize = 256;

/// Skbs that client entries had counted when they were last looked at, by packed key.
#[derive(Debug, Default)]
pub(crate) struct ClientActivity(BTreeMap<u64, u64>);

impl Maps {
    /// What was folded into which position.
    pub(super) fn folded(&self) -> BTreeMap<u32, Folded> {
        self.folded.iter().filter_map(Result::ok).map(|(at, Plain(folded))| (at, folded)).collect()
    }

    fn set_folded(&mut self, at: u32, folded: Folded) -> Result<(), EbpfError> {
        self.folded
            .insert(at, Plain(folded), 0)
            .map_err(|source| EbpfError::Map { map: maps::FOLDED, source })
    }
}

impl Counting {
    /// Folds client entries that have counted nothing since the last call, of interfaces that use half of their quota or more.
    /// Returns how many.
    pub(crate) fn fold_idle(&mut self, last: &mut ClientActivity) -> Result<usize, EbpfError> {
        let crowded = self.crowded_slots()?;
        if crowded.is_empty() {
            last.0.clear();
            return Ok(0);
        }
        let mut now = BTreeMap::new();
        let mut idle = Vec::new();
        for (key, at) in self.maps.ports.keys() {
            if client_port(key).is_none() || unfolded(key).is_some() || !crowded.contains(&Slot(slot_of(key)))
            {
                continue;
            }
            let skbs = self.skbs_at(at);
            if last.0.get(&key) == Some(&skbs) && idle.len() < FOLDED_TOGETHER {
                idle.push((key, at));
            } else {
                now.insert(key, skbs);
            }
        }
        last.0 = now;
        self.fold(&idle)?;
        Ok(idle.len())
    }

    /// Goes on where a process before was killed.
    pub(super) fn complete_folding(&mut self) -> Result<(), EbpfError> {
        for (into, folded) in self.maps.folded() {
            self.finish(into, folded)?;
        }
        let begun: Vec<_> =
            self.maps.ports.keys().filter_map(|(key, at)| Some((unfolded(key)?, at))).collect();
        if begun.is_empty() {
            return Ok(());
        }
        wait_for_programs()?;
        begun.into_iter().try_for_each(|(key, at)| self.move_amounts(key, at))
    }

    /// Forgets what was folded into entries of a slot, which is cleared.
    pub(super) fn forget_folded(&mut self, slot: Slot) -> Result<(), EbpfError> {
        for (at, _) in self.maps.folded() {
            let key = self.maps.ports.key_at(at);
            if key <= TOMBSTONE || slot_of(key) == slot.0 {
                self.remove_folded(at)?;
            }
        }
        Ok(())
    }

    /// Slots of interfaces that are there, and own half of what they may own or more.
    fn crowded_slots(&self) -> Result<Vec<Slot>, EbpfError> {
        let mut crowded = Vec::new();
        for (slot, record) in self.meters.iter() {
            let SlotState { quota, entries } = self.maps.ports.state(slot)?;
            if record.state == MeterRecord::STATE_LIVE && quota != 0 && entries >= quota / 2 {
                crowded.push(slot);
            }
        }
        Ok(crowded)
    }

    /// Skbs counted at a position, in both directions.
    pub(super) fn skbs_at(&self, at: u32) -> u64 {
        const SKBS: usize = std::mem::offset_of!(Counters, skbs) / size_of::<u64>();
        const DIRECTION: usize = size_of::<Counters>() / size_of::<u64>();
        let skbs = |index: u32| {
            let words = self.maps.ports.counters.words(index as usize);
            load(&words[SKBS]).wrapping_add(load(&words[DIRECTION + SKBS]))
        };
        self.maps.ports.values(at).map(skbs).fold(0, u64::wrapping_add)
    }

    fn fold(&mut self, idle: &[(u64, u32)]) -> Result<(), EbpfError> {
        if idle.is_empty() {
            return Ok(());
        }
        for (key, at) in idle {
            self.maps.ports.write_key(*at, folding(*key));
        }
        wait_for_programs()?;
        idle.iter().try_for_each(|(key, at)| self.move_amounts(*key, *at))
    }

    /// Adds what stands at a position, where nothing is counted any more, to what the shared entry stands for.
    fn move_amounts(&mut self, key: u64, at: u32) -> Result<(), EbpfError> {
        let slot = Slot(slot_of(key));
        let shared = shared(key);
        let state = self.maps.ports.state(slot)?;
        match self.maps.ports.put(shared) {
            Put::Added => {
                self.maps.ports.set_state(slot, SlotState { entries: state.entries + 1, ..state })?;
            }
            Put::There => {}
            Put::NoRoom => {
                // The entry goes on as it was.
                self.maps.ports.write_key(at, key);
                return Ok(());
            }
        }
        let Some(into) = self.maps.ports.find(shared) else { return Ok(()) };
        let mut folded = match self.maps.folded.get(&into, 0) {
            Ok(Plain(folded)) => folded,
            Err(_) => Folded::default(),
        };
        for index in self.maps.ports.values(at) {
            add(&mut folded, &self.maps, index as usize);
        }
        folded.unfinished = at + 1;
        self.maps.set_folded(into, folded)?;
        self.finish(into, folded)
    }

    /// Frees the position whose amounts were folded last.
    fn finish(&mut self, into: u32, folded: Folded) -> Result<(), EbpfError> {
        let Some(at) = folded.unfinished.checked_sub(1) else { return Ok(()) };
        let key = self.maps.ports.key_at(at);
        if unfolded(key).is_some() {
            let slot = Slot(slot_of(key));
            self.maps.ports.free(at)?;
            let state = self.maps.ports.state(slot)?;
            let entries = state.entries.saturating_sub(1);
            self.maps.ports.set_state(slot, SlotState { entries, ..state })?;
        }
        self.maps.set_folded(into, Folded { unfinished: 0, ..folded })
    }

    fn remove_folded(&mut self, at: u32) -> Result<(), EbpfError> {
        self.maps.folded.remove(&at).map_err(|source| EbpfError::Map { map: maps::FOLDED, source })
    }
}

/// Adds one CPU's counters of a position.
fn add(folded: &mut Folded, maps: &Maps, index: usize) {
    let mut counters: [u64; 8] = zerocopy::transmute!(folded.counters);
    maps.ports.counters.add(index, 0, &mut counters);
    folded.counters = zerocopy::transmute!(counters);
    let mut overheads: [u64; 4] = zerocopy::transmute!(folded.overheads);
    maps.ports.overheads.add(index, 0, &mut overheads);
    folded.overheads = zerocopy::transmute!(overheads);
}
