//! Amounts of traffic: absolute readings, and the differences that alone may be added up.

use std::ops::{Add, AddAssign};

use dtraf_common::abi::Direction;
use serde::Serialize;

/// Traffic of one direction, counted since some beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount {
    /// `None` where something was counted by a backend that sees no frames.
    pub(crate) frames: Option<Frames>,
    /// What a firewall's rule adds up: from the IP header on, a GSO packet once. 0 for frames that are not IP.
    pub(crate) skb_ip_bytes: u64,
    /// A GSO packet once.
    pub(crate) skbs: u64,
}

/// What is known where frames are seen: at an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Ethernet frames as a wire carries them, after segmentation.
    pub(crate) wire_bytes: u64,
    /// Packets as a wire carries them.
    pub(crate) packets: u64,
    /// The same without Ethernet headers and VLAN tags: what a router bills. 0 for frames that are not IP.
    pub(crate) ip_bytes: u64,
    /// What the interface's own counters add up: a GSO packet once.
    pub(crate) skb_bytes: u64,
}

/// What people are shown of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Frames and packets as a wire carries them.
    Wire,
    /// Packets as the kernel hands them on, from the IP header on: all that is known without frames.
    SkbIp,
}

/// A counter that went down: it was reset, or is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a counter went down from {from:?} to {to:?}")]
pub(crate) struct CounterReset {
    from: Amount,
    to: Amount,
}

/// What was added between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta(pub(crate) Amount);

/// Nothing, and known in every unit.
impl Default for Amount {
    fn default() -> Self {
        Self { frames: Some(Frames::default()), skb_ip_bytes: 0, skbs: 0 }
    }
}

impl Amount {
    /// Nothing was counted, as far as that is known.
    pub(crate) fn is_zero(&self) -> bool {
        self.frames.unwrap_or_default() == Frames::default() && (self.skb_ip_bytes, self.skbs) == (0, 0)
    }

    /// What came since `earlier`. Frames are known where they are known at both moments.
    pub(crate) fn since(&self, earlier: &Self) -> Result<Delta, CounterReset> {
        let frames = match (self.frames, earlier.frames) {
            (Some(now), Some(before)) => now.since(&before).map(Some),
            _ => Some(None),
        };
        let difference = || {
            Some(Self {
                frames: frames?,
                skb_ip_bytes: self.skb_ip_bytes.checked_sub(earlier.skb_ip_bytes)?,
                skbs: self.skbs.checked_sub(earlier.skbs)?,
            })
        };
        difference().map(Delta).ok_or(CounterReset { from: *earlier, to: *self })
    }
}

impl Frames {
    fn since(&self, earlier: &Self) -> Option<Self> {
        Some(Self {
            wire_bytes: self.wire_bytes.checked_sub(earlier.wire_bytes)?,
            packets: self.packets.checked_sub(earlier.packets)?,
            ip_bytes: self.ip_bytes.checked_sub(earlier.ip_bytes)?,
            skb_bytes: self.skb_bytes.checked_sub(earlier.skb_bytes)?,
        })
    }
}

impl Unit {
    /// `None` where the amount is not known in this unit.
    pub(crate) fn bytes(self, amount: &Amount) -> Option<u64> {
        match self {
            Self::Wire => amount.frames.map(|frames| frames.wire_bytes),
            Self::SkbIp => Some(amount.skb_ip_bytes),
        }
    }

    /// `None` where the amount is not known in this unit.
    pub(crate) fn packets(self, amount: &Amount) -> Option<u64> {
        match self {
            Self::Wire => amount.frames.map(|frames| frames.packets),
            Self::SkbIp => Some(amount.skbs),
        }
    }
}

/// Sums end at 2^64 - 1, which no counter of the kernel passes: only a ledger that somebody has changed comes to it.
impl Add for Frames {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wire_bytes: self.wire_bytes.saturating_add(other.wire_bytes),
            packets: self.packets.saturating_add(other.packets),
            ip_bytes: self.ip_bytes.saturating_add(other.ip_bytes),
            skb_bytes: self.skb_bytes.saturating_add(other.skb_bytes),
        }
    }
}

/// A sum with something unknown in it is unknown.
impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            frames: self.frames.zip(other.frames).map(|(one, other)| one + other),
            skb_ip_bytes: self.skb_ip_bytes.saturating_add(other.skb_ip_bytes),
            skbs: self.skbs.saturating_add(other.skbs),
        }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

/// A value for each direction, in the container's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PerDirection<T> {
    pub(crate) rx: T,
    pub(crate) tx: T,
}

impl<T> PerDirection<T> {
    pub(crate) fn from_fn(mut value: impl FnMut(Direction) -> T) -> Self {
        Self { rx: value(Direction::Received), tx: value(Direction::Transmitted) }
    }

    pub(crate) fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::Received => &self.rx,
            Direction::Transmitted => &self.tx,
        }
    }

    pub(crate) fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::Received => &mut self.rx,
            Direction::Transmitted => &mut self.tx,
        }
    }
}

impl<T: AddAssign> AddAssign for PerDirection<T> {
    fn add_assign(&mut self, other: Self) {
        self.rx += other.rx;
        self.tx += other.tx;
    }
}

impl<T: AddAssign + Default> std::iter::Sum for PerDirection<T> {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::default(), |mut sum, value| {
            sum += value;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::packets;

    const BY_A_RULE: Amount = Amount { frames: None, skb_ip_bytes: 60, skbs: 1 };

    #[test]
    fn a_counter_that_went_down_gives_no_delta() {
        let (high, low) = (packets(3), packets(2));
        assert_eq!(high.since(&low), Ok(Delta(packets(1))));
        assert_eq!(low.since(&high), Err(CounterReset { from: high, to: low }));
        assert_eq!(BY_A_RULE.since(&Amount { skbs: 2, ..BY_A_RULE }).unwrap_err().to, BY_A_RULE);
    }

    #[test]
    fn what_is_not_known_in_one_part_is_not_known_in_the_sum() {
        let sum: Amount = [packets(1), BY_A_RULE].into_iter().sum();
        assert_eq!(sum, Amount { frames: None, skb_ip_bytes: 986 + 60, skbs: 2 });
        assert_eq!((Unit::Wire.bytes(&sum), Unit::SkbIp.bytes(&sum)), (None, Some(1046)));
        assert_eq!(packets(1) + Amount::default(), packets(1));
    }
}
