//! User space's side of a table of counters: entries it puts in, and entries it takes out.

use aya::maps::{Array, HashMap, MapData, MapError};
use dtraf_common::abi::{KeySet, PortOverheads, SlotState, TOMBSTONE, WAYS};
use dtraf_common::key::{first_set, position, second_set};

use super::error::EbpfError;
use super::mapped::{Mapped, load};
use super::plain::Plain;
use crate::accounting::identity::Slot;

/// `BPF_NOEXIST` of `include/uapi/linux/bpf.h`.
const NO_EXIST: u64 = 1;

/// A directory of keys, and for each CPU counters at a key's position.
pub(super) struct Table<V, O> {
    pub(super) size: Size,
    pub(super) names: Names,
    /// What each slot may own, and owns.
    pub(super) states: Array<MapData, Plain<SlotState>>,
    pub(super) directory: Mapped<KeySet>,
    pub(super) claims: HashMap<MapData, u32, u64>,
    pub(super) counters: Mapped<V>,
    /// The counters' overheads, where they are in a map of their own.
    pub(super) overheads: O,
}

/// Overheads of a table's counters.
pub(super) trait Overheads {
    /// Zeroes those at `index`, which the kernel must not be writing to.
    fn clear(&self, index: usize);
}

impl Overheads for Mapped<PortOverheads> {
    fn clear(&self, index: usize) {
        Self::clear(self, index);
    }
}

/// In the counters themselves.
impl Overheads for () {
    fn clear(&self, _index: usize) {}
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) sets: u32,
    pub(super) cpus: u32,
    pub(super) seed: u64,
}

/// Of the maps that a table is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    pub(super) states: &'static str,
    pub(super) directory: &'static str,
    pub(super) claims: &'static str,
    pub(super) counters: &'static str,
}

/// What became of a key that was to be put into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Added,
    There,
    NoRoom,
}

impl Size {
    /// Entries the directory can hold.
    pub(super) const fn positions(self) -> u32 {
        self.sets * WAYS
    }
}

impl<V, O: Overheads> Table<V, O> {
    /// The keys that are in the table, and where.
    pub(super) fn keys(&self) -> impl Iterator<Item = (u64, u32)> {
        let sets = (0..self.size.sets).map(|set| (set, self.directory.words(set as usize)));
        let all = sets.flat_map(|(set, keys)| {
            keys.iter().zip(0..WAYS).map(move |(key, way)| (load(key), position(set, way)))
        });
        all.filter(|(key, _)| *key > TOMBSTONE)
    }

    /// The indexes of a position's counters, one for each CPU.
    pub(super) fn values(&self, at: u32) -> impl Iterator<Item = u32> + use<V, O> {
        let (cpus, positions) = (self.size.cpus, self.size.positions());
        (0..cpus).map(move |cpu| cpu * positions + at)
    }

    pub(super) fn find(&self, key: u64) -> Option<u32> {
        self.search(key, |there| there == key)
    }

    /// Puts a key into the table, unless it is there. Claims its position first, as the programs do.
    pub(super) fn put(&mut self, key: u64) -> Put {
        if self.find(key).is_some() {
            return Put::There;
        }
        // Each failed claim means that a program has just taken the position.
        for _ in 0..WAYS {
            let Some(at) = self.search(key, |there| there <= TOMBSTONE) else { return Put::NoRoom };
            if self.claims.insert(at, key, NO_EXIST).is_ok() {
                self.write_key(at, key);
                return Put::Added;
            }
        }
        Put::NoRoom
    }

    /// Frees the entries whose keys are `unwanted`, and returns the keys. No program may be counting under them any more.
    pub(super) fn free_all(&mut self, unwanted: impl Fn(u64) -> bool) -> Result<Vec<u64>, EbpfError> {
        let found: Vec<_> = self.keys().filter(|(key, _)| unwanted(*key)).collect();
        found.iter().try_for_each(|(_, at)| self.free(*at))?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }

    /// Completes what a process that was killed had begun to free: positions that are claimed, but stand for no key.
    pub(super) fn free_abandoned(&mut self) -> Result<(), EbpfError> {
        let claimed: Vec<u32> =
            self.claims.keys().collect::<Result<_, _>>().map_err(|source| self.failed_claims(source))?;
        let is_abandoned =
            |table: &Self, at: u32| at < table.size.positions() && table.key_at(at) <= TOMBSTONE;
        let abandoned: Vec<u32> = claimed.into_iter().filter(|at| is_abandoned(self, *at)).collect();
        if abandoned.is_empty() {
            return Ok(());
        }
        // A program that has claimed a position and not yet written its key is done now.
        super::read::wait_for_programs()?;
        for at in abandoned {
            if is_abandoned(self, at) {
                self.free(at)?;
            }
        }
        Ok(())
    }

    /// In this order: nobody finds the key, nobody sees old counts under a new key, anybody may claim the position.
    pub(super) fn free(&mut self, at: u32) -> Result<(), EbpfError> {
        self.write_key(at, TOMBSTONE);
        for index in self.values(at) {
            self.counters.clear(index as usize);
            self.overheads.clear(index as usize);
        }
        match self.claims.remove(&at) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {
                Ok(())
            }
            Err(source) => Err(self.failed_claims(source)),
        }
    }

    pub(super) fn state(&self, slot: Slot) -> Result<SlotState, EbpfError> {
        let state = self.states.get(&u32::from(slot.0), 0);
        state.map(|Plain(state)| state).map_err(|source| EbpfError::Map { map: self.names.states, source })
    }

    pub(super) fn set_state(&mut self, slot: Slot, state: SlotState) -> Result<(), EbpfError> {
        self.states
            .set(u32::from(slot.0), Plain(state), 0)
            .map_err(|source| EbpfError::Map { map: self.names.states, source })
    }

    fn failed_claims(&self, source: MapError) -> EbpfError {
        EbpfError::Map { map: self.names.claims, source }
    }

    /// The first position of a key's sets that holds what is wanted.
    fn search(&self, key: u64, wanted: impl Fn(u64) -> bool) -> Option<u32> {
        let Size { seed, sets, .. } = self.size;
        [first_set(key, seed, sets), second_set(key, seed, sets)]
            .into_iter()
            .flat_map(|set| (0..WAYS).map(move |way| position(set, way)))
            .find(|at| wanted(self.key_at(*at)))
    }

    pub(super) fn key_at(&self, at: u32) -> u64 {
        load(&self.directory.words((at / WAYS) as usize)[(at % WAYS) as usize])
    }

    pub(super) fn write_key(&self, at: u32, key: u64) {
        self.directory.store((at / WAYS) as usize, (at % WAYS) as usize, key);
    }
}
