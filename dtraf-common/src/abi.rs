//! The maps between kernel and user space: names, limits, values.
//!
//! Values are `repr(C)` with fixed-width fields in native byte order and explicit padding; the zerocopy derives refuse
//! hidden padding, and the size of each value is asserted beside it. Any change here needs another [`LAYOUT_VERSION`]:
//! the version is part of the path under which maps are pinned, so that two layouts never meet.

mod record;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::record::{MeterRecord, NAME_BYTES};

/// Version of everything in this file, of [`crate::key`] and of the order of [`Direction`], [`Scope`] and [`Bucket`].
pub const LAYOUT_VERSION: u32 = 5;

/// Map names, as in the object file and in the pin directory.
pub mod maps {
    /// Array of [`super::Interface`]: which slot an interface is booked in. Open addressing by ifindex.
    pub const INTERFACES: &str = "INTERFACES";
    /// Array of [`super::SlotState`], by slot.
    pub const SLOTS: &str = "SLOTS";
    /// Array of [`super::SlotTotals`], by `cpu * slots + slot`; mapped into user space.
    pub const TOTALS: &str = "TOTALS";
    /// Array of [`super::KeySet`]: which key owns which position; mapped into user space.
    pub const DIRECTORY: &str = "DIRECTORY";
    /// Hash position -> key: inserting decides, for all CPUs at once, who owns a position.
    pub const CLAIMS: &str = "CLAIMS";
    /// Array of [`super::PortCounters`], by `cpu * positions + position`; mapped into user space.
    pub const COUNTERS: &str = "COUNTERS";
    /// Array of [`super::PortOverheads`], by `cpu * positions + position`; mapped into user space.
    pub const OVERHEADS: &str = "OVERHEADS";
    /// Hash position -> [`super::Folded`]: amounts of freed positions that this one stands for. Only user space uses it.
    pub const FOLDED: &str = "FOLDED";
    /// Array of [`super::LearnedMacs`], by slot: MAC addresses that the container has sent from.
    pub const LEARNED: &str = "LEARNED";
    /// Array of [`super::SlotState`], by slot: what the slot may own in `PEER_DIRECTORY`.
    pub const PEER_SLOTS: &str = "PEER_SLOTS";
    /// Array of [`super::KeySet`]: which pair of containers owns which position; mapped into user space.
    pub const PEER_DIRECTORY: &str = "PEER_DIRECTORY";
    /// Hash position -> key, as `CLAIMS` is for `DIRECTORY`.
    pub const PEER_CLAIMS: &str = "PEER_CLAIMS";
    /// Array of [`super::FrameCounters`], by `cpu * positions + position`; mapped into user space.
    pub const PEER_COUNTERS: &str = "PEER_COUNTERS";
    /// Array of [`super::AskedPorts`], by slot: UDP ports that somebody outside asked lately.
    pub const ASKED: &str = "ASKED";
    /// [`super::ScopePage`]s: scopes that the first 16 bits of an address decide, one page for each [`super::Family`];
    /// then the blocks, for values that need 16 bits more.
    pub const SCOPE_PAGES: &str = "SCOPE_PAGES";
    /// LPM trie over 16-byte addresses (IPv4 as `::ffff:a.b.c.d`) -> scope, for what the pages leave open.
    pub const SCOPES: &str = "SCOPES";
    /// One `u64`: trace records that may still be sent; user space refills it.
    pub const TRACE_BUDGET: &str = "TRACE_BUDGET";
    /// One [`super::Geometry`]: the sizes the other maps were made with.
    pub const GEOMETRY: &str = "GEOMETRY";
    /// Array of [`super::MeterRecord`], by slot; only user space reads and writes it.
    pub const METERS: &str = "METERS";

    /// All maps that are pinned.
    pub const PINNED: [&str; 19] = [
        INTERFACES,
        SLOTS,
        TOTALS,
        DIRECTORY,
        CLAIMS,
        COUNTERS,
        OVERHEADS,
        FOLDED,
        LEARNED,
        PEER_SLOTS,
        PEER_DIRECTORY,
        PEER_CLAIMS,
        PEER_COUNTERS,
        ASKED,
        SCOPE_PAGES,
        SCOPES,
        TRACE_BUDGET,
        GEOMETRY,
        METERS,
    ];
}

/// Names of the programs in the object file.
pub mod programs {
    /// Attached to TC ingress of the host's veth end: what the container transmitted.
    pub const INGRESS: &str = "dtraf_ingress";
    /// Attached to TC egress of the host's veth end: what the container receives.
    pub const EGRESS: &str = "dtraf_egress";
}

/// Names of the programs' load-time constants. The verifier prunes what they switch off.
pub mod globals {
    /// `u32`: [`super::Geometry::slots`].
    pub const SLOT_COUNT: &str = "SLOT_COUNT";
    /// `u32`: [`super::Geometry::interfaces`].
    pub const INTERFACE_COUNT: &str = "INTERFACE_COUNT";
    /// `u32`: [`super::Geometry::sets`].
    pub const SET_COUNT: &str = "SET_COUNT";
    /// `u32`: [`super::Geometry::peer_sets`].
    pub const PEER_SET_COUNT: &str = "PEER_SET_COUNT";
    /// `u64`: [`super::Geometry::seed`].
    pub const SEED: &str = "SEED";
    /// `u32`: not 0 on `PREEMPT_RT` kernels, where two programs may interleave on one CPU: additions are atomic there.
    pub const REALTIME: &str = "REALTIME";
    /// `u32`: not 0 when interfaces with [`super::Interface::TRACE`] log each packet's decision.
    pub const TRACE: &str = "TRACE";
}

/// Packets from an interface that no slot was assigned to are booked here, so that they are not lost.
pub const ORPHAN_SLOT: u32 = 0;
/// How many neighbouring entries of `INTERFACES` may hold one ifindex.
pub const INTERFACE_PROBES: u32 = 8;
/// Keys in a [`KeySet`].
pub const WAYS: u32 = 8;
/// Entries of an [`AskedPorts`].
pub const ASKED_WAYS: usize = 64;
/// MAC addresses in a [`LearnedMacs`].
pub const LEARNED_WAYS: usize = 32;
/// Bytes of an Ethernet header.
pub const ETHERNET_BYTES: u32 = 14;
/// Bytes of a VLAN tag.
pub const VLAN_BYTES: u32 = 4;
/// First port of the ephemeral range, `net.ipv4.ip_local_port_range`'s default since Linux 2.4.
pub const EPHEMERAL_PORTS: u16 = 32768;

/// The two hooks on the host's end of a veth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Ingress,
    Egress,
}

impl Hook {
    /// The container's view of what this hook sees: the only place where the perspective changes.
    #[inline(always)]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Ingress => Direction::Transmitted,
            Self::Egress => Direction::Received,
        }
    }
}

/// A raw value that names no variant of the type it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownValue(pub u8);

/// An enum whose values cross the kernel boundary, with all its variants and the way back from a raw value.
macro_rules! raw_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_meta])* $variant = $value,)+ }

        impl $name {
            /// All variants, in the order of their raw values.
            pub const ALL: [Self; [$($value),+].len()] = [$(Self::$variant),+];
        }

        impl TryFrom<u8> for $name {
            type Error = $crate::abi::UnknownValue;

            #[inline(always)]
            fn try_from(raw: u8) -> Result<Self, $crate::abi::UnknownValue> {
                match raw {
                    $($value => Ok(Self::$variant),)+
                    _ => Err($crate::abi::UnknownValue(raw)),
                }
            }
        }
    };
}

pub(crate) use raw_enum;

raw_enum! {
    /// From the container's view.
    Direction {
        Received = 0,
        Transmitted = 1,
    }
}

raw_enum! {
    /// Address family.
    Family {
        V4 = 0,
        V6 = 1,
    }
}

raw_enum! {
    /// Who the other end is.
    Scope {
        Internet = 0,
        /// Private, carrier-grade NAT, link-local and unique local addresses, and what the user says.
        Lan = 1,
        /// The Docker host itself, docker-proxy included.
        Host = 2,
        /// An address in a Docker network.
        Container = 3,
        /// Group addresses, broadcast included.
        Multicast = 4,
        /// Frames that are not IP, and nothing else.
        Other = 5,
        /// IP frames that a bridge flooded to the container and that are for another MAC address: never billed.
        Flooded = 6,
    }
}

raw_enum! {
    /// Whose port a counter's port is.
    Role {
        /// The protocol has no ports.
        Portless = 0,
        /// The container's own.
        Server = 1,
        /// The remote one: the container opened the conversation.
        Client = 2,
        /// Remote ports without an entry of their own, which share this one: the port is 0.
        ClientOther = 3,
    }
}

raw_enum! {
    /// Where bytes go that no port counter takes. Port counters and buckets together are the slot's total.
    Bucket {
        /// ARP and other ethertypes that are not IP.
        L2 = 0,
        /// Unicast IP to a MAC address that the container does not use: a bridge flooded it.
        Foreign = 1,
        /// Group addresses, broadcast included.
        Multicast = 2,
        /// Fragments after the first: they carry no ports.
        Fragment = 3,
        /// ICMP and other protocols without ports that the container has not begun to speak itself.
        NoPort = 4,
        /// Received for a port that nobody serves and from a port that the container has not talked to; and the container's
        /// refusal of it.
        Unsolicited = 5,
        /// The container has used up its quota of entries.
        OverQuota = 6,
        /// The table had no room, or two CPUs claimed one position at the same time.
        MapFull = 7,
        /// IP by its ethertype, but the header is impossible, or what follows it cannot be followed to a port.
        Unparsed = 8,
    }
}

/// Sizes of all maps and what must stay the same for as long as they live. Kept in `GEOMETRY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Geometry {
    pub layout_version: u32,
    /// Possible CPUs.
    pub cpus: u32,
    /// Slots, the orphan slot included.
    pub slots: u32,
    /// Entries of `INTERFACES`; a power of two.
    pub interfaces: u32,
    /// [`KeySet`]s in `DIRECTORY`; a power of two. Positions are `sets * WAYS`.
    pub sets: u32,
    /// [`KeySet`]s in `PEER_DIRECTORY`; a power of two.
    pub peer_sets: u32,
    /// Odd random multiplier of the hash over keys, so that nobody outside can choose keys that collide.
    pub seed: u64,
}
const _: () = assert!(size_of::<Geometry>() == 32);

/// One entry of `INTERFACES`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Interface {
    /// 0: the entry is free.
    pub ifindex: u32,
    pub slot: u32,
    /// The container's MAC address, first octet in bits 40..48; 0 while unknown. Others that the container uses are in
    /// [`LearnedMacs`].
    pub mac: u64,
    /// MAC address of the bridge that the interface is a port of: what is sent there leaves the bridge. 0 while unknown.
    pub bridge_mac: u64,
    /// Bits of [`Interface::TRACE`] and [`Interface::CONTAINER_BRIDGE`].
    pub flags: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<Interface>() == 32);

impl Interface {
    /// Log each decision, where [`globals::TRACE`] is on.
    pub const TRACE: u32 = 1;
    /// A bridge that has containers' interfaces only as ports, in [`ORPHAN_SLOT`]: packets that the host routes from there
    /// come from a container.
    pub const CONTAINER_BRIDGE: u32 = 2;
}

/// What the kernel needs to know of a slot when a new key appears that the slot is to own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SlotState {
    /// Entries that the slot may own in a directory. User space writes it.
    pub quota: u32,
    /// Entries it owns. The kernel adds, user space sets it back when the slot is freed.
    pub entries: u32,
}
const _: () = assert!(size_of::<SlotState>() == 8);

/// What is added up everywhere. Wire bytes are `skb_bytes + added_bytes`, packets are `skbs + added_packets`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Counters {
    /// Sum of `__sk_buff.len`: Ethernet header and everything behind it, once per skb.
    pub skb_bytes: u64,
    pub skbs: u64,
    /// What segmentation and VLAN tags in metadata add on a wire. Modulo 2^64: removing a jumbo header can make an
    /// addend negative.
    pub added_bytes: u64,
    /// Segments beyond the first of each skb.
    pub added_packets: u64,
}
const _: () = assert!(size_of::<Counters>() == 32);

/// Part of [`Counters`] that is neither IP nor the 14 bytes of each frame's Ethernet header: VLAN tags, padding behind the IP
/// packet, and all of a frame that is not IP. With it the IP bytes follow from the others:
/// `wire bytes - 14 * packets - wire_bytes` on a wire, `skb_bytes - 14 * skbs - skb_bytes` as the kernel hands packets on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Overhead {
    /// Part of the wire bytes.
    pub wire_bytes: u64,
    /// Part of the skb bytes, where a VLAN tag in metadata does not count.
    pub skb_bytes: u64,
}
const _: () = assert!(size_of::<Overhead>() == 16);

/// [`Counters`] with their [`Overhead`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FrameCounters {
    pub counters: Counters,
    pub overhead: Overhead,
}
const _: () = assert!(size_of::<FrameCounters>() == 48);

/// Everything a slot has counted on one CPU, twice: by scope, and (buckets only) by what was not a port.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SlotTotals {
    /// By [`Direction`] and [`Scope`]. Their sum over scopes is the total.
    pub scopes: [[FrameCounters; Scope::ALL.len()]; 2],
    /// By [`Direction`] and [`Bucket`].
    pub buckets: [[FrameCounters; Bucket::ALL.len()]; 2],
    /// Received frames in [`Scope::Flooded`], once more: by the scope that their source address has.
    pub flooded: [FrameCounters; Scope::ALL.len()],
}
const _: () = assert!(size_of::<SlotTotals>() == 48 * (2 * (7 + 9) + 7));

/// One position of the port table on one CPU: one cache line. What is hardly ever there is in [`PortOverheads`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PortCounters {
    /// By [`Direction`].
    pub directions: [Counters; 2],
}
const _: () = assert!(size_of::<PortCounters>() == 64);

/// The same position's [`Overhead`]: written only by frames that have some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct PortOverheads {
    /// By [`Direction`].
    pub directions: [Overhead; 2],
}
const _: () = assert!(size_of::<PortOverheads>() == 32);

/// Amounts of positions that were freed in favour of another one, and the one of them that is not cleared yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Folded {
    pub counters: PortCounters,
    pub overheads: PortOverheads,
    /// The position that was added last, plus 1, until it is cleared: then 0.
    pub unfinished: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<Folded>() == 104);

/// MAC addresses that a container has sent from, beside [`Interface::mac`]. The next one replaces the oldest.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LearnedMacs {
    /// As [`Interface::mac`]; 0: not in use.
    pub macs: [u64; LEARNED_WAYS],
    /// How many were learned so far: the next one goes to `learned % LEARNED_WAYS`.
    pub learned: u64,
}
const _: () = assert!(size_of::<LearnedMacs>() == 8 * LEARNED_WAYS + 8);

/// [`WAYS`] neighbouring keys: one cache line.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KeySet {
    /// Packed [`crate::key::PortKey`]s, or [`crate::key::PeerKey`]s; 0: never used; [`TOMBSTONE`]: free again.
    pub keys: [u64; WAYS as usize],
}
const _: () = assert!(size_of::<KeySet>() == 64);

/// A position that was freed. No key packs to it.
pub const TOMBSTONE: u64 = 1;

/// A direct-mapped memory of UDP ports that received something nobody was known to serve. An answer from such a port
/// makes it a served one.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct AskedPorts {
    /// `port | 1 << 16`, at `port % ASKED_WAYS`.
    pub ports: [u32; ASKED_WAYS],
}
const _: () = assert!(size_of::<AskedPorts>() == 256);

/// Scope by 16 bits of an address, or [`ScopePage::UNDECIDED`]; in a family's page also where the block of the next 16
/// bits is.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ScopePage {
    pub scopes: [u8; 65536],
}

const _: () = assert!(size_of::<ScopePage>() == 65536);

impl ScopePage {
    /// Values from here on are no scopes, but the numbers of blocks.
    pub const FIRST_BLOCK: u8 = 16;
    /// The first number beyond: 32 are room for the networks that Docker makes by itself, and as many more.
    pub const NO_BLOCK: u8 = 48;
    /// The trie must be asked. A number that no block has.
    pub const UNDECIDED: u8 = 255;
    /// Pages in the map.
    pub const COUNT: u32 = Self::block(Self::NO_BLOCK);

    /// Each has a page of its own, before those of blocks.
    const FAMILIES: u32 = {
        assert!(Family::ALL.len() == 2);
        2
    };

    /// Where the page of a block is.
    #[inline(always)]
    pub const fn block(number: u8) -> u32 {
        Self::FAMILIES + number.wrapping_sub(Self::FIRST_BLOCK) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_values_are_indexes_and_come_back() {
        for (index, scope) in Scope::ALL.into_iter().enumerate() {
            assert_eq!(scope as usize, index);
            assert_eq!(Scope::try_from(scope as u8), Ok(scope));
        }
        for (index, bucket) in Bucket::ALL.into_iter().enumerate() {
            assert_eq!(bucket as usize, index);
        }
        assert_eq!(Role::try_from(4), Err(UnknownValue(4)));
    }

    #[test]
    fn what_enters_the_host_was_transmitted_by_the_container() {
        assert_eq!(Hook::Ingress.direction(), Direction::Transmitted);
        assert_eq!(Hook::Egress.direction(), Direction::Received);
    }
}
