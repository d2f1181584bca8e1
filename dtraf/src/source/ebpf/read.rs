//! One reading of all counters.

mod amounts;
mod counts;
mod places;
mod sums;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use dtraf_common::abi::{FrameCounters, MeterRecord, ORPHAN_SLOT};
use dtraf_common::key::PeerKey;

use self::counts::{Counts, SlotCounts, slot_totals};
use self::places::Places;
use self::sums::PerCpu;
use super::error::EbpfError;
use super::mapped::Access;
use super::maps::{Maps, pinned_geometry};
use super::meters::{Attachment, Meters, attachment, slot_number};
use super::pins::PinDirectory;
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::{Generation, Slot, Timestamp};
use crate::accounting::snapshot::{MeterId, MeterReading, Snapshot};

/// Looks at the maps of a dtraf that runs, or has run, and changes nothing.
#[derive(Debug)]
pub(crate) struct Reader {
    maps: Maps,
}

impl Reader {
    pub(crate) fn open(pins: &PinDirectory) -> Result<Self, EbpfError> {
        let geometry = pinned_geometry(pins)?.ok_or_else(|| EbpfError::NothingPinned(pins.layout()))?;
        Ok(Self { maps: Maps::open(pins, geometry, Access::Read)? })
    }

    pub(crate) fn snapshot(&self, now: Timestamp) -> Result<Snapshot, EbpfError> {
        let meters = Meters::find(&self.maps)?;
        let mut snapshot = snapshot(&self.maps, &meters, now);
        // The daemon beside may have freed a slot meanwhile, or used it again.
        let after = Meters::find(&self.maps)?;
        let is_same = |slot: Slot| {
            let state = |meters: &Meters| meters.get(slot).map(|record| (record.generation, record.state));
            state(&meters).map(|(generation, _)| generation)
                == state(&after).map(|(generation, _)| generation)
                && state(&after).is_some_and(|(_, state)| state != MeterRecord::STATE_CLEARING)
        };
        let is_there = |meter: &MeterId| matches!(meter, MeterId::Slot(slot, _) if is_same(*slot));
        snapshot.meters.retain(|reading| is_there(&reading.meter.id));
        for origins in snapshot.meters.iter_mut().filter_map(|reading| reading.origins.as_mut()) {
            origins.retain(|from, _| is_there(from));
        }
        Ok(snapshot)
    }

    pub(crate) fn orphans(&self) -> PerDirection<Amount> {
        orphans(&self.maps)
    }
}

/// The words of [`FrameCounters`].
type PairWords = [u64; size_of::<FrameCounters>() / size_of::<u64>()];

/// How often a meter is read again because packets were counted while it was read.
const ATTEMPTS: u32 = 50;
/// After so many attempts, a new key may be the reason.
const SAME_KEYS: u32 = 3;

/// Everything counted so far, by meter.
///
/// All meters are read in one go, in the order that they have in memory; then each at which something was counted meanwhile
/// is read again alone, until its books balance. Where packets come faster than that, its ports may be some packets ahead of
/// its totals.
pub(super) fn snapshot(maps: &Maps, meters: &Meters, now: Timestamp) -> Snapshot {
    // First, so that no pair has more than its receiver's total.
    let mut origins = origins(maps, meters);
    let places = places(maps);
    let attachments: Vec<_> = meters.iter().filter_map(|(slot, record)| attachment(slot, record)).collect();
    let slots: Vec<_> = attachments.iter().map(|attachment| attachment.slot).collect();
    let counts = Counts::of_all(maps, &places, &slots);
    let mut latest = Cow::Borrowed(&places);
    let mut readings = Vec::with_capacity(attachments.len());
    for (nth, attachment) in attachments.into_iter().enumerate() {
        let slot = attachment.slot;
        let origins = origins.remove(&slot).unwrap_or_default();
        let numbers = places.of(slot);
        let read = counts.slot(nth, numbers.clone(), &places.keys()[numbers]);
        readings.push(if read.is_balanced() {
            reading(attachment, read, origins)
        } else {
            read_again(maps, &mut latest, attachment, origins)
        });
    }
    Snapshot { taken_at: now, meters: readings }
}

/// Reads one meter alone: less is counted meanwhile.
fn read_again(
    maps: &Maps,
    places: &mut Cow<'_, Places>,
    attachment: Attachment,
    origins: BTreeMap<MeterId, Amount>,
) -> MeterReading {
    let slot = attachment.slot;
    let mut attempt = 1;
    loop {
        let counts = Counts::of_one(maps, places, slot);
        let numbers = places.of(slot);
        let read = counts.slot(0, 0..numbers.len(), &places.keys()[numbers]);
        attempt += 1;
        if read.is_balanced() || attempt == ATTEMPTS {
            return reading(attachment, read, origins);
        }
        if attempt > SAME_KEYS {
            *places = Cow::Owned(self::places(maps));
        }
    }
}

/// What each slot received straight from which meter's container.
fn origins(maps: &Maps, meters: &Meters) -> BTreeMap<Slot, BTreeMap<MeterId, Amount>> {
    let keys = maps.peers.keys().map(|(key, at)| (PeerKey::unpack(key), at));
    let sender = |from: u16| {
        let sender = meters.get(Slot(from))?;
        Some(MeterId::Slot(Slot(from), Generation(sender.generation)))
    };
    let pairs = keys.filter_map(|(PeerKey { from, to }, at)| Some(((sender(from)?, Slot(to)), at)));
    let (pairs, positions): (Vec<_>, Vec<_>) = pairs.unzip();
    let (size, counters) = (maps.peers.size, &maps.peers.counters);
    let mut origins = BTreeMap::<_, BTreeMap<_, _>>::new();
    PerCpu { cpus: size.cpus, stride: size.positions() }.sum_each(
        &positions,
        |index| counters.prefetch(index),
        |index, sum: &mut PairWords| counters.add(index, 0, sum),
        |nth, words| {
            let (from, to) = pairs[nth];
            origins.entry(to).or_default().insert(from, amounts::amount(zerocopy::transmute!(*words)));
        },
    );
    origins
}

/// Where the port counters of each slot are.
fn places(maps: &Maps) -> Places {
    // Before the directory: a place whose amounts were folded meanwhile is missing, and the books do not balance.
    let folded = maps.folded();
    Places::new(maps.ports.keys(), maps.geometry.slots, folded)
}

fn reading(
    attachment: Attachment,
    counts: SlotCounts<'_>,
    origins: BTreeMap<MeterId, Amount>,
) -> MeterReading {
    let totals = counts.totals();
    MeterReading {
        ports: amounts::ports(counts.ports()),
        buckets: PerDirection::from_fn(|direction| amounts::buckets(totals, direction)),
        scopes: PerDirection::from_fn(|direction| amounts::scopes(totals, direction)),
        flooded: amounts::flooded(totals),
        origins: Some(origins),
        meter: attachment.into_meter(),
    }
}

/// What came from interfaces that had no slot: nothing, unless something is wrong.
pub(super) fn orphans(maps: &Maps) -> PerDirection<Amount> {
    let totals = slot_totals(maps, slot_number(ORPHAN_SLOT));
    PerDirection::from_fn(|direction| amounts::scopes(&totals, direction).into_values().sum())
}

/// Waits until every program that was running has ended.
///
/// `MEMBARRIER_CMD_GLOBAL` waits for a grace period of RCU (`kernel/sched/membarrier.c`), in whose read side programs
/// run. Kernels that run some CPUs without ticks refuse it; there, sleeping must do.
pub(super) fn wait_for_programs() -> Result<(), EbpfError> {
    use rustix::io::Errno;
    use rustix::thread::{MembarrierCommand, membarrier};
    match membarrier(MembarrierCommand::Global) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::thread::sleep(std::time::Duration::from_millis(100));
            Ok(())
        }
        Err(errno) => Err(EbpfError::Membarrier(io::Error::from(errno))),
    }
}
