//! The host's network cards: what they carry, for whomever it is.

use std::ops::AddAssign;

use super::amount::PerDirection;
use super::identity::{IfIndex, Timestamp};

/// What a card has carried in one direction, as its driver counts: see [`Rest`](super::statement::reconcile::Rest).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
}

/// What a card's counters say now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardReading {
    /// Hostile input as any name is, though a host's cards are called what its owner calls them.
    pub(crate) name: String,
    pub(crate) ifindex: IfIndex,
    /// Received and transmitted by the host: what a container receives, its card has received.
    pub(crate) carried: PerDirection<Carried>,
    /// From where on it is counted where nothing else is known.
    pub(crate) first: First,
}

/// What this process has read first of a card, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) at: Timestamp,
    pub(crate) carried: PerDirection<Carried>,
}

/// A card, and what it has carried in some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) name: String,
    /// It was first looked at.
    pub(crate) since: Timestamp,
    pub(crate) carried: PerDirection<Carried>,
}

impl Carried {
    fn since(self, earlier: Self) -> Option<Self> {
        let bytes = self.bytes.checked_sub(earlier.bytes)?;
        Some(Self { bytes, packets: self.packets.checked_sub(earlier.packets)? })
    }
}

impl PerDirection<Carried> {
    /// What came since `earlier`; `None` where a counter went down: it was set back, or is another one.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self { rx: self.rx.since(earlier.rx)?, tx: self.tx.since(earlier.tx)? })
    }
}

impl AddAssign for Carried {
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
    }
}
