//! Which bridges are Docker's.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounting::identity::IfIndex;
use crate::accounting::inventory::Inventory;

/// The host's bridges by name, and those that Docker has said it does not know.
#[derive(Debug, Default)]
pub(super) struct Bridges {
    names: BTreeMap<IfIndex, String>,
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

    /// Docker was asked and does not know it: it is not asked again until its networks change.
    pub(super) fn set_foreign(&mut self, ifindex: IfIndex) {
        self.foreign.insert(ifindex);
    }

    pub(super) fn networks_changed(&mut self) {
        self.foreign.clear();
    }
}
