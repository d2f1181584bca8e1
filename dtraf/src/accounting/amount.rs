//! Amounts of traffic: absolute readings, and the differences that alone may be added up.

use std::ops::{Add, AddAssign};

use dtraf_common::abi::Direction;
use serde::Serialize;

/// Traffic of one direction, counted since some beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Amount {
    /// Ethernet frames as a wire carries them, after segmentation.
    pub(crate) wire_bytes: u64,
    /// Packets as a wire carries them.
    pub(crate) packets: u64,
    /// The same without Ethernet headers and VLAN tags: what a router bills. 0 for frames that are not IP.
    pub(crate) ip_bytes: u64,
    /// What the interface's own counters add up: a GSO packet once.
    pub(crate) skb_bytes: u64,
    pub(crate) skbs: u64,
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

impl Amount {
    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// What came since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Result<Delta, CounterReset> {
        let difference = || {
            Some(Self {
                wire_bytes: self.wire_bytes.checked_sub(earlier.wire_bytes)?,
                packets: self.packets.checked_sub(earlier.packets)?,
                ip_bytes: self.ip_bytes.checked_sub(earlier.ip_bytes)?,
                skb_bytes: self.skb_bytes.checked_sub(earlier.skb_bytes)?,
                skbs: self.skbs.checked_sub(earlier.skbs)?,
            })
        };
        difference().map(Delta).ok_or(CounterReset { from: *earlier, to: *self })
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wire_bytes: self.wire_bytes + other.wire_bytes,
            packets: self.packets + other.packets,
            ip_bytes: self.ip_bytes + other.ip_bytes,
            skb_bytes: self.skb_bytes + other.skb_bytes,
            skbs: self.skbs + other.skbs,
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

    #[test]
    fn a_counter_that_went_down_gives_no_delta() {
        let high = Amount { skb_bytes: 100, skbs: 2, wire_bytes: 100, packets: 2, ip_bytes: 72 };
        let low = Amount { skb_bytes: 40, ..high };
        assert_eq!(high.since(&low).unwrap().0.skb_bytes, 60);
        assert_eq!(low.since(&high), Err(CounterReset { from: high, to: low }));
    }
}
