//! The record of a slot that user space keeps in the kernel.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Longest container name kept in a [`MeterRecord`], in bytes.
pub const NAME_BYTES: usize = 255;

/// What user space knows of a slot and must not forget when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MeterRecord {
    /// One of the `STATE_` constants.
    pub state: u32,
    pub ifindex: u32,
    /// Unique among all meters of these maps; grows.
    pub generation: u64,
    /// Nanoseconds since the Unix epoch.
    pub attached_at_ns: u64,
    /// What the interface had carried before, by [`Direction`]; an upper bound until settled.
    pub shortfall_bytes: [u64; 2],
    pub shortfall_packets: [u64; 2],
    /// The interface's own `tx_dropped` at attach.
    pub dropped_at_attach: u64,
    /// Not 0 where the shortfall is known exactly, by [`Direction`].
    pub shortfall_settled: [u8; 2],
    /// One of the `HOOK_` constants.
    pub hook: u8,
    /// Not 0 when the interface had no clsact qdisc before.
    pub made_clsact: u8,
    /// Not 0 when [`Self::container`] is known.
    pub container_known: u8,
    pub name_len: u8,
    pub reserved: [u8; 2],
    pub container: [u8; 32],
    pub interface: [u8; 16],
    pub name: [u8; NAME_BYTES],
    pub reserved_end: u8,
}
const _: () = assert!(size_of::<MeterRecord>() == 8 + 16 + 32 + 8 + 8 + 32 + 16 + 256);

impl MeterRecord {
    /// A slot that is not in use.
    pub const FREE: Self = Self {
        state: Self::STATE_FREE,
        ifindex: 0,
        generation: 0,
        attached_at_ns: 0,
        shortfall_bytes: [0; 2],
        shortfall_packets: [0; 2],
        dropped_at_attach: 0,
        shortfall_settled: [0; 2],
        hook: 0,
        made_clsact: 0,
        container_known: 0,
        name_len: 0,
        reserved: [0; 2],
        container: [0; 32],
        interface: [0; 16],
        name: [0; NAME_BYTES],
        reserved_end: 0,
    };

    /// The slot is not in use.
    pub const STATE_FREE: u32 = 0;
    /// The interface is attached, or being attached.
    pub const STATE_LIVE: u32 = 1;
    /// The interface is gone; the counters are kept until they are booked.
    pub const STATE_RETIRED: u32 = 2;
    /// The counters are booked and are being cleared.
    pub const STATE_CLEARING: u32 = 3;

    pub const HOOK_TCX: u8 = 1;
    pub const HOOK_CLSACT: u8 = 2;
}
