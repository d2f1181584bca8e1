//! What an interface had carried before it was attached to: its own counters, less ours.
//!
//! The two are read one after the other, and a packet may be under way between them. The difference is exact
//! - when the interface has carried nothing at all, looked at after attaching;
//! - for what the container transmitted, when it is nothing: the interface counts before we do, so that our count, read
//!   first, can never make up for a packet that we have missed;
//! - when neither count has moved between two readings that are [`STILL`] apart;
//! - when the interface is gone: the kernel tells its counters once more when it has lost its carrier, after which it carries
//!   nothing ([`Carried`]).
//!
//! Until then it is as near as two readings can be.

use std::collections::BTreeMap;
use std::time::Duration;

use dtraf_common::abi::{Direction, MeterRecord};

use super::error::EbpfError;
use super::load::Counting;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::{Slot, Timestamp};
use crate::accounting::snapshot::{MeterId, MeterReading, Point, Snapshot};
use crate::links::{Link, LinkCounters};

/// Both counters of an interface at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    counted: PerDirection<(u64, u64)>,
    carried: PerDirection<(u64, u64)>,
    dropped: u64,
}

/// An interface's own counters, as notifications have told them, and whether it can have carried more since.
///
/// What the host's end has received is counted at its peer (`veth_get_stats64` of `drivers/net/veth.c`): the last notification may
/// come when there is none any more, and says 0 then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    most: LinkCounters,
    is_final: PerDirection<bool>,
}

impl Carried {
    /// Takes what a notification says.
    pub(crate) fn note(&mut self, link: &Link) {
        let Some(now) = link.counters else { return };
        let is_down = !link.up || !link.carrier;
        if now.tx_packets >= self.most.tx_packets {
            (self.most.tx_packets, self.most.tx_bytes) = (now.tx_packets, now.tx_bytes);
            self.is_final.rx = is_down;
        }
        if now.rx_packets >= self.most.rx_packets {
            (self.most.rx_packets, self.most.rx_bytes) = (now.rx_packets, now.rx_bytes);
            self.is_final.tx = is_down;
        }
        self.most.tx_dropped = self.most.tx_dropped.max(now.tx_dropped);
    }
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

impl Counting {
    /// Settles the shortfall of an interface that is gone, as far as its own last counters tell. Returns whether anything changed.
    pub(crate) fn settle_gone(
        &mut self,
        slot: Slot,
        counted: &Snapshot,
        carried: &Carried,
    ) -> Result<bool, EbpfError> {
        let is_its =
            |reading: &&MeterReading| matches!(reading.meter.id, MeterId::Slot(its, _) if its == slot);
        let Some(reading) = counted.meters.iter().find(is_its) else { return Ok(false) };
        let Some(before) = self.meters.get(slot).copied() else { return Ok(false) };
        let sighting = Sighting::new(&reading.total(), &carried.most);
        self.meters.update(&mut self.maps, slot, |record| sighting.settle_gone(record, carried.is_final))?;
        Ok(self.meters.get(slot) != Some(&before))
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

impl Sighting {
    /// The same for one that is gone. Counters that say less than was counted are older than that.
    fn settle_gone(&self, record: &mut MeterRecord, is_final: PerDirection<bool>) {
        for direction in Direction::ALL {
            let at = direction as usize;
            let dropped = direction == Direction::Received && self.dropped != record.dropped_at_attach;
            let (counted, carried) = (self.counted.get(direction), self.carried.get(direction));
            let is_older = carried.1 < counted.1 || carried.0 < counted.0;
            if record.shortfall_settled[at] != 0 || dropped || is_older {
                continue;
            }
            record.shortfall_bytes[at] = carried.0 - counted.0;
            record.shortfall_packets[at] = carried.1 - counted.1;
            record.shortfall_settled[at] = u8::from(*is_final.get(direction));
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

    fn link(up: bool, carrier: bool, received: u64, transmitted: u64) -> Link {
        Link {
            ifindex: crate::accounting::fixtures::ifindex(7),
            name: "veth7".to_owned(),
            kind: crate::links::LinkKind::Veth,
            up,
            carrier,
            mac: None,
            master: None,
            peer_netns: None,
            peer_index: None,
            counters: Some(LinkCounters {
                rx_bytes: 100 * received,
                rx_packets: received,
                tx_bytes: 100 * transmitted,
                tx_packets: transmitted,
                ..LinkCounters::default()
            }),
            queue_length: None,
        }
    }

    /// Counted: nothing but what the interface has carried less these packets, by the container's directions.
    fn settled(carried: &Carried, counted: (u64, u64)) -> ([u64; 2], [u8; 2]) {
        let amount = |packets: u64| {
            let frames = Frames { skb_bytes: 100 * packets, ..Frames::default() };
            Amount { frames: Some(frames), skbs: packets, ..Amount::default() }
        };
        let counted = PerDirection { rx: amount(counted.0), tx: amount(counted.1) };
        let mut record = MeterRecord::FREE;
        Sighting::new(&counted, &carried.most).settle_gone(&mut record, carried.is_final);
        (record.shortfall_packets, record.shortfall_settled)
    }

    #[test]
    fn last_counters_of_an_interface_without_carrier_settle_what_was_missed() {
        let mut carried = Carried::default();
        carried.note(&link(true, true, 10, 20));
        assert_eq!(settled(&carried, (18, 9)), ([2, 1], [0, 0]), "it may have carried more since");
        carried.note(&link(true, false, 12, 25));
        assert_eq!(settled(&carried, (18, 9)), ([7, 3], [1, 1]));
        // Its peer is gone, and with it what that has counted.
        carried.note(&link(false, false, 0, 25));
        assert_eq!(settled(&carried, (18, 9)), ([7, 3], [1, 1]));
        assert_eq!(
            settled(&carried, (26, 13)),
            ([0, 0], [0, 0]),
            "what is older than the counts says nothing"
        );
    }

    #[test]
    fn interface_whose_peer_went_first_leaves_a_bound_of_what_was_missed() {
        let mut carried = Carried::default();
        carried.note(&link(true, true, 12, 20));
        carried.note(&link(false, false, 0, 25));
        assert_eq!(settled(&carried, (18, 9)), ([7, 3], [1, 0]));
    }
}
