//! Tables of counters that are found by a key: a directory of keys that all CPUs share, and counters for each CPU at a key's
//! position.
//!
//! A position belongs to the key that first stands in the claims for it; the kernel's own hash makes that decision atomic,
//! on every kernel and under `PREEMPT_RT`. The key is then written into the directory, which is what packets search: one
//! cache line that hardly ever changes. Nothing moves and nothing is evicted. User space frees positions by writing a
//! tombstone, never a 0, so that a 0 ends the search.

use core::arch::asm;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::maps::{Array, HashMap};
use dtraf_common::abi::{EPHEMERAL_PORTS, KeySet, SlotState, TOMBSTONE, WAYS};
use dtraf_common::key::{ServedKey, client_port, first_set, position, second_set, shared};

use crate::forget::Unknown;
use crate::maps::{
    CLAIMS, DIRECTORY, PEER_CLAIMS, PEER_DIRECTORY, PEER_SET_COUNT, PEER_SLOTS, SEED, SET_COUNT, SLOTS,
};

/// No position.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// The maps that a table is made of.
pub(crate) trait Table {
    /// What each slot may own.
    const SLOTS: &'static Array<SlotState>;
    const DIRECTORY: &'static Array<KeySet>;
    const CLAIMS: &'static HashMap<u32, u64>;

    /// Sets of keys in the directory.
    fn sets() -> u32;
}

/// By [`dtraf_common::key::PortKey`] and [`ServedKey`].
pub(crate) struct Ports;

/// By [`dtraf_common::key::PeerKey`].
pub(crate) struct Peers;

impl Table for Ports {
    const SLOTS: &'static Array<SlotState> = &SLOTS;
    const DIRECTORY: &'static Array<KeySet> = &DIRECTORY;
    const CLAIMS: &'static HashMap<u32, u64> = &CLAIMS;

    #[inline(always)]
    fn sets() -> u32 {
        SET_COUNT.load()
    }
}

impl Table for Peers {
    const SLOTS: &'static Array<SlotState> = &PEER_SLOTS;
    const DIRECTORY: &'static Array<KeySet> = &PEER_DIRECTORY;
    const CLAIMS: &'static HashMap<u32, u64> = &PEER_CLAIMS;

    #[inline(always)]
    fn sets() -> u32 {
        PEER_SET_COUNT.load()
    }
}

/// The position of a key, or [`NOWHERE`].
#[inline(always)]
pub(crate) fn find<T: Table>(key: u64, unknown: Unknown) -> u32 {
    let (seed, sets) = (SEED.load(), T::sets());
    let position = search::<T>(first_set(key, seed, sets), key).unwrap_or_else(|| {
        let second = search::<T>(second_set(key, seed, sets), key);
        second.unwrap_or(NOWHERE)
    });
    unknown.forget(u64::from(position)) as u32
}

/// The position of a key in one set; [`NOWHERE`] when the set has never been full, so that the key is in no other;
/// `None` when it may be in another.
#[inline(always)]
fn search<T: Table>(set: u32, key: u64) -> Option<u32> {
    let keys = T::DIRECTORY.get_ptr(set)?;
    for way in 0..WAYS {
        let there = key_at(keys, way);
        if there == key {
            return Some(position(set, way));
        }
        if there == 0 {
            return Some(NOWHERE);
        }
    }
    None
}

/// The first position where a new key may go, or [`NOWHERE`].
#[inline(always)]
fn first_free<T: Table>(key: u64) -> u32 {
    let (seed, sets) = (SEED.load(), T::sets());
    for set in [first_set(key, seed, sets), second_set(key, seed, sets)] {
        let Some(keys) = T::DIRECTORY.get_ptr(set) else { continue };
        for way in 0..WAYS {
            if key_at(keys, way) <= TOMBSTONE {
                return position(set, way);
            }
        }
    }
    NOWHERE
}

#[inline(always)]
fn key_at(set: *const KeySet, way: u32) -> u64 {
    // SAFETY: the caller's pointer is to a map's value, and `way` is less than `WAYS`.
    let key = unsafe { &raw const (*set).keys[way as usize] };
    // SAFETY: as above; other CPUs and user space write whole words.
    unsafe { key.read_volatile() }
}

/// Adds a key to the table. Returns its position, or [`OVER_QUOTA`], or [`LOST`]. `reserved` is the part of the slot's quota
/// that this key must leave free: the quota is shifted right by so many bits ([`OWN`] or [`UNINVITED`]).
///
/// Kept out of the fast path: it runs once for each key.
#[inline(never)]
pub(crate) fn claim<T: Table>(slot: u32, key: u64, unknown: Unknown, reserved: u32) -> u64 {
    let Some(state) = T::SLOTS.get_ptr_mut(slot) else { return LOST };
    // SAFETY: the map's value is valid for as long as the program runs; other CPUs and user space write whole words.
    let SlotState { quota, entries } = unsafe { state.read_volatile() };
    if entries >= quota - (quota >> reserved) {
        return OVER_QUOTA;
    }
    let free = unknown.forget(u64::from(first_free::<T>(key))) as u32;
    if free == NOWHERE {
        return LOST;
    }
    if T::CLAIMS.insert(free, key, u64::from(BPF_NOEXIST)).is_err() {
        // Another CPU was faster: with the same key, which is as good, or with another, and the next packet of ours will
        // find the next position.
        // SAFETY: the value is copied at once; it is written only when a position is freed.
        let owner = unsafe { T::CLAIMS.get(free) }.copied();
        return if owner == Some(key) { u64::from(free) } else { LOST };
    }
    let Some(set) = T::DIRECTORY.get_ptr_mut(free / WAYS) else { return LOST };
    // SAFETY: the map's value is valid for as long as the program runs, and the remainder is less than `WAYS`.
    let there = unsafe { &raw mut (*set).keys[(free % WAYS) as usize] };
    // SAFETY: as above; this CPU has just become the only one to write there.
    unsafe { there.write_volatile(key) };
    // SAFETY: as above.
    let count = unsafe { &raw mut (*state).entries };
    // SAFETY: as above. The target has no atomic operations in `core`; the instruction is as old as BPF itself.
    unsafe { asm!("lock *(u32 *)({count} + 0) += {one}", count = in(reg) count, one = in(reg) 1_u64) };
    u64::from(free)
}

/// Reserves nothing: for what the container sends.
pub(crate) const OWN: u32 = 31;
/// Reserves a quarter: for what others send to its served ports.
pub(crate) const UNINVITED: u32 = 2;

/// Finds a place for a packet whose key is not in the table, or makes one. Returns its position, or [`OVER_QUOTA`], or
/// [`LOST`]; [`REFUSED`] where the packet may not make an entry and no other one stands for it.
///
/// Remote ports that find no entry of their own are counted in one that they share ([`key::shared`]): new ones of the
/// ephemeral range when half of the quota is in use, and those whose own entries were folded into it.
///
/// Kept out of the fast path: it runs once for each key, and for what is refused.
#[inline(never)]
pub(crate) fn enter(slot: u32, key: u64, may_claim: bool, unknown: Unknown, reserved: u32) -> u64 {
    let Some(state) = SLOTS.get(slot) else { return LOST };
    let &SlotState { quota, entries } = state;
    let mut key = key;
    let mut refused = REFUSED;
    if let Some(port) = client_port(key) {
        let shared = shared(key);
        let is_crowded = entries >= quota / 2;
        if !may_claim || port >= EPHEMERAL_PORTS && is_crowded {
            let position = find::<Ports>(shared, unknown);
            if position != NOWHERE {
                return u64::from(position);
            }
            key = shared;
        }
        if quota != 0 && entries >= quota {
            refused = OVER_QUOTA;
        }
    }
    if may_claim { claim::<Ports>(slot, key, unknown, reserved) } else { refused }
}

/// The packet may not make an entry.
pub(crate) const REFUSED: u64 = 3 << 32;
/// The slot owns as many entries as it may.
pub(crate) const OVER_QUOTA: u64 = 1 << 32;
/// No room, or another CPU claimed the same position at the same time.
pub(crate) const LOST: u64 = 2 << 32;

/// Marks a port as served by the container behind `slot`. Where the mark finds no room the port stays unmarked.
#[inline(never)]
pub(crate) fn serve(slot: u32, protocol: u8, port: u16, unknown: Unknown) -> u64 {
    let key = ServedKey { slot: slot as u16, protocol, port }.pack();
    match find::<Ports>(key, unknown) {
        NOWHERE => claim::<Ports>(slot, key, unknown, OWN),
        position => u64::from(position),
    }
}
