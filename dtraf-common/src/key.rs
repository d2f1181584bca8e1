//! The keys of port and peer counters, packed into 64 bits, and the positions where they may stand.

use crate::abi::{Family, Role, Scope, UnknownValue, WAYS};

/// What a port counter is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    pub slot: u16,
    pub family: Family,
    /// IP protocol number (of the last header, for IPv6).
    pub protocol: u8,
    pub role: Role,
    pub scope: Scope,
    /// Host byte order; 0 for protocols without ports and for [`Role::ClientOther`].
    pub port: u16,
}

/// Bit 63 of every key, so that no key is 0 or [`crate::abi::TOMBSTONE`].
const VALID: u64 = 1 << 63;
/// The role value that no [`Role`] has: the entry counts nothing but says that a port is served.
const MARK: u64 = 7;
/// Bit 62: programs do not find the key any more, and its position is about to be folded into another one.
const FOLDING: u64 = 1 << 62;

const PROTOCOL: u32 = 16;
const SLOT: u32 = 24;
const SCOPE: u32 = 40;
const ROLE: u32 = 43;
const ROLE_MASK: u64 = 7;
const FAMILY: u32 = 46;

impl PortKey {
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        VALID
            | self.port as u64
            | (self.protocol as u64) << PROTOCOL
            | (self.slot as u64) << SLOT
            | (self.scope as u64) << SCOPE
            | (self.role as u64) << ROLE
            | (self.family as u64) << FAMILY
    }

    /// The key that remote ports share which have no entry of their own.
    #[inline(always)]
    #[must_use]
    pub const fn shared(self) -> Self {
        Self { role: Role::ClientOther, port: 0, ..self }
    }
}

/// The packed key of [`PortKey::shared`], from the packed key of a client's port.
#[inline(always)]
pub const fn shared(packed: u64) -> u64 {
    packed & !(ROLE_MASK << ROLE | 0xffff) | (Role::ClientOther as u64) << ROLE
}

/// Whether a packed key is that of a client's port, and which port that is.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the field is cut out of the packed key")]
pub const fn client_port(packed: u64) -> Option<u16> {
    if packed >> ROLE & ROLE_MASK == Role::Client as u64 { Some(packed as u16) } else { None }
}

/// The same key, which programs do not find any more.
#[inline(always)]
pub const fn folding(packed: u64) -> u64 {
    packed | FOLDING
}

/// The key as it was before [`folding`], if it is such a key.
#[inline(always)]
pub const fn unfolded(packed: u64) -> Option<u64> {
    if packed & FOLDING == 0 { None } else { Some(packed & !FOLDING) }
}

/// Says that `port` of the container behind `slot` is served, whatever the family and the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServedKey {
    pub slot: u16,
    pub protocol: u8,
    pub port: u16,
}

impl ServedKey {
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        VALID
            | self.port as u64
            | (self.protocol as u64) << PROTOCOL
            | (self.slot as u64) << SLOT
            | MARK << ROLE
    }
}

/// An unpacked entry of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryKey {
    Port(PortKey),
    Served(ServedKey),
}

/// What one container received straight from another: the frames came in at `from`'s interface, whoever they say that they
/// are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    /// Owns the entry: nobody else's packets make it.
    pub from: u16,
    pub to: u16,
}

impl PeerKey {
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        VALID | self.to as u64 | (self.from as u64) << SLOT
    }

    /// The key that was packed. Stands in another directory than the others, and any word is one.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the field is cut out of the packed key")]
    pub const fn unpack(packed: u64) -> Self {
        Self { from: slot_of(packed), to: packed as u16 }
    }
}

/// The slot that owns a packed key's entry.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the field is cut out of the packed key")]
pub const fn slot_of(packed: u64) -> u16 {
    (packed >> SLOT) as u16
}

impl TryFrom<u64> for DirectoryKey {
    type Error = UnknownValue;

    #[expect(clippy::cast_possible_truncation, reason = "each field is cut out of the packed key")]
    fn try_from(packed: u64) -> Result<Self, UnknownValue> {
        if packed & VALID == 0 {
            return Err(UnknownValue(packed as u8));
        }
        let packed = packed & !FOLDING;
        let (slot, protocol, port) = (slot_of(packed), (packed >> PROTOCOL) as u8, packed as u16);
        if packed >> ROLE & ROLE_MASK == MARK {
            return Ok(Self::Served(ServedKey { slot, protocol, port }));
        }
        Ok(Self::Port(PortKey {
            slot,
            family: Family::try_from((packed >> FAMILY & 1) as u8)?,
            protocol,
            role: Role::try_from((packed >> ROLE & ROLE_MASK) as u8)?,
            scope: Scope::try_from((packed >> SCOPE & 7) as u8)?,
            port,
        }))
    }
}

/// The set in which a packed key is searched first.
///
/// Multiplied, folded and multiplied again, as in the finalizer of `SplitMix` (Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", 2014), but by an odd random multiplier that nobody outside knows. Multiplied once,
/// consecutive ports are an arithmetic progression of sets: with one multiplier in fifty 10,000 ports were too many for
/// 65,536 positions.
#[inline(always)]
pub const fn first_set(packed: u64, seed: u64, sets: u32) -> u32 {
    let multiplied = packed.wrapping_mul(seed);
    let mixed = (multiplied ^ multiplied >> 32).wrapping_mul(seed);
    (((mixed >> 32) * sets as u64) >> 32) as u32
}

/// The set in which it is searched when the first has no room: the same hash over the rotated key.
#[inline(always)]
pub const fn second_set(packed: u64, seed: u64, sets: u32) -> u32 {
    first_set(packed.rotate_left(32), seed, sets)
}

/// Position of way `way` of set `set`.
#[inline(always)]
pub const fn position(set: u32, way: u32) -> u32 {
    set * WAYS + way
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::abi::TOMBSTONE;

    proptest! {
        #[test]
        fn packing_loses_nothing(slot: u16, family in 0u8..2, protocol: u8, role in 0u8..4, scope in 0u8..7, port: u16) {
            let key = PortKey {
                slot, protocol, port,
                family: Family::try_from(family).unwrap(),
                role: Role::try_from(role).unwrap(),
                scope: Scope::try_from(scope).unwrap(),
            };
            prop_assert_eq!(DirectoryKey::try_from(key.pack()), Ok(DirectoryKey::Port(key)));
            prop_assert_eq!(slot_of(key.pack()), slot);
            prop_assert_eq!(shared(key.pack()), key.shared().pack());
            prop_assert_eq!(client_port(key.pack()), (key.role == Role::Client).then_some(port));
            prop_assert_eq!((unfolded(key.pack()), unfolded(folding(key.pack()))), (None, Some(key.pack())));
            prop_assert_eq!(DirectoryKey::try_from(folding(key.pack())), Ok(DirectoryKey::Port(key)));
            let served = ServedKey { slot, protocol, port };
            prop_assert_eq!(DirectoryKey::try_from(served.pack()), Ok(DirectoryKey::Served(served)));
            prop_assert!(key.pack() > TOMBSTONE && served.pack() > TOMBSTONE);
        }

        #[test]
        fn a_pair_is_packed_without_loss(from: u16, to: u16) {
            let key = PeerKey { from, to };
            prop_assert_eq!(PeerKey::unpack(key.pack()), key);
            prop_assert_eq!(slot_of(key.pack()), from);
            prop_assert!(key.pack() > TOMBSTONE);
        }

        #[test]
        fn sets_are_within_the_table(packed: u64, seed: u64, bits in 0u32..=16) {
            prop_assert!(first_set(packed, seed | 1, 1 << bits) < 1 << bits);
            prop_assert!(second_set(packed, seed | 1, 1 << bits) < 1 << bits);
        }
    }

    proptest! {
        #[test]
        fn consecutive_ports_find_room_in_a_table_that_is_nearly_empty(seed: u64, slot: u16, slots in 1u16..=64) {
            let (seed, sets) = (seed | 1, 1024);
            let mut taken = vec![0; sets as usize];
            for number in 0..1024 {
                let (slot, port) = (slot.wrapping_add(number % slots), number / slots);
                let packed = ServedKey { slot, protocol: 6, port }.pack();
                let set = [first_set(packed, seed, sets), second_set(packed, seed, sets)];
                let free = set.into_iter().find(|&set| taken[set as usize] < WAYS);
                prop_assert!(free.is_some(), "port {port} of slot {slot}");
                taken[free.unwrap() as usize] += 1;
            }
        }
    }
}
