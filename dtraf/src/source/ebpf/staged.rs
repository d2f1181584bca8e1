//! For benchmarks: real maps, pinned and mapped as ever, with counts in them that no packet has made.

use dtraf_common::abi::{Counters, Direction, Family, FrameCounters, MeterRecord, PortCounters, Role, Scope};
use dtraf_common::key::{PortKey, slot_of};
use zerocopy::IntoBytes as _;

use super::Limits;
use super::attach::HookChoice;
use super::error::EbpfError;
use super::geometry::{possible_cpus, sized};
use super::load::Options;
use super::mapped::{Access, load};
use super::maps::{Maps, write_geometry};
use super::meters::{Meters, put_text, slot_number};
use super::pins::{PinDirectory, PinLock};
use super::programs::{Constants, open_object};
use super::read::snapshot;
use super::table::Put;
use crate::accounting::identity::Timestamp;
use crate::accounting::snapshot::Snapshot;

/// Skbs that each CPU has counted at each port, in each direction, of 1,000 bytes each.
const SKBS: u64 = 3;
const WORD: usize = size_of::<u64>();

/// Maps of a host that has counted.
#[derive(Debug)]
pub(crate) struct Staged {
    maps: Maps,
    meters: Meters,
    counters: u32,
    _lock: PinLock,
}

impl Staged {
    /// Makes maps for a host with so many CPUs (its own, where none is said), `meters` interfaces, and `ports` entries for
    /// each of them. Nothing must be pinned there.
    pub(crate) fn new(
        pins: &PinDirectory,
        cpus: Option<u32>,
        limits: Limits,
        meters: u16,
        ports: u16,
    ) -> Result<Self, EbpfError> {
        let lock = pins.claim()?;
        let cpus = cpus.map_or_else(possible_cpus, Ok)?;
        let geometry = sized(limits, cpus, 0x9e37_79b9_7f4a_7c15);
        let options = Options { limits, hooks: HookChoice::Auto, trace: false };
        drop(open_object(pins, geometry, &Constants::new(geometry, &options))?);
        write_geometry(pins, geometry)?;
        let mut maps = Maps::open(pins, geometry, Access::Write)?;
        let mut counters = 0;
        for slot in 1..=meters {
            for port in 0..ports {
                let has_room = maps.ports.put(key(slot, port).pack()) != Put::NoRoom;
                counters += u32::from(has_room);
            }
        }
        let mut staged = Self { meters: Meters::default(), counters, maps, _lock: lock };
        for slot in 1..=meters {
            staged.meters.write(&mut staged.maps, slot_number(slot.into()), &record(slot))?;
        }
        staged.count();
        Ok(staged)
    }

    /// How many port counters there are: a few of those that were asked for may have found no room.
    pub(crate) fn counters(&self) -> u32 {
        self.counters
    }

    /// As a daemon reads its own maps.
    pub(crate) fn snapshot(&self, now: Timestamp) -> Snapshot {
        snapshot(&self.maps, &self.meters, now)
    }

    /// Counts at every port and in the slots that ports belong to.
    fn count(&self) {
        let counted = Counters { skb_bytes: 1000 * SKBS, skbs: SKBS, added_bytes: 0, added_packets: 0 };
        let at_port = PortCounters { directions: [counted; 2] };
        for (key, at) in self.maps.ports.keys() {
            for index in self.maps.ports.values(at) {
                for (word, value) in words(at_port.as_bytes()).enumerate() {
                    self.maps.ports.counters.store(index as usize, word, value);
                }
            }
            for cpu in 0..self.maps.geometry.cpus {
                self.add_to_slot(cpu, slot_of(key), counted);
            }
        }
    }

    fn add_to_slot(&self, cpu: u32, slot: u16, counted: Counters) {
        let index = (cpu * self.maps.geometry.slots + u32::from(slot)) as usize;
        for direction in Direction::ALL {
            let first = direction as usize * Scope::ALL.len() + Scope::Internet as usize;
            let first = first * (size_of::<FrameCounters>() / WORD);
            for (word, value) in words(counted.as_bytes()).enumerate() {
                let before = load(&self.maps.totals.words(index)[first + word]);
                self.maps.totals.store(index, first + word, before + value);
            }
        }
    }
}

fn key(slot: u16, port: u16) -> PortKey {
    PortKey {
        slot,
        family: Family::V4,
        protocol: 6,
        role: Role::Client,
        scope: Scope::Internet,
        port: 1024 + port,
    }
}

/// The interface of slot N has the number N.
fn record(slot: u16) -> MeterRecord {
    let mut record = MeterRecord {
        state: MeterRecord::STATE_LIVE,
        ifindex: slot.into(),
        generation: slot.into(),
        shortfall_settled: [1; 2],
        hook: MeterRecord::HOOK_TCX,
        ..MeterRecord::FREE
    };
    put_text(&mut record.interface, &format!("veth{slot}"));
    record
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<WORD>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes))
}
