//! What an interface had carried before it was attached to: its own counters, less ours.
//!
//! The two are read one after the other, and a packet may be under way between them. So the difference counts as exact only
//! when neither has moved between two readings a whole interval apart; until then it is as near as two readings can be.

use std::collections::BTreeMap;

use dtraf_common::abi::{Direction, MeterRecord};

use super::error::EbpfError;
use super::load::Counting;
use super::read::snapshot;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::{IfIndex, Slot, Timestamp};
use crate::links::{Link, LinkCounters};

/// Both counters of an interface at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    counted: PerDirection<(u64, u64)>,
    carried: PerDirection<(u64, u64)>,
    dropped: u64,
}

/// What was seen at the last reading, by slot. Only meters whose shortfall is not yet settled are in it.
#[derive(Debug, Default)]
pub(crate) struct Sightings(BTreeMap<Slot, Sighting>);

impl Counting {
    /// Some meter's shortfall is not yet known exactly.
    pub(crate) fn has_unsettled(&self) -> bool {
        self.meters.iter().any(|(_, record)| is_unsettled(record))
    }

    /// Compares our counters with those of the interfaces, which were read just before, and settles what has stood still
    /// since `last`.
    pub(crate) fn settle(&mut self, links: &[Link], last: &mut Sightings) -> Result<(), EbpfError> {
        let unsettled: BTreeMap<IfIndex, Slot> = self
            .meters
            .iter()
            .filter(|(_, record)| is_unsettled(record))
            .filter_map(|(slot, record)| Some((IfIndex(std::num::NonZeroU32::new(record.ifindex)?), slot)))
            .collect();
        let counted: BTreeMap<Slot, PerDirection<Amount>> =
            snapshot(&self.maps, &self.meters, Timestamp::from_unix_ns(0))
                .meters
                .iter()
                .map(|reading| (reading.meter.slot, reading.total()))
                .collect();
        let mut seen = Sightings::default();
        for link in links {
            let Some(slot) = unsettled.get(&link.ifindex) else { continue };
            let (Some(counted), Some(carried)) = (counted.get(slot), &link.counters) else { continue };
            let sighting = Sighting::new(counted, carried);
            let still = last.0.get(slot) == Some(&sighting);
            self.meters.update(&mut self.maps, *slot, |record| sighting.settle(record, still))?;
            seen.0.insert(*slot, sighting);
        }
        *last = seen;
        Ok(())
    }
}

impl Sighting {
    fn new(counted: &PerDirection<Amount>, carried: &LinkCounters) -> Self {
        Self {
            counted: PerDirection::from_fn(|direction| {
                let amount = counted.get(direction);
                (amount.skb_bytes, amount.skbs)
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
            record.shortfall_settled[at] = u8::from(still);
        }
    }
}

fn is_unsettled(record: &MeterRecord) -> bool {
    record.state == MeterRecord::STATE_LIVE && record.shortfall_settled.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(received: u64, dropped: u64) -> Sighting {
        let counted = PerDirection {
            rx: Amount { skb_bytes: received - 100, skbs: 1, ..Amount::default() },
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
        assert_eq!((record.shortfall_bytes, record.shortfall_settled), ([100, 0], [0, 0]));
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
