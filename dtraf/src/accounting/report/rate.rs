//! How fast counters move, for display.

use std::collections::BTreeMap;
use std::time::Duration;

use dtraf_common::abi::Direction;

use crate::accounting::amount::{Amount, Frames, PerDirection, Unit};
use crate::accounting::identity::Timestamp;
use crate::accounting::ledger::{Account, Entry, Ledger};
use crate::accounting::snapshot::MeterId;

/// A speed, in whole units a second. Of what is not known in a unit, neither is the speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) wire_bytes: Option<u64>,
    pub(crate) packets: Option<u64>,
    pub(crate) skb_ip_bytes: u64,
    pub(crate) skbs: u64,
}

impl Rate {
    pub(crate) fn bytes(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Wire => self.wire_bytes,
            Unit::SkbIp => Some(self.skb_ip_bytes),
        }
    }
}

/// Rounded half up. `elapsed` is not zero.
pub(crate) fn per_second(sum: u64, elapsed: Duration) -> u64 {
    let nanoseconds = elapsed.as_nanos().max(1);
    let rate = (u128::from(sum) * 1_000_000_000 + nanoseconds / 2) / nanoseconds;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// What each meter had counted when a report was made.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    taken_at: Timestamp,
    totals: BTreeMap<MeterId, PerDirection<Amount>>,
}

impl Marks {
    pub(super) fn of(ledger: &Ledger, taken_at: Timestamp) -> Self {
        let totals = ledger.open().map(|(meter, entry)| (meter, entry.reading.total()));
        Self { taken_at, totals: totals.collect() }
    }
}

/// The marks of an earlier report, and the time that has passed since by a clock that cannot be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earlier<'a> {
    pub(crate) marks: &'a Marks,
    pub(crate) elapsed: Duration,
}

impl Earlier<'_> {
    /// The sum of what the account's meters counted since, by time. Meters are compared one by one, so that one which has
    /// just been found to be this container's does not bring the traffic of all its life as this second's.
    pub(super) fn rate(&self, account: &Account<'_>) -> Option<PerDirection<Rate>> {
        let grown: Vec<_> = account.open.iter().filter_map(|entry| self.growth(entry)).collect();
        if grown.is_empty() || self.elapsed.is_zero() {
            return None;
        }
        let per_second = |sum| per_second(sum, self.elapsed);
        Some(PerDirection::from_fn(|direction| {
            let sum: Amount = grown.iter().map(|grown| *grown.get(direction)).sum();
            Rate {
                wire_bytes: sum.frames.map(|frames| per_second(frames.wire_bytes)),
                packets: sum.frames.map(|frames| per_second(frames.packets)),
                skb_ip_bytes: per_second(sum.skb_ip_bytes),
                skbs: per_second(sum.skbs),
            }
        }))
    }

    /// What a meter counted since; `None` when that is not known.
    fn growth(&self, entry: &Entry) -> Option<PerDirection<Amount>> {
        let now = entry.reading.total();
        let before = match self.marks.totals.get(&entry.reading.meter.id) {
            Some(before) => *before,
            None if entry.reading.meter.attached_at >= self.marks.taken_at => PerDirection::default(),
            None => return None,
        };
        let grown = |direction: Direction| {
            let (now, before) = (now.get(direction), before.get(direction));
            let frames = now.frames.zip(before.frames).map(|(now, before)| Frames {
                wire_bytes: now.wire_bytes.saturating_sub(before.wire_bytes),
                packets: now.packets.saturating_sub(before.packets),
                ..Frames::default()
            });
            Amount {
                frames,
                skb_ip_bytes: now.skb_ip_bytes.saturating_sub(before.skb_ip_bytes),
                skbs: now.skbs.saturating_sub(before.skbs),
            }
        };
        Some(PerDirection::from_fn(grown))
    }
}
