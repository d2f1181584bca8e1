//! Interfaces as they come and go: attached to at once, read a last time when they are gone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::Daemon;
use super::bridges::Kin;
use crate::accounting::attribution::Placement;
use crate::accounting::identity::{IfIndex, NetnsId};
use crate::clock;
use crate::links::{Link, LinkEvent, LinkKind};

/// The host's ends of veths, and where they lead.
#[derive(Debug, Default)]
pub(super) struct Veths {
    links: BTreeMap<IfIndex, Link>,
    placements: BTreeMap<IfIndex, Placement>,
}

impl Veths {
    pub(super) fn placements(&self) -> &BTreeMap<IfIndex, Placement> {
        &self.placements
    }

    pub(super) fn link(&self, ifindex: IfIndex) -> Option<&Link> {
        self.links.get(&ifindex)
    }

    fn insert(&mut self, link: Link, bridge: Option<&str>) {
        let placement = self.placements.entry(link.ifindex).or_default();
        // A link on its way out says no more where it leads.
        placement.netns = link.peer_netns.or(placement.netns);
        placement.bridge = bridge.map(str::to_owned).or(placement.bridge.take());
        self.links.insert(link.ifindex, link);
    }

    fn remove(&mut self, ifindex: IfIndex) -> Option<Placement> {
        self.links.remove(&ifindex);
        self.placements.remove(&ifindex)
    }

    fn leads_to(&self, netns: NetnsId) -> bool {
        self.placements.values().any(|placement| placement.netns == Some(netns))
    }
}

impl Daemon {
    /// Lists everything, takes over what is attached, and attaches to what is not.
    pub(super) async fn take_stock(&mut self) -> anyhow::Result<()> {
        self.inventory = self.catalogue.list().await?;
        self.refresh_scopes().await?;
        let links = self.links.dump().await?;
        self.note_links(&links);
        self.counting.adopt(&links).context("take over what is attached")?;
        self.attach_all(&links).await?;
        self.resolve().await
    }

    /// Lists everything again, after events may have been lost.
    pub(super) async fn reconcile(&mut self) -> anyhow::Result<()> {
        self.inventory = self.catalogue.list().await?;
        self.bridges.networks_changed();
        self.refresh_scopes().await?;
        let links = self.links.dump().await?;
        let present: BTreeSet<IfIndex> = links.iter().map(|link| link.ifindex).collect();
        let gone: Vec<IfIndex> =
            self.veths.links.keys().copied().filter(|known| !present.contains(known)).collect();
        for ifindex in gone {
            self.on_gone(ifindex)?;
        }
        self.note_links(&links);
        self.attach_all(&links).await?;
        self.resolve().await
    }

    fn note_links(&mut self, links: &[Link]) {
        for link in links.iter().filter(|link| link.kind == LinkKind::Bridge) {
            self.bridges.insert(link.ifindex, &link.name);
        }
    }

    async fn attach_all(&mut self, links: &[Link]) -> anyhow::Result<()> {
        for link in links {
            self.consider(link).await?;
        }
        Ok(())
    }

    pub(super) async fn on_link(&mut self, event: LinkEvent) -> anyhow::Result<()> {
        match event {
            LinkEvent::Changed(link) if link.kind == LinkKind::Bridge => {
                self.bridges.insert(link.ifindex, &link.name);
                Ok(())
            }
            LinkEvent::Changed(link) => {
                let before = self.veths.placements.get(&link.ifindex).and_then(|placement| placement.netns);
                self.consider(&link).await?;
                let now = self.veths.placements.get(&link.ifindex).and_then(|placement| placement.netns);
                if now == before { Ok(()) } else { self.resolve().await }
            }
            LinkEvent::Gone(ifindex) => {
                self.bridges.remove(ifindex);
                self.on_gone(ifindex)
            }
            LinkEvent::Overflow => self.reconcile().await,
        }
    }

    /// Attaches to a link that is a container's.
    async fn consider(&mut self, link: &Link) -> anyhow::Result<()> {
        let Some(bridge) = link.master.filter(|_| link.kind == LinkKind::Veth) else { return Ok(()) };
        if !self.is_dockers(bridge).await? {
            return Ok(());
        }
        let is_new = self.veths.link(link.ifindex).is_none();
        self.veths.insert(link.clone(), self.bridges.name(bridge));
        if !is_new {
            return Ok(());
        }
        match self.counting.attach(link, clock::now()) {
            Ok(_) => {
                let counted = self.counting.snapshot(clock::now());
                let carried = self.links.link(link.ifindex).await?;
                self.counting.settle(&counted, carried.as_slice(), &mut self.sightings)?;
                self.counting.share_table()?;
                Ok(())
            }
            // It may have gone while it was attached to: then its RTM_DELLINK is on the way.
            Err(error) => match self.links.link(link.ifindex).await? {
                Some(_) => Err(error.into()),
                None => {
                    log::debug!("{} was gone before it could be attached to: {error}", link.name);
                    self.veths.remove(link.ifindex);
                    Ok(())
                }
            },
        }
    }

    /// Asks Docker about a bridge that neither it nor the host has told of yet.
    async fn is_dockers(&mut self, bridge: IfIndex) -> anyhow::Result<bool> {
        if self.bridges.name(bridge).is_none()
            && let Some(link) = self.links.link(bridge).await?
            && link.kind == LinkKind::Bridge
        {
            self.bridges.insert(link.ifindex, &link.name);
        }
        if self.bridges.kin(bridge, &self.inventory) == Kin::Unknown {
            self.inventory = self.catalogue.list().await?;
            if self.bridges.kin(bridge, &self.inventory) == Kin::Unknown {
                self.bridges.set_foreign(bridge);
            }
        }
        Ok(self.bridges.kin(bridge, &self.inventory) == Kin::Docker)
    }

    /// Books the last counts of an interface.
    fn on_gone(&mut self, ifindex: IfIndex) -> anyhow::Result<()> {
        if let Some(slot) = self.counting.retire(ifindex)? {
            let now = clock::now();
            let snapshot = self.counting.snapshot(now);
            self.book(snapshot);
            self.retired.insert(slot, now);
            self.served.forget(slot);
        }
        let netns = self.veths.remove(ifindex).and_then(|placement| placement.netns);
        if let Some(netns) = netns.filter(|netns| !self.veths.leads_to(*netns)) {
            // The kernel gives the number to the next namespace at once.
            for container in self.inventory.containers.values_mut() {
                container.netns.take_if(|known| *known == netns);
            }
        }
        Ok(())
    }
}
