//! Interfaces as they come and go: attached to at once, read a last time when they are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context as _;

use super::Daemon;
use super::bridges::Kin;
use super::identification::Departed;
use crate::accounting::attribution::Placement;
use crate::accounting::identity::{IfIndex, NetnsId, Timestamp};
use crate::clock;
use crate::docker::Catalogue;
use crate::links::{Link, LinkEvent, LinkKind};
use crate::source::ebpf::shortfall::Carried;
use crate::source::ebpf::{Registered, Rush};

/// The host's ends of containers' veths, and when namespaces were gone whose numbers may be another's now.
#[derive(Debug, Default)]
pub(super) struct Veths {
    known: BTreeMap<IfIndex, Veth>,
    ended: BTreeMap<NetnsId, Timestamp>,
}

/// One of them, and where it leads.
#[derive(Debug)]
pub(super) struct Veth {
    pub(super) link: Link,
    pub(super) placement: Placement,
    pub(super) registered: Registered,
    /// MAC address of the container's end when it came up.
    pub(super) mac: Option<u64>,
    carried: Carried,
}

/// What came of looking at a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Considered {
    Attached,
    Nothing,
}

impl Veths {
    pub(super) fn placements(&self) -> BTreeMap<IfIndex, Placement> {
        self.known.iter().map(|(ifindex, veth)| (*ifindex, veth.placement.clone())).collect()
    }

    pub(super) fn get(&self, ifindex: IfIndex) -> Option<&Veth> {
        self.known.get(&ifindex)
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn set_registered(&mut self, ifindex: IfIndex, registered: Registered) {
        if let Some(veth) = self.known.get_mut(&ifindex) {
            veth.registered = registered;
        }
    }

    pub(super) fn set_mac(&mut self, ifindex: IfIndex, mac: u64) {
        if let Some(veth) = self.known.get_mut(&ifindex) {
            veth.mac = Some(mac);
        }
    }

    /// Returns whether it is new.
    fn insert(&mut self, link: Link, bridge: Option<&str>) -> bool {
        let known = self.known.remove(&link.ifindex);
        let is_new = known.is_none();
        let (before, registered, mac, mut carried) =
            known.map(|veth| (veth.placement, veth.registered, veth.mac, veth.carried)).unwrap_or_default();
        carried.note(&link);
        // A link on its way out says no more where it leads.
        let netns = link.peer_netns.or(before.netns);
        let since = match netns.filter(|_| netns != before.netns) {
            Some(netns) => self.ended.get(&netns).copied().unwrap_or_default(),
            None => before.since,
        };
        let placement = Placement { netns, since, bridge: bridge.map(str::to_owned).or(before.bridge) };
        self.known.insert(link.ifindex, Veth { link, placement, registered, mac, carried });
        is_new
    }

    fn leads_to(&self, netns: NetnsId) -> bool {
        self.known.values().any(|veth| veth.placement.netns == Some(netns))
    }
}

impl Daemon {
    /// Takes over what is attached, and attaches to what is not.
    pub(super) async fn take_stock(&mut self, catalogue: &mut Catalogue) -> anyhow::Result<()> {
        self.refresh_scopes().await?;
        let mut links = self.links.dump().await?;
        let listed: BTreeSet<IfIndex> = links.iter().map(|link| link.ifindex).collect();
        for ifindex in self.counting.interfaces() {
            // A list that was made while links came and went may have left it out.
            if !listed.contains(&ifindex) {
                links.extend(self.links.link(ifindex).await?);
            }
        }
        self.note_links(&links);
        self.counting.adopt(&links).context("take over what is attached")?;
        self.note_bridges()?;
        let failures = self.attach_all(&links).await;
        if self.veths.known.is_empty()
            && let Some(failure) = failures.into_iter().next()
        {
            return Err(failure);
        }
        // Now, and not before: what was listed then might be of namespaces that have ended since.
        self.inventory = catalogue.outline(&self.counting.containers()).await?;
        self.resolve().await?;
        // A process that was killed may have left interfaces that were not to have entries yet.
        self.counting.share_table()?;
        Ok(())
    }

    /// Asks about each container, and waits for the answers.
    pub(super) async fn inspect(&mut self, catalogue: &mut Catalogue) -> anyhow::Result<()> {
        self.inventory = catalogue.list().await?;
        self.resolve().await
    }

    /// Lists everything again, after events may have been lost.
    pub(super) async fn reconcile(&mut self) -> anyhow::Result<()> {
        self.desk.list();
        self.refresh_scopes().await?;
        let links = self.links.dump().await?;
        let present: BTreeSet<IfIndex> = links.iter().map(|link| link.ifindex).collect();
        let missing: Vec<IfIndex> =
            self.veths.known.keys().copied().filter(|known| !present.contains(known)).collect();
        for ifindex in missing {
            // A list that was made while links came and went may have left it out.
            if self.links.link(ifindex).await?.is_none() {
                self.on_gone(ifindex)?;
            }
        }
        self.note_links(&links);
        self.note_bridges()?;
        self.attach_all(&links).await;
        Ok(())
    }

    fn note_links(&mut self, links: &[Link]) {
        for link in links {
            self.bridges.note(link);
        }
    }

    /// Tells the programs which bridges have nothing but containers behind them.
    pub(super) fn note_bridges(&mut self) -> anyhow::Result<()> {
        self.counting.set_container_bridges(self.bridges.containers_only(&self.inventory))?;
        Ok(())
    }

    /// Attaches to what is not attached. One interface that fails is no reason not to count the others.
    pub(super) async fn attach_all(&mut self, links: &[Link]) -> Vec<anyhow::Error> {
        let mut failures = Vec::new();
        let mut attached = BTreeSet::new();
        let rush = self.rush(links);
        for link in links {
            match self.consider(link, rush).await {
                Ok(Considered::Attached) => drop(attached.insert(link.ifindex)),
                Ok(Considered::Nothing) => {}
                Err(failure) => {
                    log::error!("{failure:#}");
                    failures.push(failure);
                }
            }
        }
        if let Err(failure) = self.welcome(&attached).await {
            log::error!("{failure:#}");
        }
        failures
    }

    /// What is done once for all that was just attached to.
    async fn welcome(&mut self, attached: &BTreeSet<IfIndex>) -> anyhow::Result<()> {
        if attached.is_empty() {
            return Ok(());
        }
        let counted = self.counting.snapshot(clock::now());
        let now = match attached.first() {
            Some(only) if attached.len() == 1 => self.links.link(*only).await?.into_iter().collect(),
            _ => self.links.dump().await?,
        };
        self.counting.settle(&counted, &now, &mut self.sightings)?;
        self.counting.share_table()?;
        self.keep_queues(now.iter().filter(|link| attached.contains(&link.ifindex))).await;
        Ok(())
    }

    /// A device without a queue gets a queue's length with its first qdisc, clsact included (`qdisc_create` of
    /// `net/sched/sch_api.c`): it is taken back.
    pub(super) async fn keep_queues<'a>(&self, attached: impl IntoIterator<Item = &'a Link>) {
        for link in attached {
            let before = self.veths.get(link.ifindex).and_then(|veth| veth.link.queue_length);
            if let Some(before) = before.filter(|before| Some(*before) != link.queue_length)
                && let Err(error) = self.links.set_queue_length(link.ifindex, before).await
            {
                log::warn!("{:#}", anyhow::Error::from(error));
            }
        }
    }

    /// Whatever is known of links by now is attached to before anything else is done for any of them: containers that start
    /// together do not wait for one another.
    pub(super) async fn on_links(&mut self, events: Vec<LinkEvent>) -> anyhow::Result<()> {
        let mut attached = BTreeSet::new();
        let (mut leads_elsewhere, mut lost) = (false, false);
        let (mut bridges_changed, mut addressed) = (false, false);
        let rush = self.rush(events.iter().filter_map(|event| match event {
            LinkEvent::Changed(link) => Some(link),
            _ => None,
        }));
        for event in events {
            match event {
                LinkEvent::Changed(link) if link.kind == LinkKind::Bridge => {
                    bridges_changed |= self.bridges.note(&link);
                }
                LinkEvent::Changed(link) => {
                    bridges_changed |= self.bridges.note(&link);
                    let netns =
                        |daemon: &Self| daemon.veths.get(link.ifindex).map(|veth| veth.placement.netns);
                    let before = netns(self);
                    match self.consider(&link, rush).await {
                        Ok(Considered::Attached) => drop(attached.insert(link.ifindex)),
                        Ok(Considered::Nothing) => {}
                        Err(failure) => log::error!("{failure:#}"),
                    }
                    leads_elsewhere |= netns(self) != before;
                    self.ask_mac(link.ifindex);
                }
                LinkEvent::Gone(ifindex) => {
                    self.bridges.remove(ifindex);
                    if let Err(failure) = self.on_gone(ifindex) {
                        log::error!("{failure:#}");
                    }
                }
                LinkEvent::Address(ifindex, address) => addressed |= self.is_reachable(ifindex, address),
                LinkEvent::Overflow => lost = true,
            }
        }
        if !attached.is_empty() {
            let counted = self.counting.snapshot(clock::now());
            self.survey.welcome(attached);
            self.survey(&counted);
            self.counting.share_table()?;
        }
        if bridges_changed {
            self.note_bridges()?;
        }
        if lost {
            self.reconcile().await?;
        } else if addressed {
            self.refresh_scopes().await?;
        }
        if leads_elsewhere || bridges_changed { self.resolve().await } else { Ok(()) }
    }

    /// Returns whether containers may talk to the host by an address of a link. Each host's end of a veth may get a link-local one
    /// that they cannot use: they reach those of their bridges.
    fn is_reachable(&self, ifindex: IfIndex, address: IpAddr) -> bool {
        let is_link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        !is_link_local || self.bridges.name(ifindex).is_some()
    }

    /// How many of the links are containers' and not attached to, as far as is known before Docker is asked.
    fn rush<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Rush {
        let waits = |link: &&Link| {
            link.kind == LinkKind::Veth
                && link.master.is_some_and(|bridge| self.bridges.kin(bridge, &self.inventory) == Kin::Docker)
                && self.veths.get(link.ifindex).is_none()
        };
        let waiting: BTreeSet<IfIndex> = links.into_iter().filter(waits).map(|link| link.ifindex).collect();
        Rush::of(waiting.iter().filter(|ifindex| !self.counting.is_attached(**ifindex)).count())
    }

    /// Attaches to a link that is a container's.
    async fn consider(&mut self, link: &Link, rush: Rush) -> anyhow::Result<Considered> {
        let Some(bridge) = link.master.filter(|_| link.kind == LinkKind::Veth) else {
            return Ok(Considered::Nothing);
        };
        if !self.is_dockers(bridge).await? || !self.veths.insert(link.clone(), self.bridges.name(bridge)) {
            return Ok(Considered::Nothing);
        }
        if let Some(registered) = self.counting.registered(link.ifindex)? {
            // An earlier process has attached to it.
            self.veths.set_registered(link.ifindex, registered);
            return Ok(Considered::Nothing);
        }
        // A notification from before a start's dump may be about an interface that the start has found gone.
        if self.counting.has_retired(link) && self.links.link(link.ifindex).await?.is_none() {
            self.veths.known.remove(&link.ifindex);
            return Ok(Considered::Nothing);
        }
        let Err(error) = self.counting.attach(link, self.bridges.mac(bridge), rush, clock::now()) else {
            return Ok(Considered::Attached);
        };
        // It may have gone while it was attached to: then its RTM_DELLINK is on the way.
        self.veths.known.remove(&link.ifindex);
        self.counting.discard(link, clock::now())?;
        if self.links.link(link.ifindex).await?.is_some() {
            return Err(error).context("count a container's interface");
        }
        let carried = link.counters.unwrap_or_default();
        log::info!(
            "{} was gone before it could be counted; it had carried {} packets or more",
            link.name,
            carried.rx_packets + carried.tx_packets
        );
        Ok(Considered::Nothing)
    }

    /// Whether a bridge is one of Docker's. Where Docker has not told of it yet, the answer is no until it has.
    async fn is_dockers(&mut self, bridge: IfIndex) -> anyhow::Result<bool> {
        if self.bridges.name(bridge).is_none()
            && let Some(link) = self.links.link(bridge).await?
            && link.kind == LinkKind::Bridge
        {
            self.bridges.note(&link);
        }
        let kin = self.bridges.kin(bridge, &self.inventory);
        if kin == Kin::Unknown {
            self.bridges.wait_for(bridge);
            self.desk.list();
        }
        Ok(kin == Kin::Docker)
    }

    /// Books the last counts of an interface.
    fn on_gone(&mut self, ifindex: IfIndex) -> anyhow::Result<()> {
        let retired = self.counting.retire(ifindex)?;
        let veth = self.veths.known.remove(&ifindex);
        if let Some(slot) = retired {
            let mut snapshot = self.counting.snapshot(clock::now());
            if let Some(veth) = &veth
                && self.counting.settle_gone(slot, &snapshot, &veth.carried)?
            {
                // With the shortfall that is known now.
                snapshot = self.counting.snapshot(clock::now());
            }
            self.book(snapshot);
            self.retired.insert(slot, clock::instant());
            self.served.forget(slot);
        }
        let now = clock::now();
        let (placement, mac) = veth.map(|veth| (veth.placement, veth.mac)).unwrap_or_default();
        let netns = placement.netns;
        if let Some(slot) = retired {
            let network = self.network_id(&placement);
            let departed = Departed { placement, network, mac, went: now, namespace_ended: None };
            self.departed.insert(slot, departed);
        }
        if let Some(netns) = netns.filter(|netns| !self.veths.leads_to(*netns)) {
            // The kernel gives the number to the next namespace at once.
            self.veths.ended.insert(netns, now);
            let led_there = |departed: &&mut Departed| departed.placement.netns == Some(netns);
            for departed in self.departed.values_mut().filter(led_there) {
                departed.namespace_ended.get_or_insert(now);
            }
            for container in self.inventory.containers.values_mut() {
                container.netns.take_if(|known| *known == netns);
            }
        }
        Ok(())
    }
}
