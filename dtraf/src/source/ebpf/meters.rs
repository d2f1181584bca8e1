//! Which slot belongs to which interface: the `METERS` and `INTERFACES` maps, and this process's copy of them.

use std::collections::{BTreeMap, BTreeSet};

use dtraf_common::abi::{INTERFACE_PROBES, Interface, MeterRecord, ORPHAN_SLOT, maps};

use super::error::EbpfError;
use super::maps::Maps;
use super::plain::Plain;
use crate::accounting::amount::PerDirection;
use crate::accounting::identity::{ContainerId, Generation, IfIndex, Slot, Timestamp};
use crate::accounting::snapshot::{ContainerName, HookKind, Life, Meter, MeterId, Point, Shortfall, TcHook};

/// An interface that is, or was, attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) slot: Slot,
    pub(crate) generation: Generation,
    pub(crate) ifindex: IfIndex,
    /// Name of the host's end.
    pub(crate) interface: String,
    pub(crate) life: Life,
    pub(crate) hook: TcHook,
    pub(crate) attached_at: Timestamp,
    pub(crate) shortfall: PerDirection<Shortfall>,
    /// The container behind it, as it was last known.
    pub(crate) container: Option<ContainerName>,
}

impl Attachment {
    pub(crate) fn id(&self) -> MeterId {
        MeterId::Slot(self.slot, self.generation)
    }

    pub(super) fn into_meter(self) -> Meter {
        Meter {
            id: self.id(),
            point: Point::Interface { ifindex: self.ifindex, name: self.interface },
            life: self.life,
            hook: HookKind::Tc(self.hook),
            attached_at: self.attached_at,
            shortfall: Some(self.shortfall),
            container: self.container,
        }
    }
}

/// The records of all slots in use.
#[derive(Debug, Default)]
pub(super) struct Meters {
    records: BTreeMap<Slot, MeterRecord>,
    /// By the numbers of the interfaces that are there.
    live: BTreeMap<u32, Slot>,
    newest: u64,
}

/// What the programs were told about an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The container's.
    pub(crate) mac: Option<u64>,
    /// Of the bridge that it is a port of.
    pub(crate) bridge_mac: Option<u64>,
    pub(crate) traced: bool,
}

impl Meters {
    /// Reads what earlier processes have left.
    pub(super) fn find(maps: &Maps) -> Result<Self, EbpfError> {
        let mut meters = Self::default();
        for slot in ORPHAN_SLOT + 1..maps.geometry.slots {
            let Plain(record) =
                maps.meters.get(&slot, 0).map_err(|source| EbpfError::Map { map: maps::METERS, source })?;
            meters.newest = meters.newest.max(record.generation);
            meters.note(slot_number(slot), &record);
        }
        Ok(meters)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &MeterRecord)> {
        self.records.iter().map(|(slot, record)| (*slot, record))
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&MeterRecord> {
        self.records.get(&slot)
    }

    /// Those that are attached.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = IfIndex> {
        self.live.keys().filter_map(|ifindex| std::num::NonZeroU32::new(*ifindex)).map(IfIndex)
    }

    /// The slot of an interface that is attached.
    pub(super) fn live(&self, ifindex: IfIndex) -> Option<Slot> {
        self.live.get(&ifindex.0.get()).copied()
    }

    /// A free slot and the generation of the meter that will have it.
    pub(super) fn allocate(&mut self, maps: &Maps, interface: &str) -> Result<(Slot, Generation), EbpfError> {
        let slots = maps.geometry.slots;
        // The first gap in the row of those in use.
        let mut used = self.records.keys().copied().peekable();
        let is_free = |slot: &Slot| used.next_if_eq(slot).is_none();
        let slot = (ORPHAN_SLOT + 1..slots).map(slot_number).find(is_free);
        let slot =
            slot.ok_or_else(|| EbpfError::NoSlot { interface: interface.to_owned(), slots: slots - 1 })?;
        self.newest += 1;
        Ok((slot, Generation(self.newest)))
    }

    /// Writes a record, in the kernel first.
    pub(super) fn write(
        &mut self,
        maps: &mut Maps,
        slot: Slot,
        record: &MeterRecord,
    ) -> Result<(), EbpfError> {
        maps.meters
            .set(u32::from(slot.0), Plain(*record), 0)
            .map_err(|source| EbpfError::Map { map: maps::METERS, source })?;
        self.note(slot, record);
        Ok(())
    }

    fn note(&mut self, slot: Slot, record: &MeterRecord) {
        let before = if record.state == MeterRecord::STATE_FREE {
            self.records.remove(&slot)
        } else {
            self.records.insert(slot, *record)
        };
        if let Some(before) = before.filter(|before| before.state == MeterRecord::STATE_LIVE) {
            self.live.remove(&before.ifindex);
        }
        if record.state == MeterRecord::STATE_LIVE {
            self.live.insert(record.ifindex, slot);
        }
    }

    /// Changes a record, if that changes anything.
    pub(super) fn update(
        &mut self,
        maps: &mut Maps,
        slot: Slot,
        change: impl FnOnce(&mut MeterRecord),
    ) -> Result<(), EbpfError> {
        let Some(mut record) = self.records.get(&slot).copied() else { return Ok(()) };
        change(&mut record);
        if self.records.get(&slot) == Some(&record) { Ok(()) } else { self.write(maps, slot, &record) }
    }
}

/// Stands in the place of an interface that is no more, where others may stand behind it.
const VACANT: u32 = u32::MAX;

/// Makes an interface known to the programs.
pub(super) fn register(maps: &mut Maps, entry: Interface, name: &str) -> Result<(), EbpfError> {
    let mut free = None;
    for index in neighbours(maps, entry.ifindex) {
        let there = interface_at(maps, index)?;
        if there.ifindex == entry.ifindex {
            free = Some(index);
            break;
        }
        if matches!(there.ifindex, 0 | VACANT) && free.is_none() {
            free = Some(index);
        }
        if there.ifindex == 0 {
            break;
        }
    }
    let index =
        free.ok_or_else(|| EbpfError::NoSlot { interface: name.to_owned(), slots: maps.geometry.slots - 1 })?;
    set_interface(maps, index, entry)
}

/// The registration of an interface.
pub(super) fn registration(maps: &Maps, ifindex: u32) -> Result<Option<(u32, Interface)>, EbpfError> {
    for index in neighbours(maps, ifindex) {
        let there = interface_at(maps, index)?;
        if there.ifindex == ifindex {
            return Ok(Some((index, there)));
        }
        if there.ifindex == 0 {
            break;
        }
    }
    Ok(None)
}

/// Makes the programs forget an interface. They stop looking where nothing stands, so its place stays taken until nothing
/// stands behind it.
pub(super) fn unregister(maps: &mut Maps, ifindex: u32) -> Result<(), EbpfError> {
    let Some((index, _)) = registration(maps, ifindex)? else { return Ok(()) };
    let mask = maps.geometry.interfaces - 1;
    let is_last = interface_at(maps, index.wrapping_add(1) & mask)?.ifindex == 0;
    let ifindex = if is_last { 0 } else { VACANT };
    set_interface(maps, index, Interface { ifindex, ..Interface::default() })?;
    if !is_last {
        return Ok(());
    }
    let mut before = index.wrapping_sub(1) & mask;
    while interface_at(maps, before)?.ifindex == VACANT {
        set_interface(maps, before, Interface::default())?;
        before = before.wrapping_sub(1) & mask;
    }
    Ok(())
}

/// Bridges that are registered.
pub(super) fn registered_bridges(maps: &Maps) -> Result<BTreeSet<u32>, EbpfError> {
    let mut bridges = BTreeSet::new();
    for index in 0..maps.geometry.interfaces {
        let there = interface_at(maps, index)?;
        if there.flags & Interface::CONTAINER_BRIDGE != 0 {
            bridges.insert(there.ifindex);
        }
    }
    Ok(bridges)
}

fn interface_at(maps: &Maps, index: u32) -> Result<Interface, EbpfError> {
    let there = maps.interfaces.get(&index, 0);
    there.map(|Plain(there)| there).map_err(|source| EbpfError::Map { map: maps::INTERFACES, source })
}

fn set_interface(maps: &mut Maps, index: u32, entry: Interface) -> Result<(), EbpfError> {
    maps.interfaces
        .set(index, Plain(entry), 0)
        .map_err(|source| EbpfError::Map { map: maps::INTERFACES, source })
}

/// The entries where the programs look for an interface.
fn neighbours(maps: &Maps, ifindex: u32) -> impl Iterator<Item = u32> + use<> {
    let mask = maps.geometry.interfaces - 1;
    (0..INTERFACE_PROBES).map(move |probe| ifindex.wrapping_add(probe) & mask)
}

pub(super) fn slot_number(slot: u32) -> Slot {
    Slot(u16::try_from(slot).expect("a map has at most 65,535 slots"))
}

/// What a record says, in the words of the core. `None` for slots without a meter.
pub(super) fn attachment(slot: Slot, record: &MeterRecord) -> Option<Attachment> {
    let life = match record.state {
        MeterRecord::STATE_LIVE => Life::Live,
        MeterRecord::STATE_RETIRED => Life::Retired,
        _ => return None,
    };
    let shortfall = |direction: dtraf_common::abi::Direction| Shortfall {
        skb_bytes: record.shortfall_bytes[direction as usize],
        skbs: record.shortfall_packets[direction as usize],
        settled: record.shortfall_settled[direction as usize] != 0,
    };
    Some(Attachment {
        slot,
        generation: Generation(record.generation),
        ifindex: IfIndex(std::num::NonZeroU32::new(record.ifindex)?),
        interface: interface_name(record),
        life,
        hook: hook(record),
        attached_at: Timestamp::from_unix_ns(record.attached_at_ns),
        shortfall: PerDirection::from_fn(shortfall),
        container: container(record),
    })
}

pub(super) fn hook(record: &MeterRecord) -> TcHook {
    if record.hook == MeterRecord::HOOK_CLSACT { TcHook::Clsact } else { TcHook::Tcx }
}

pub(super) fn interface_name(record: &MeterRecord) -> String {
    let name = record.interface.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn container(record: &MeterRecord) -> Option<ContainerName> {
    let name = record.name.get(..usize::from(record.name_len))?;
    (record.container_known != 0).then(|| ContainerName {
        id: ContainerId::from_bytes(record.container),
        name: String::from_utf8_lossy(name).into_owned(),
    })
}

/// Cuts a text to the bytes of a field, at a character.
pub(super) fn put_text(field: &mut [u8], text: &str) -> usize {
    let mut len = text.len().min(field.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    field.fill(0);
    field[..len].copy_from_slice(&text.as_bytes()[..len]);
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_too_long_is_cut_at_a_character() {
        let mut field = [9; 5];
        assert_eq!(put_text(&mut field, "aébcd"), 5);
        assert_eq!(put_text(&mut field, "abcdé"), 4);
        assert_eq!(&field, b"abcd\0");
    }

    #[test]
    fn a_record_says_what_was_put_into_it() {
        let mut record = MeterRecord {
            state: MeterRecord::STATE_LIVE,
            ifindex: 7,
            container_known: 1,
            ..MeterRecord::FREE
        };
        record.name_len = u8::try_from(put_text(&mut record.name, "web1")).unwrap();
        put_text(&mut record.interface, "veth1234567");
        let attachment = attachment(Slot(3), &record).unwrap();
        assert_eq!(
            (attachment.interface.as_str(), attachment.container.unwrap().name.as_str()),
            ("veth1234567", "web1")
        );
        assert_eq!(super::attachment(Slot(3), &MeterRecord::FREE), None);
    }
}
