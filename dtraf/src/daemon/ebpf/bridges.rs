//! Which bridges are Docker's.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounting::identity::IfIndex;
use crate::accounting::inventory::Inventory;

/// The host's bridges by name, and what became of the question whose they are.
#[derive(Debug, Default)]
pub(super) struct Bridges {
    names: BTreeMap<IfIndex, String>,
    /// Docker is being asked.
    waiting: BTreeSet<IfIndex>,
    /// Docker does not know them.
    foreign: BTreeSet<IfIndex>,
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
    pub(super) fn insert(&mut self, ifindex: IfIndex, name: &str) {
        if self.names.insert(ifindex, name.to_owned()).is_none_or(|before| before != name) {
            self.foreign.remove(&ifindex);
        }
    }

    pub(super) fn remove(&mut self, ifindex: IfIndex) {
        self.names.remove(&ifindex);
        self.waiting.remove(&ifindex);
        self.foreign.remove(&ifindex);
    }

    pub(super) fn name(&self, ifindex: IfIndex) -> Option<&str> {
        self.names.get(&ifindex).map(String::as_str)
    }

    pub(super) fn kin(&self, ifindex: IfIndex, inventory: &Inventory) -> Kin {
        let Some(name) = self.names.get(&ifindex) else { return Kin::Unknown };
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
