//! One reading of all counters.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::AtomicU64;

use dtraf_common::abi::{
    Bucket, Counters, Direction, ETHERNET_BYTES, MeterRecord, ORPHAN_SLOT, PortCounters, Scope,
    TaggedCounters, VLAN_BYTES,
};
use dtraf_common::key::{DirectoryKey, PeerKey, PortKey};
use zerocopy::FromZeros as _;

use super::error::EbpfError;
use super::mapped::{Access, Mapped, load};
use super::maps::{Maps, pinned_geometry};
use super::meters::{Attachment, Meters, attachment};
use super::pins::PinDirectory;
use crate::accounting::amount::{Amount, Frames, PerDirection};
use crate::accounting::identity::{Generation, Slot, Timestamp};
use crate::accounting::snapshot::{self, MeterId, MeterReading, Port, Snapshot};

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

/// How often a meter is read again because packets were counted while it was read.
const ATTEMPTS: u32 = 50;
/// After so many attempts, a new key may be the reason.
const SAME_KEYS: u32 = 3;

/// Everything counted so far, by meter.
///
/// Each meter's books balance: it is read again until nothing was counted meanwhile. Where packets come faster than that,
/// its ports may be some packets ahead of its totals.
pub(super) fn snapshot(maps: &Maps, meters: &Meters, now: Timestamp) -> Snapshot {
    // First, so that no pair has more than its receiver's total.
    let mut origins = origins(maps, meters);
    let mut places = places(maps);
    let mut readings = Vec::new();
    for (slot, record) in meters.iter() {
        let Some(attachment) = attachment(slot, record) else { continue };
        let mut reading = read(maps, &attachment, &places);
        for attempt in 1..ATTEMPTS {
            if is_balanced(&reading) {
                break;
            }
            if attempt > SAME_KEYS {
                places = self::places(maps);
            }
            reading = read(maps, &attachment, &places);
        }
        readings.push(MeterReading { origins: Some(origins.remove(&slot).unwrap_or_default()), ..reading });
    }
    Snapshot { taken_at: now, meters: readings }
}

/// What each slot received straight from which meter's container.
fn origins(maps: &Maps, meters: &Meters) -> BTreeMap<Slot, BTreeMap<MeterId, Amount>> {
    let mut origins = BTreeMap::<_, BTreeMap<_, _>>::new();
    for (key, at) in maps.peers.keys() {
        let PeerKey { from, to } = PeerKey::unpack(key);
        let Some(sender) = meters.get(Slot(from)) else { continue };
        let words: [u64; TAGGED_WORDS] = sum(&maps.peers.counters, maps.peers.values(at), 0);
        let TaggedCounters { counters, vlan_bytes } = zerocopy::transmute!(words);
        let id = MeterId::Slot(Slot(from), Generation(sender.generation));
        origins.entry(Slot(to)).or_default().insert(id, amount(counters, Some(vlan_bytes)));
    }
    origins
}

/// Where the port counters of each slot are.
fn places(maps: &Maps) -> BTreeMap<Slot, Vec<(PortKey, u32)>> {
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for (key, at) in maps.ports.keys() {
        if let Ok(DirectoryKey::Port(key)) = DirectoryKey::try_from(key) {
            places.entry(Slot(key.slot)).or_default().push((key, at));
        }
    }
    places
}

fn read(maps: &Maps, attachment: &Attachment, places: &BTreeMap<Slot, Vec<(PortKey, u32)>>) -> MeterReading {
    let number = u32::from(attachment.slot.0);
    let mut ports = BTreeMap::<_, PerDirection<Amount>>::new();
    for (key, at) in places.get(&attachment.slot).into_iter().flatten() {
        *ports.entry(port(*key)).or_default() += port_amounts(maps, *key, *at);
    }
    MeterReading {
        meter: attachment.meter(),
        ports,
        buckets: PerDirection::from_fn(|direction| slot_buckets(maps, number, direction)),
        scopes: PerDirection::from_fn(|direction| slot_scopes(maps, number, direction)),
        origins: None,
    }
}

fn is_balanced(reading: &MeterReading) -> bool {
    let total = reading.total();
    Direction::ALL.iter().all(|direction| {
        let ports: Amount = reading.ports.values().map(|amounts| *amounts.get(*direction)).sum();
        let buckets: Amount = reading.buckets.get(*direction).values().copied().sum();
        let (sum, total) = (ports + buckets, total.get(*direction));
        sum.frames.map(|frames| (frames.wire_bytes, frames.packets))
            == total.frames.map(|frames| (frames.wire_bytes, frames.packets))
            && sum.skbs == total.skbs
    })
}

/// What came from interfaces that had no slot: nothing, unless something is wrong.
pub(super) fn orphans(maps: &Maps) -> PerDirection<Amount> {
    PerDirection::from_fn(|direction| slot_scopes(maps, ORPHAN_SLOT, direction).into_values().sum())
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

const TAGGED_WORDS: usize = size_of::<TaggedCounters>() / 8;

fn slot_scopes(maps: &Maps, slot: u32, direction: Direction) -> BTreeMap<Option<Scope>, Amount> {
    let first = direction as usize * Scope::ALL.len();
    let amount = |scope: &Scope| {
        let counters = sum_tagged(maps, slot, first + *scope as usize);
        let has_ip = *scope != Scope::Other;
        (Some(*scope), amount(counters.counters, has_ip.then_some(counters.vlan_bytes)))
    };
    Scope::ALL.iter().map(amount).filter(|(_, amount)| !amount.is_zero()).collect()
}

fn slot_buckets(maps: &Maps, slot: u32, direction: Direction) -> BTreeMap<snapshot::Bucket, Amount> {
    let first = 2 * Scope::ALL.len() + direction as usize * Bucket::ALL.len();
    let amount = |bucket: &Bucket| {
        let counters = sum_tagged(maps, slot, first + *bucket as usize);
        let has_ip = !matches!(bucket, Bucket::L2 | Bucket::Foreign | Bucket::Unparsed);
        (snapshot::Bucket::Program(*bucket), amount(counters.counters, has_ip.then_some(counters.vlan_bytes)))
    };
    Bucket::ALL.iter().map(amount).filter(|(_, amount)| !amount.is_zero()).collect()
}

/// The `nth` counters of a slot, summed over CPUs.
fn sum_tagged(maps: &Maps, slot: u32, nth: usize) -> TaggedCounters {
    let values = (0..maps.geometry.cpus).map(|cpu| cpu * maps.geometry.slots + slot);
    let words: [u64; TAGGED_WORDS] = sum(&maps.totals, values, nth * TAGGED_WORDS);
    zerocopy::transmute!(words)
}

fn port_amounts(maps: &Maps, key: PortKey, at: u32) -> PerDirection<Amount> {
    let words: [u64; size_of::<PortCounters>() / 8] = sum(&maps.ports.counters, maps.ports.values(at), 0);
    let counters: PortCounters = zerocopy::transmute!(words);
    PerDirection::from_fn(|direction| {
        let counters = counters.directions[direction as usize];
        let packets = counters.skbs + counters.added_packets;
        amount(counters, Some(packets * u64::from(key.vlan_tags) * u64::from(VLAN_BYTES)))
    })
}

/// Words from `first` on, summed over the values at `indexes`.
fn sum<T, const N: usize>(mapped: &Mapped<T>, indexes: impl Iterator<Item = u32>, first: usize) -> [u64; N] {
    let mut words = <[u64; N]>::new_zeroed();
    for index in indexes {
        let there: &[AtomicU64] = &mapped.words(index as usize)[first..first + N];
        for (word, there) in words.iter_mut().zip(there) {
            *word = word.wrapping_add(load(there));
        }
    }
    words
}

/// `vlan_bytes` is `None` for what is not IP.
fn amount(counters: Counters, vlan_bytes: Option<u64>) -> Amount {
    let wire_bytes = counters.skb_bytes.wrapping_add(counters.added_bytes);
    let packets = counters.skbs + counters.added_packets;
    let ethernet = u64::from(ETHERNET_BYTES);
    let link_bytes = vlan_bytes.map(|vlan_bytes| packets * ethernet + vlan_bytes);
    // A tag is in an skb's metadata, not in its bytes.
    let skb_link_bytes = vlan_bytes.map(|_| counters.skbs * ethernet);
    let above = |bytes: u64, link_bytes: Option<u64>| link_bytes.map_or(0, |link| bytes.saturating_sub(link));
    let frames = Frames {
        wire_bytes,
        packets,
        ip_bytes: above(wire_bytes, link_bytes),
        skb_bytes: counters.skb_bytes,
    };
    Amount {
        frames: Some(frames),
        skb_ip_bytes: above(counters.skb_bytes, skb_link_bytes),
        skbs: counters.skbs,
    }
}

fn port(key: PortKey) -> Port {
    Port {
        protocol: key.protocol,
        port: key.port,
        role: key.role,
        family: key.family,
        scope: Some(key.scope),
    }
}
