//! Whose a meter is.
//!
//! Total: every meter lands on a container or on [`Owner::Unattributed`] with a reason. It compares what the host says of
//! an interface with what Docker says of containers; it asks neither of them itself, and it knows no amounts.

mod coverage;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::coverage::{Attached, Coverage, Gap, Uncounted, coverage, prospect};
use super::identity::{ContainerId, IfIndex, NetnsId, Timestamp};
use super::inventory::{Container, Inventory, Network, NetworkMode};
use super::snapshot::{ContainerName, MeterReading, Point, Snapshot};

/// Where the host's end of an interface leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The network namespace of its other end.
    pub(crate) netns: Option<NetnsId>,
    /// When the namespace that had this number before was gone.
    pub(crate) since: Timestamp,
    /// Name of the bridge it is a port of.
    pub(crate) bridge: Option<String>,
}

/// Whom a meter's counts belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Container(ContainerName),
    Unattributed(Reason),
}

/// Why a meter's counts belong to no container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Reason {
    /// Docker has not been heard of it yet, or something else than Docker made the namespace.
    #[error("no container is known to own its network namespace")]
    NoContainer,
    #[error("its other end is in no network namespace that the host has a number for")]
    NoNamespace,
    #[error("the interface was gone before its container was known")]
    InterfaceGone,
    /// The ledger keeps only so many containers that are no more.
    #[error("the containers were removed too long ago")]
    Forgotten,
}

/// A snapshot whose readings have owners.
#[derive(Clone, Debug)]
pub(crate) struct AttributedSnapshot {
    pub(crate) taken_at: Timestamp,
    pub(crate) meters: Vec<Attributed>,
}

#[derive(Clone, Debug)]
pub(crate) struct Attributed {
    pub(crate) reading: MeterReading,
    pub(crate) owner: Owner,
    /// Name of the Docker network that the interface belongs to, where that is known.
    pub(crate) network: Option<String>,
}

/// Gives every reading its owner. `placements` has the interfaces that exist.
pub(crate) fn attribute(
    snapshot: Snapshot,
    inventory: &Inventory,
    placements: &BTreeMap<IfIndex, Placement>,
) -> AttributedSnapshot {
    let tenants = Tenants::of(inventory);
    let meters = snapshot.meters.into_iter().map(|reading| {
        let placement = match &reading.meter.point {
            Point::Interface { ifindex, .. } => placements.get(ifindex),
            Point::Addresses(_) => None,
        };
        let network = placement.and_then(|placement| network_of(inventory, placement.bridge.as_deref()?));
        Attributed {
            owner: owner(reading.meter.container.as_ref(), placement, inventory, &tenants),
            network: network.map(|network| network.name.clone()),
            reading,
        }
    });
    AttributedSnapshot { taken_at: snapshot.taken_at, meters: meters.collect() }
}

/// What is seen now goes before what was last known of the meter; a container that Docker has forgotten or that has lost
/// its namespace keeps what its interfaces counted.
pub(crate) fn owner(
    last_known: Option<&ContainerName>,
    placement: Option<&Placement>,
    inventory: &Inventory,
    tenants: &Tenants,
) -> Owner {
    let netns = placement.and_then(|placement| placement.netns);
    let since = placement.map_or(Timestamp::default(), |placement| placement.since);
    if let Some(container) = netns.and_then(|netns| tenants.owner_of(netns, since, inventory)) {
        return Owner::Container(named(container));
    }
    if let Some(known) = last_known {
        let container = inventory.containers.get(&known.id);
        return Owner::Container(container.map_or_else(|| known.clone(), named));
    }
    Owner::Unattributed(match (placement, netns) {
        (None, _) => Reason::InterfaceGone,
        (Some(_), None) => Reason::NoNamespace,
        (Some(_), Some(_)) => Reason::NoContainer,
    })
}

/// Which containers run in each network namespace. Made anew for each round of questions: nobody need keep it true.
#[derive(Debug)]
pub(crate) struct Tenants(Vec<(NetnsId, ContainerId)>);

impl Tenants {
    pub(crate) fn of(inventory: &Inventory) -> Self {
        let containers = inventory.containers.values();
        let mut tenants: Vec<_> =
            containers.filter_map(|container| Some((container.netns?, container.id))).collect();
        tenants.sort_unstable();
        Self(tenants)
    }

    /// All that run there.
    pub(crate) fn within<'a>(
        &'a self,
        netns: NetnsId,
        inventory: &'a Inventory,
    ) -> impl Iterator<Item = &'a Container> {
        let first = self.0.partition_point(|(of, _)| *of < netns);
        let tenants = self.0[first..].iter().take_while(move |(of, _)| *of == netns);
        tenants.filter_map(|(_, id)| inventory.containers.get(id))
    }

    /// The container whose namespace it is, as seen at `since` or later: an earlier sighting may be of another namespace that
    /// had the same number. Where several run in one namespace, that is the one that the others joined.
    pub(crate) fn owner_of<'a>(
        &'a self,
        netns: NetnsId,
        since: Timestamp,
        inventory: &'a Inventory,
    ) -> Option<&'a Container> {
        let seen = || self.within(netns, inventory).filter(|container| container.seen_at >= since);
        let host = seen().find(|container| !matches!(container.network_mode, NetworkMode::SharedWith(_)));
        host.or_else(|| seen().next().map(|tenant| namespace_owner(inventory, tenant)))
    }
}

/// The container whose network namespace `container` uses; itself, unless it joined another's. Where the other one is not
/// in the inventory, the last one that is.
pub(crate) fn namespace_owner<'a>(inventory: &'a Inventory, container: &'a Container) -> &'a Container {
    let mut passed = BTreeSet::<ContainerId>::new();
    let mut current = container;
    while let NetworkMode::SharedWith(other) = &current.network_mode
        && passed.insert(current.id)
        && let Some(next) = inventory.containers.get(other)
    {
        current = next;
    }
    current
}

/// The Docker network behind a bridge.
pub(crate) fn network_of<'a>(inventory: &'a Inventory, bridge: &str) -> Option<&'a Network> {
    inventory.networks.iter().find(|network| network.bridge.as_deref() == Some(bridge))
}

fn named(container: &Container) -> ContainerName {
    ContainerName { id: container.id, name: container.name.clone() }
}

#[cfg(test)]
mod tests;
