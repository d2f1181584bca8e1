//! A meter's life: attached, named, retired, booked, freed.
//!
//! Each step is written to the kernel before the next begins, so that a process killed between two of them is followed by
//! one that knows where to go on.

use std::collections::{BTreeMap, BTreeSet};

use dtraf_common::abi::{Interface as Registration, MeterRecord, ORPHAN_SLOT, SlotState, maps};
use dtraf_common::key::{PeerKey, slot_of};

use super::attach::{
    HookChoice, Interface, Rush, TcxAttached, add_clsact, attach_clsact, attach_tcx, detach_clsact,
    has_no_clsact, has_tcx_programs, replace, unpin_links,
};
use super::error::EbpfError;
use super::load::Counting;
use super::meters::{
    Attachment, Registered, attachment, hook, interface_name, put_text, register, registration, unregister,
};
use super::plain::Plain;
use super::programs::Programs;
use super::read::{orphans, snapshot, wait_for_programs};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::identity::{ContainerId, IfIndex, Slot, Timestamp};
use crate::accounting::snapshot::{ContainerName, Life, MeterId, MeterReading, Snapshot, TcHook};
use crate::links::Link;

impl Counting {
    /// Everything counted so far.
    pub(crate) fn snapshot(&self, now: Timestamp) -> Snapshot {
        snapshot(&self.maps, &self.meters, now)
    }

    /// All interfaces that have a meter, those that are there and those that are gone.
    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        self.meters.iter().filter_map(|(slot, record)| attachment(slot, record)).collect()
    }

    /// Those that are there.
    pub(crate) fn interfaces(&self) -> Vec<IfIndex> {
        self.meters.interfaces().collect()
    }

    /// The containers that have one of them, as they were last known.
    pub(crate) fn containers(&self) -> BTreeSet<ContainerId> {
        let live = self.attachments().into_iter().filter(|attachment| attachment.life == Life::Live);
        live.filter_map(|attachment| Some(attachment.container?.id)).collect()
    }

    /// Which maps these are: others have another number.
    pub(crate) fn seed(&self) -> u64 {
        self.maps.geometry.seed
    }

    /// What was counted for no slot.
    pub(crate) fn orphans(&self) -> PerDirection<Amount> {
        orphans(&self.maps)
    }

    /// Takes over what an earlier process has left: completes what it had begun, retires the meters of interfaces that
    /// are gone, and puts this process's programs in place on the others.
    pub(crate) fn adopt(&mut self, links: &[Link]) -> Result<(), EbpfError> {
        let left: Vec<(Slot, MeterRecord)> =
            self.meters.iter().map(|(slot, record)| (slot, *record)).collect();
        let links: BTreeMap<u32, &Link> = links.iter().map(|link| (link.ifindex.0.get(), link)).collect();
        for (slot, record) in left {
            match record.state {
                MeterRecord::STATE_CLEARING => self.clear(slot)?,
                MeterRecord::STATE_LIVE => {
                    let name = interface_name(&record);
                    let Some(link) = links.get(&record.ifindex).filter(|link| link.name == name) else {
                        self.retire_slot(slot)?;
                        continue;
                    };
                    if let Err(error) = self.adopt_one(slot, &record, link) {
                        // If it is gone, netlink is about to say so; if not, what was attached goes on counting.
                        log::error!("take over {}: {error}", link.name);
                    }
                }
                _ => {}
            }
        }
        self.complete_folding()?;
        self.maps.ports.free_abandoned()?;
        self.maps.peers.free_abandoned()?;
        self.recount_pairs()?;
        self.drop_stray_pins()?;
        Programs::forget_others(&self.pins, &self.tag)?;
        Ok(())
    }

    fn adopt_one(&mut self, slot: Slot, record: &MeterRecord, link: &Link) -> Result<(), EbpfError> {
        if registration(&self.maps, record.ifindex)?.is_none() {
            // The process before ended between noting the interface and making it known.
            let entry =
                Registration { ifindex: record.ifindex, slot: u32::from(slot.0), ..Registration::default() };
            register(&mut self.maps, entry, &link.name)?;
        }
        let interface = Interface { ifindex: link.ifindex, name: &link.name };
        replace(&mut self.programs, &self.pins, &interface, hook(record))
    }

    /// Attaches to an interface, a port of the bridge with the address `bridge_mac`. When that fails nothing stays attached,
    /// and what was counted is kept as of one that is gone.
    pub(crate) fn attach(
        &mut self,
        link: &Link,
        bridge_mac: Option<u64>,
        rush: Rush,
        now: Timestamp,
    ) -> Result<Slot, EbpfError> {
        if let Some(slot) = self.meters.live(link.ifindex) {
            return Ok(slot);
        }
        let (slot, generation) = self.meters.allocate(&self.maps, &link.name)?;
        let before = link.counters.unwrap_or_default();
        let mut record = MeterRecord {
            state: MeterRecord::STATE_LIVE,
            ifindex: link.ifindex.0.get(),
            generation: generation.0,
            attached_at_ns: now.unix_ns(),
            // In the container's view: what the host's end has sent, the container has received.
            shortfall_bytes: [before.tx_bytes, before.rx_bytes],
            shortfall_packets: [before.tx_packets, before.rx_packets],
            dropped_at_attach: before.tx_dropped,
            hook: MeterRecord::HOOK_TCX,
            ..MeterRecord::FREE
        };
        put_text(&mut record.interface, &link.name);
        let has_carried = before.rx_packets != 0 || before.tx_packets != 0;
        if has_carried {
            self.closed.insert(slot);
        }
        let quota = if has_carried { 0 } else { self.ports_per_interface };
        self.maps.ports.set_state(slot, SlotState { quota, entries: 0 })?;
        // Until the tables are shared out anew, which is soon.
        let quota = self.maps.geometry.slots;
        self.maps.peers.set_state(slot, SlotState { quota, entries: 0 })?;
        self.meters.write(&mut self.maps, slot, &record)?;
        match self.attach_recorded(slot, link, bridge_mac, rush) {
            Ok(()) => Ok(slot),
            Err(error) => {
                if let Err(undo) = self.detach(slot, &link.name) {
                    log::warn!("undo attaching to {}: {undo}", link.name);
                }
                Err(error)
            }
        }
    }

    /// The record says what is about to be done before it is done.
    fn attach_recorded(
        &mut self,
        slot: Slot,
        link: &Link,
        bridge_mac: Option<u64>,
        rush: Rush,
    ) -> Result<(), EbpfError> {
        let entry = Registration {
            ifindex: link.ifindex.0.get(),
            slot: u32::from(slot.0),
            bridge_mac: bridge_mac.unwrap_or_default(),
            ..Registration::default()
        };
        register(&mut self.maps, entry, &link.name)?;
        let interface = Interface { ifindex: link.ifindex, name: &link.name };
        let by_tcx = match self.hooks {
            HookChoice::Tcx => true,
            HookChoice::Clsact => false,
            HookChoice::Auto => rush == Rush::Few || has_tcx_programs(&interface),
        };
        if !by_tcx {
            match self.attach_filters(slot, &interface) {
                Err(error) if self.hooks == HookChoice::Auto && has_no_clsact(&error) => {
                    log::info!("this kernel has no filters by eBPF; using TCX");
                    self.hooks = HookChoice::Tcx;
                    self.meters.update(&mut self.maps, slot, |record| record.hook = MeterRecord::HOOK_TCX)?;
                }
                done => return done,
            }
        }
        match attach_tcx(&mut self.programs, &self.pins, &interface)? {
            TcxAttached::Done => Ok(()),
            TcxAttached::Unsupported if self.hooks == HookChoice::Tcx => {
                Err(EbpfError::NoTcx { interface: link.name.clone() })
            }
            TcxAttached::Unsupported => {
                log::info!("this kernel has no TCX hooks; using clsact");
                self.hooks = HookChoice::Clsact;
                self.attach_filters(slot, &interface)
            }
        }
    }

    fn attach_filters(&mut self, slot: Slot, interface: &Interface<'_>) -> Result<(), EbpfError> {
        self.meters.update(&mut self.maps, slot, |record| {
            record.hook = MeterRecord::HOOK_CLSACT;
            record.made_clsact = 1;
        })?;
        let made = add_clsact(interface);
        let has_made = u8::from(matches!(made, Ok(true)));
        self.meters.update(&mut self.maps, slot, |record| record.made_clsact = has_made)?;
        made?;
        attach_clsact(&mut self.programs, interface)
    }

    /// The interface is gone: nothing more will be counted. Its counts stay until [`Self::release`].
    pub(crate) fn retire(&mut self, ifindex: IfIndex) -> Result<Option<Slot>, EbpfError> {
        let Some(slot) = self.meters.live(ifindex) else { return Ok(None) };
        self.retire_slot(slot)?;
        Ok(Some(slot))
    }

    /// Returns whether an interface of this number and name had a meter and is gone. The kernel numbers no other interface so until
    /// it is booted again.
    pub(crate) fn has_retired(&self, link: &Link) -> bool {
        self.meters.iter().any(|(_, record)| is_retired_of(record, link))
    }

    /// Forgets the meter of an interface that was gone before a program could count there. What such an interface had carried is
    /// not known any more: a meter that claims to would claim what an earlier meter of it has counted.
    pub(crate) fn discard(&mut self, link: &Link, now: Timestamp) -> Result<(), EbpfError> {
        let newest = self.meters.iter().filter(|(_, record)| is_retired_of(record, link));
        let Some((slot, _)) = newest.max_by_key(|(_, record)| record.generation) else { return Ok(()) };
        let snapshot = self.snapshot(now);
        let is_its =
            |reading: &&MeterReading| matches!(reading.meter.id, MeterId::Slot(its, _) if its == slot);
        let counted = snapshot.meters.iter().find(is_its).map(MeterReading::total).unwrap_or_default();
        if counted == PerDirection::default() { self.release(&[slot]) } else { Ok(()) }
    }

    /// The kernel has taken the programs off before it told that the interface is gone: none counts for it any more.
    fn retire_slot(&mut self, slot: Slot) -> Result<(), EbpfError> {
        self.closed.remove(&slot);
        let Some(record) = self.meters.get(slot).copied() else { return Ok(()) };
        if let Some(ifindex) = std::num::NonZeroU32::new(record.ifindex) {
            unpin_links(&self.pins, IfIndex(ifindex))?;
        }
        unregister(&mut self.maps, record.ifindex)?;
        self.meters.update(&mut self.maps, slot, |record| record.state = MeterRecord::STATE_RETIRED)
    }

    /// Takes back what was done to an interface that is still there.
    fn detach(&mut self, slot: Slot, interface: &str) -> Result<(), EbpfError> {
        let Some(record) = self.meters.get(slot).copied() else { return Ok(()) };
        if hook(&record) == TcHook::Clsact {
            detach_clsact(interface);
        }
        if let Some(ifindex) = std::num::NonZeroU32::new(record.ifindex) {
            unpin_links(&self.pins, IfIndex(ifindex))?;
        }
        // Until they have ended, programs must find their slot.
        wait_for_programs()?;
        self.retire_slot(slot)
    }

    /// Frees retired slots. Their counts must have been booked.
    pub(crate) fn release(&mut self, slots: &[Slot]) -> Result<(), EbpfError> {
        if !slots.is_empty() {
            wait_for_programs()?;
        }
        for slot in slots {
            self.meters.update(&mut self.maps, *slot, |record| record.state = MeterRecord::STATE_CLEARING)?;
            self.clear(*slot)?;
        }
        Ok(())
    }

    fn clear(&mut self, slot: Slot) -> Result<(), EbpfError> {
        self.forget_folded(slot)?;
        self.maps.ports.free_all(|key| slot_of(key) == slot.0)?;
        self.forget_pairs(slot)?;
        for cpu in 0..self.maps.geometry.cpus {
            self.maps.totals.clear((cpu * self.maps.geometry.slots + u32::from(slot.0)) as usize);
        }
        self.maps.ports.set_state(slot, SlotState::default())?;
        self.maps.peers.set_state(slot, SlotState::default())?;
        self.forget_asked(slot)?;
        self.forget_learned(slot)?;
        // The generation stays, so that the next one is higher.
        let generation = self.meters.get(slot).map_or(0, |record| record.generation);
        self.meters.write(&mut self.maps, slot, &MeterRecord { generation, ..MeterRecord::FREE })
    }

    /// Frees the entries of all pairs that a slot is in. Those that others own are theirs to have again.
    fn forget_pairs(&mut self, slot: Slot) -> Result<(), EbpfError> {
        let is_in = |pair: PeerKey| pair.from == slot.0 || pair.to == slot.0;
        let freed = self.maps.peers.free_all(|key| is_in(PeerKey::unpack(key)))?;
        for owner in freed.into_iter().map(|key| Slot(slot_of(key))).filter(|owner| *owner != slot) {
            let state = self.maps.peers.state(owner)?;
            let entries = state.entries.saturating_sub(1);
            self.maps.peers.set_state(owner, SlotState { entries, ..state })?;
        }
        Ok(())
    }

    /// A process that was killed while it freed entries of others has not given them back.
    fn recount_pairs(&mut self) -> Result<(), EbpfError> {
        let mut owned = BTreeMap::<Slot, u32>::new();
        for (key, _) in self.maps.peers.keys() {
            *owned.entry(Slot(slot_of(key))).or_default() += 1;
        }
        for (slot, _) in self.meters.iter() {
            let state = self.maps.peers.state(slot)?;
            let entries = owned.get(&slot).copied().unwrap_or_default();
            if state.entries > entries {
                self.maps.peers.set_state(slot, SlotState { entries, ..state })?;
            }
        }
        Ok(())
    }

    /// Notes whose interface it is.
    pub(crate) fn set_container(&mut self, slot: Slot, container: &ContainerName) -> Result<(), EbpfError> {
        self.meters.update(&mut self.maps, slot, |record| {
            record.container_known = 1;
            record.container = *container.id.as_bytes();
            let len = put_text(&mut record.name, &container.name);
            record.name_len = u8::try_from(len).expect("a name field has 255 bytes");
        })
    }

    /// Tells the programs which bridges have nothing but containers behind them.
    pub(crate) fn set_container_bridges(&mut self, bridges: BTreeSet<IfIndex>) -> Result<(), EbpfError> {
        let bridges: BTreeSet<u32> = bridges.into_iter().map(|bridge| bridge.0.get()).collect();
        for gone in self.bridges.difference(&bridges) {
            unregister(&mut self.maps, *gone)?;
        }
        for ifindex in bridges.difference(&self.bridges) {
            let entry = Registration {
                ifindex: *ifindex,
                slot: ORPHAN_SLOT,
                flags: Registration::CONTAINER_BRIDGE,
                ..Registration::default()
            };
            register(&mut self.maps, entry, "a bridge")?;
        }
        self.bridges = bridges;
        Ok(())
    }

    pub(crate) fn is_attached(&self, ifindex: IfIndex) -> bool {
        self.meters.live(ifindex).is_some()
    }

    /// What the programs were told about an interface that is attached.
    pub(crate) fn registered(&self, ifindex: IfIndex) -> Result<Option<Registered>, EbpfError> {
        if !self.is_attached(ifindex) {
            return Ok(None);
        }
        let registration = registration(&self.maps, ifindex.0.get())?;
        Ok(registration.map(|(_, entry)| Registered {
            mac: (entry.mac != 0).then_some(entry.mac),
            bridge_mac: (entry.bridge_mac != 0).then_some(entry.bridge_mac),
            traced: entry.flags & Registration::TRACE != 0,
        }))
    }

    /// Tells the programs the container's MAC address, where it is known, and whether to trace.
    pub(crate) fn set_registration(&mut self, slot: Slot, to: Registered) -> Result<(), EbpfError> {
        let Some(ifindex) = self.meters.get(slot).map(|record| record.ifindex) else { return Ok(()) };
        let Some((index, there)) = registration(&self.maps, ifindex)? else { return Ok(()) };
        let flags = if to.traced { Registration::TRACE } else { 0 };
        let entry = Registration {
            mac: to.mac.unwrap_or(there.mac),
            bridge_mac: to.bridge_mac.unwrap_or(there.bridge_mac),
            flags,
            ..there
        };
        if entry == there {
            return Ok(());
        }
        self.maps
            .interfaces
            .set(index, Plain(entry), 0)
            .map_err(|source| EbpfError::Map { map: maps::INTERFACES, source })
    }
}

fn is_retired_of(record: &MeterRecord, link: &Link) -> bool {
    let is_its = record.ifindex == link.ifindex.0.get() && interface_name(record) == link.name;
    record.state == MeterRecord::STATE_RETIRED && is_its
}
