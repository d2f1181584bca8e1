//! What came between two reports. It is shown as a rate and never added to anything.

use std::time::Duration;

use crate::accounting::amount::{Amount, Frames, PerDirection};
use crate::accounting::identity::Timestamp;
use crate::accounting::report::{Figures, MeterRow, per_second};

/// An amount that came in one second. Not an [`Amount`], so that nobody books it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace(Amount);

impl Pace {
    /// `earlier` is taken for nothing where a counter went down: what somebody sees is never negative.
    pub(super) fn between(earlier: &Amount, later: &Amount, elapsed: Duration) -> Self {
        let rate = |earlier: u64, later: u64| per_second(later.saturating_sub(earlier), elapsed);
        let frames = earlier.frames.zip(later.frames).map(|(earlier, later)| Frames {
            wire_bytes: rate(earlier.wire_bytes, later.wire_bytes),
            packets: rate(earlier.packets, later.packets),
            ip_bytes: rate(earlier.ip_bytes, later.ip_bytes),
            skb_bytes: rate(earlier.skb_bytes, later.skb_bytes),
        });
        Self(Amount {
            frames,
            skb_ip_bytes: rate(earlier.skb_ip_bytes, later.skb_ip_bytes),
            skbs: rate(earlier.skbs, later.skbs),
        })
    }

    /// In the figures of an amount.
    pub(super) fn amount(&self) -> &Amount {
        &self.0
    }
}

impl std::ops::AddAssign for Pace {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// What a holder had at the time of the earlier report, and how long ago that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier<'a> {
    pub(super) figures: Option<&'a Figures>,
    pub(super) taken_at: Timestamp,
    pub(super) elapsed: Duration,
}

impl Earlier<'_> {
    /// The pace of all meters. They are compared one by one: one that has just been found to be this container's does not bring
    /// the traffic of all its life. `None` when nothing can be compared.
    pub(super) fn pace(&self, now: &Figures) -> Option<PerDirection<Pace>> {
        let paces: Vec<_> = now.meters.iter().filter_map(|meter| self.pace_of(meter)).collect();
        (!paces.is_empty()).then(|| paces.into_iter().sum())
    }

    /// The pace of one meter.
    pub(super) fn pace_of(&self, meter: &MeterRow) -> Option<PerDirection<Pace>> {
        let before = self.before(meter)?;
        Some(self.between(&before, &meter.total))
    }

    /// Whether the sums over all meters have grown by what was counted, and by nothing else.
    pub(super) fn is_comparable(&self, now: &Figures) -> bool {
        !now.meters.is_empty() && now.meters.iter().all(|meter| self.before(meter).is_some())
    }

    pub(super) fn between(
        &self,
        before: &PerDirection<Amount>,
        now: &PerDirection<Amount>,
    ) -> PerDirection<Pace> {
        let pace = |direction| Pace::between(before.get(direction), now.get(direction), self.elapsed);
        PerDirection::from_fn(pace)
    }

    fn before(&self, meter: &MeterRow) -> Option<PerDirection<Amount>> {
        let meters = self.figures.map_or(&[][..], |figures| &figures.meters);
        match meters.iter().find(|earlier| earlier.meter.id == meter.meter.id) {
            Some(earlier) => Some(earlier.total),
            None if meter.meter.attached_at >= self.taken_at => Some(PerDirection::default()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::{at, meter, packets};
    use crate::accounting::ledger::Book;
    use crate::accounting::snapshot::Meter;

    fn figures(meters: &[(Meter, u64)]) -> Figures {
        let meters = meters.iter().map(|(meter, count)| MeterRow {
            meter: meter.clone(),
            network: None,
            total: PerDirection { rx: packets(*count), tx: packets(2 * count) },
        });
        Figures {
            book: Book::default(),
            total: PerDirection::default(),
            rate: None,
            meters: meters.collect(),
            peers: None,
        }
    }

    fn bytes(pace: Option<PerDirection<Pace>>) -> Option<[u64; 2]> {
        let wire = |pace: Pace| pace.amount().frames.map(|frames| frames.wire_bytes);
        pace.and_then(|pace| Some([wire(pace.rx)?, wire(pace.tx)?]))
    }

    #[test]
    fn a_pace_is_what_came_in_a_second() {
        let (before, now) = (figures(&[(meter(1), 10)]), figures(&[(meter(1), 16)]));
        let earlier = Earlier { figures: Some(&before), taken_at: at(5), elapsed: Duration::from_secs(2) };
        assert_eq!(bytes(earlier.pace(&now)), Some([3000, 6000]));
        assert!(earlier.is_comparable(&now));
    }

    #[test]
    fn a_counter_that_went_down_is_no_negative_pace() {
        let (before, now) = (figures(&[(meter(1), 10)]), figures(&[(meter(1), 9)]));
        let earlier = Earlier { figures: Some(&before), taken_at: at(5), elapsed: Duration::from_secs(1) };
        assert_eq!(bytes(earlier.pace(&now)), Some([0, 0]));
    }

    #[test]
    fn an_old_meter_that_was_just_found_to_be_the_containers_has_no_pace() {
        let now = figures(&[(meter(1), 1_000_000)]);
        let earlier = Earlier { figures: None, taken_at: at(5), elapsed: Duration::from_secs(1) };
        assert_eq!(earlier.pace(&now), None);
        assert!(!earlier.is_comparable(&now));
        let fresh = figures(&[(Meter { attached_at: at(6), ..meter(1) }, 4)]);
        assert_eq!(bytes(earlier.pace(&fresh)), Some([4000, 8000]));
    }
}
