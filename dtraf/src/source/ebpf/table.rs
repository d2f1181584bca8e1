//! User space's side of the port table: entries it puts in, and entries it takes out.

use std::collections::BTreeSet;

use dtraf_common::abi::{TOMBSTONE, WAYS, maps};
use dtraf_common::key::{ServedKey, first_set, position, second_set, slot_of};

use super::error::EbpfError;
use super::mapped::load;
use super::maps::Maps;
use crate::accounting::identity::Slot;
use crate::accounting::inventory::PortNumber;

/// `BPF_NOEXIST` of `include/uapi/linux/bpf.h`.
const NO_EXIST: u64 = 1;

/// What came of [`mark_served`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// Those that are marked now.
    pub(super) ports: BTreeSet<PortNumber>,
    /// How many of them were not before.
    pub(super) added: u32,
}

/// Says which ports a container serves, up to `most` of them.
pub(super) fn mark_served(maps: &mut Maps, slot: Slot, ports: &BTreeSet<PortNumber>, most: usize) -> Marked {
    let mut marked = Marked::default();
    for port in ports.iter().take(most) {
        let key = ServedKey { slot: slot.0, protocol: port.protocol, port: port.port }.pack();
        match put(maps, key) {
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
    maps: &mut Maps,
    slot: Slot,
    ports: &BTreeSet<PortNumber>,
) -> Result<u32, EbpfError> {
    let mut freed = 0;
    for port in ports {
        let key = ServedKey { slot: slot.0, protocol: port.protocol, port: port.port }.pack();
        if let Some(position) = search(maps, |there| there == key, key) {
            free(maps, position)?;
            freed += 1;
        }
    }
    Ok(freed)
}

/// Frees every entry of a slot. No program may be counting for it any more.
pub(super) fn free_slot(maps: &mut Maps, slot: Slot) -> Result<(), EbpfError> {
    for set in 0..maps.geometry.sets {
        for way in 0..WAYS {
            let key = key_at(maps, set, way);
            if key > TOMBSTONE && slot_of(key) == slot.0 {
                free(maps, position(set, way))?;
            }
        }
    }
    Ok(())
}

/// Completes what a process that was killed had begun to free: positions that are claimed, but stand for no key.
pub(super) fn free_abandoned(maps: &mut Maps) -> Result<(), EbpfError> {
    let claimed: Vec<u32> = maps
        .claims
        .keys()
        .collect::<Result<_, _>>()
        .map_err(|source| EbpfError::Map { map: maps::CLAIMS, source })?;
    let abandoned: Vec<u32> = claimed
        .into_iter()
        .filter(|at| *at < maps.geometry.positions() && key_at(maps, at / WAYS, at % WAYS) <= TOMBSTONE)
        .collect();
    if abandoned.is_empty() {
        return Ok(());
    }
    // A program that has claimed a position and not yet written its key is done now.
    super::read::wait_for_programs()?;
    for at in abandoned {
        if key_at(maps, at / WAYS, at % WAYS) <= TOMBSTONE {
            free(maps, at)?;
        }
    }
    Ok(())
}

enum Put {
    Added,
    There,
    NoRoom,
}

/// Puts a key into the table, unless it is there. Claims its position first, as the programs do.
fn put(maps: &mut Maps, key: u64) -> Put {
    if search(maps, |there| there == key, key).is_some() {
        return Put::There;
    }
    // Each failed claim means that a program has just taken the position.
    for _ in 0..WAYS {
        let Some(at) = search(maps, |there| there <= TOMBSTONE, key) else { return Put::NoRoom };
        if maps.claims.insert(at, key, NO_EXIST).is_ok() {
            maps.directory.store((at / WAYS) as usize, (at % WAYS) as usize, key);
            return Put::Added;
        }
    }
    Put::NoRoom
}

/// The first position of a key's sets that holds what is wanted.
fn search(maps: &Maps, wanted: impl Fn(u64) -> bool, key: u64) -> Option<u32> {
    let (seed, sets) = (maps.geometry.seed, maps.geometry.sets);
    [first_set(key, seed, sets), second_set(key, seed, sets)]
        .into_iter()
        .flat_map(|set| (0..WAYS).map(move |way| (set, way)))
        .find_map(|(set, way)| wanted(key_at(maps, set, way)).then(|| position(set, way)))
}

/// In this order: nobody finds the key, nobody sees old counts under a new key, anybody may claim the position.
fn free(maps: &mut Maps, at: u32) -> Result<(), EbpfError> {
    maps.directory.store((at / WAYS) as usize, (at % WAYS) as usize, TOMBSTONE);
    for cpu in 0..maps.geometry.cpus {
        maps.counters.clear((cpu * maps.geometry.positions() + at) as usize);
    }
    match maps.claims.remove(&at) {
        Ok(()) | Err(aya::maps::MapError::KeyNotFound) => Ok(()),
        Err(aya::maps::MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        Err(source) => Err(EbpfError::Map { map: maps::CLAIMS, source }),
    }
}

pub(super) fn key_at(maps: &Maps, set: u32, way: u32) -> u64 {
    load(&maps.directory.words(set as usize)[way as usize])
}
