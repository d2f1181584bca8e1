//! The maps, and the places in them where a counter can stand.

use std::fmt;
use std::net::IpAddr;

use dtraf_common::abi::{Direction, Family};

use super::name::{direction_text, family_text};
use crate::accounting::inventory::PortNumber;
use crate::source::rules::{CounterKey, Matched, family_of};

/// A map of dtraf's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Map {
    pub(super) family: Family,
    pub(super) held: Held,
}

/// What a map leads from, and who looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Held {
    /// A packet's address in this direction.
    Address(Direction),
    /// Its address, protocol and port.
    Port(Direction),
    /// No packet: here stand counters that count no more, by the last address they counted for.
    Retired,
}

/// Where a counter stands. No two counters can stand at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// It counts this address's packets.
    Live { direction: Direction, matched: Matched, address: IpAddr },
    /// It counted this address's, and is one of several that did.
    Retired { address: IpAddr, number: u32 },
}

impl Map {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        const HELD: [Held; 5] = [
            Held::Address(Direction::Received),
            Held::Address(Direction::Transmitted),
            Held::Port(Direction::Received),
            Held::Port(Direction::Transmitted),
            Held::Retired,
        ];
        Family::ALL.into_iter().flat_map(|family| HELD.map(|held| Self { family, held }))
    }

    /// The type of what it leads from, as `nft` writes it.
    pub(super) fn key_type(self) -> &'static str {
        match (self.family, self.held) {
            (Family::V4, Held::Address(_)) => "ipv4_addr",
            (Family::V6, Held::Address(_)) => "ipv6_addr",
            (Family::V4, Held::Port(_)) => "ipv4_addr . inet_proto . inet_service",
            (Family::V6, Held::Port(_)) => "ipv6_addr . inet_proto . inet_service",
            // `mark` is a plain number of 32 bits.
            (Family::V4, Held::Retired) => "ipv4_addr . mark",
            (Family::V6, Held::Retired) => "ipv6_addr . mark",
        }
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = family_text(self.family);
        match self.held {
            Held::Address(direction) => write!(f, "{}{family}", direction_text(direction)),
            Held::Port(direction) => write!(f, "{}{family}_ports", direction_text(direction)),
            Held::Retired => write!(f, "retired{family}"),
        }
    }
}

impl Place {
    /// Where a counter of this key stands while it counts for an address.
    pub(super) fn live(key: CounterKey, address: IpAddr) -> Self {
        Self::Live { direction: key.direction, matched: key.matched, address }
    }

    /// Whether packets of this key are counted here.
    pub(super) fn is_of(self, key: CounterKey) -> bool {
        match self {
            Self::Live { direction, matched, address } => {
                (direction, matched, family_of(address)) == (key.direction, key.matched, key.family)
            }
            Self::Retired { address, .. } => family_of(address) == key.family,
        }
    }

    pub(super) fn address(self) -> IpAddr {
        match self {
            Self::Live { address, .. } | Self::Retired { address, .. } => address,
        }
    }

    pub(super) fn map(self) -> Map {
        let held = match self {
            Self::Live { direction, matched: Matched::All, .. } => Held::Address(direction),
            Self::Live { direction, matched: Matched::Port(_), .. } => Held::Port(direction),
            Self::Retired { .. } => Held::Retired,
        };
        Map { family: family_of(self.address()), held }
    }
}

/// The place within its map, as `nft` writes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live { matched: Matched::All, address, .. } => write!(f, "{address}"),
            Self::Live { matched: Matched::Port(PortNumber { protocol, port }), address, .. } => {
                write!(f, "{address} . {protocol} . {port}")
            }
            Self::Retired { address, number } => write!(f, "{address} . {number}"),
        }
    }
}
