//! What an interface had carried before it was attached to: its own counters, less ours.
//!
//! The two are read one after the other, and a packet may be under way between them. The difference is exact
//! - when the interface has carried nothing at all, looked at after attaching;
//! - for what the container transmitted, when it is nothing: the interface counts before we do, so that our count, read
//!   first, can never make up for a packet that we have missed;
//! - when neither count has moved between two readings that are [`STILL`] apart.
//!
//! Until then it is as near as two readings can be.

use std::collections::BTreeMap;
use std::time::Duration;

use dtraf_common::abi::{Direction, MeterRecord};

use super::error::EbpfError;
use super::load::Counting;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::{Slot, Timestamp};
use crate::accounting::snapshot::{MeterId, Point, Snapshot};
use crate::links::{Link, LinkCounters};

/// Both counters of an interface at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    counted: PerDirection<(u64, u64)>,
    carried: PerDirection<(u64, u64)>,
    dropped: u64,
}

/// What was seen, and since when it has been the same, by slot. Only meters whose shortfall is not yet settled are in it.
#[derive(Debug, Default)]
pub(crate) struct Sightings(BTreeMap<Slot, (Timestamp, Sighting)>);

/// How long both counters must stand still: much longer than any packet waits between them.
const STILL: Duration = Duration::from_millis(100);

/// How long an interface that never stands still is looked at more often than the others.
const PATIENCE: Duration = Duration::from_secs(30);

impl Counting {
    /// Some meter's shortfall is not yet known exactly, and may be soon: later, an upper bound must do until an interface
    /// happens to be still when all are read.
    pub(crate) fn has_unsettled(&self, now: Timestamp) -> bool {
        let is_young =
            |record: &MeterRecord| now.since(Timestamp::from_unix_ns(record.attached_at_ns)) < PATIENCE;
        self.meters.iter().any(|(_, record)| is_unsettled(record) && is_young(record))
    }

    /// Compares `counted`, read first, with the counters of interfaces, read after it, and settles what can be settled.
    pub(crate) fn settle(
        &mut self,
        counted: &Snapshot,
        carried: &[Link],
        last: &mut Sightings,
    ) -> Result<(), EbpfError> {
        for reading in &counted.meters {
            let (MeterId::Slot(slot, _), Point::Interface { ifindex, .. }) =
                (reading.meter.id, &reading.meter.point)
            else {
                continue;
            };
            if !self.meters.get(slot).is_some_and(is_unsettled) {
                last.0.remove(&slot);
                continue;
            }
            let Some(link) = carried.iter().find(|link| link.ifindex == *ifindex) else { continue };
            let Some(counters) = &link.counters else { continue };
            let sighting = Sighting::new(&reading.total(), counters);
            let since = match last.0.get(&slot) {
                Some((since, seen)) if *seen == sighting => *since,
                _ => counted.taken_at,
            };
            let still = counted.taken_at.since(since) >= STILL;
            self.meters.update(&mut self.maps, slot, |record| sighting.settle(record, still))?;
            last.0.insert(slot, (since, sighting));
        }
        Ok(())
    }
}

impl Sighting {
    fn new(counted: &PerDirection<Amount>, carried: &LinkCounters) -> Self {
        Self {
            counted: PerDirection::from_fn(|direction| {
                let amount = counted.get(direction);
                (amount.frames.unwrap_or_default().skb_bytes, amount.skbs)
            }),
            carried: PerDirection {
                rx: (carried.tx_bytes, carried.tx_packets),
                tx: (carried.rx_bytes, carried.rx_packets),
            },
            dropped: carried.tx_dropped,
        }
    }

    fn settle(&self, record: &mut MeterRecord, still: bool) {
        for direction in Direction::ALL {
            let at = direction as usize;
            // What the host's end drops behind our hook was counted by us and not by it.
            let dropped = direction == Direction::Received && self.dropped != record.dropped_at_attach;
            if record.shortfall_settled[at] != 0 || dropped {
                continue;
            }
            let (counted, carried) = (self.counted.get(direction), self.carried.get(direction));
            record.shortfall_bytes[at] = carried.0.saturating_sub(counted.0);
            record.shortfall_packets[at] = carried.1.saturating_sub(counted.1);
            let missed_nothing = direction == Direction::Transmitted && carried == counted;
            record.shortfall_settled[at] = u8::from(still || missed_nothing || carried.1 == 0);
        }
    }
}

fn is_unsettled(record: &MeterRecord) -> bool {
    record.state == MeterRecord::STATE_LIVE && record.shortfall_settled.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::amount::Frames;

    fn sighting(received: u64, dropped: u64) -> Sighting {
        let frames = Frames { skb_bytes: received - 100, ..Frames::default() };
        let counted = PerDirection {
            rx: Amount { frames: Some(frames), skbs: 1, ..Amount::default() },
            tx: Amount::default(),
        };
        let carried = LinkCounters {
            tx_bytes: received,
            tx_packets: 2,
            tx_dropped: dropped,
            ..LinkCounters::default()
        };
        Sighting::new(&counted, &carried)
    }

    #[test]
    fn a_shortfall_is_settled_when_nothing_has_moved() {
        let mut record = MeterRecord::FREE;
        sighting(1000, 0).settle(&mut record, false);
        assert_eq!((record.shortfall_bytes, record.shortfall_settled), ([100, 0], [0, 1]));
        sighting(1000, 0).settle(&mut record, true);
        assert_eq!((record.shortfall_packets, record.shortfall_settled), ([1, 0], [1, 1]));
    }

    #[test]
    fn what_was_dropped_behind_us_leaves_the_shortfall_alone() {
        let mut record = MeterRecord { shortfall_bytes: [70, 0], ..MeterRecord::FREE };
        sighting(1000, 3).settle(&mut record, true);
        assert_eq!((record.shortfall_bytes, record.shortfall_settled), ([70, 0], [0, 1]));
    }
}
