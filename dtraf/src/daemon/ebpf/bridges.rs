//! The host's bridges: which are Docker's, and which have nothing but containers behind them.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounting::identity::IfIndex;
use crate::accounting::inventory::Inventory;
use crate::links::{Link, LinkKind};

/// The host's bridges by name, and what became of the question whose they are.
#[derive(Debug, Default)]
pub(super) struct Bridges {
    known: BTreeMap<IfIndex, Bridge>,
    /// Ports that are no veths, and the bridge of each: what is behind them is not this host's.
    uplinks: BTreeMap<IfIndex, IfIndex>,
    /// Docker is being asked.
    waiting: BTreeSet<IfIndex>,
    /// Docker does not know them.
    foreign: BTreeSet<IfIndex>,
}

#[derive(Debug)]
struct Bridge {
    name: String,
    mac: Option<u64>,
}

/// What is known of a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    Docker,
    Foreign,
    /// Docker is to be asked.
    Unknown,
}

impl Bridges {
    /// Takes what a link says of bridges: that it is one, or is a port of one. Returns whether a bridge's address or uplinks
    /// have changed by that.
    pub(super) fn note(&mut self, link: &Link) -> bool {
        let uplink = link.master.filter(|_| link.kind != LinkKind::Veth);
        let before = match uplink {
            Some(bridge) => self.uplinks.insert(link.ifindex, bridge),
            None => self.uplinks.remove(&link.ifindex),
        };
        if link.kind != LinkKind::Bridge {
            return before != uplink;
        }
        let (name, mac) = (link.name.clone(), link.mac);
        let known = self.known.insert(link.ifindex, Bridge { name, mac });
        if known.as_ref().is_none_or(|known| known.name != link.name) {
            self.foreign.remove(&link.ifindex);
        }
        before != uplink || known.is_none_or(|known| known.mac != mac)
    }

    pub(super) fn remove(&mut self, ifindex: IfIndex) {
        self.known.remove(&ifindex);
        self.uplinks.remove(&ifindex);
        self.waiting.remove(&ifindex);
        self.foreign.remove(&ifindex);
    }

    pub(super) fn name(&self, ifindex: IfIndex) -> Option<&str> {
        self.known.get(&ifindex).map(|bridge| bridge.name.as_str())
    }

    pub(super) fn mac(&self, ifindex: IfIndex) -> Option<u64> {
        self.known.get(&ifindex)?.mac
    }

    /// Bridges of Docker's that have no uplink: whatever the host routes from there comes from a container.
    pub(super) fn containers_only(&self, inventory: &Inventory) -> BTreeSet<IfIndex> {
        let has_uplink = |bridge: &IfIndex| self.uplinks.values().any(|uplink| uplink == bridge);
        let bridges = self.known.keys().copied();
        bridges.filter(|it| self.kin(*it, inventory) == Kin::Docker && !has_uplink(it)).collect()
    }

    pub(super) fn kin(&self, ifindex: IfIndex, inventory: &Inventory) -> Kin {
        let Some(name) = self.name(ifindex) else { return Kin::Unknown };
        if inventory.networks.iter().any(|network| network.bridge.as_deref() == Some(name)) {
            Kin::Docker
        } else if self.foreign.contains(&ifindex) {
            Kin::Foreign
        } else {
            Kin::Unknown
        }
    }

    pub(super) fn wait_for(&mut self, ifindex: IfIndex) {
        self.waiting.insert(ifindex);
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Docker has answered: what it did not name then, it is not asked about again until its networks change.
    pub(super) fn stop_waiting(&mut self) {
        self.foreign.append(&mut self.waiting);
    }

    pub(super) fn networks_changed(&mut self) {
        self.foreign.clear();
    }
}
