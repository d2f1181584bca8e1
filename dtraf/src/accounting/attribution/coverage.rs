//! What of a container's traffic is counted, and why the rest is not.

use crate::accounting::inventory::{Container, ContainerState, Endpoint, Inventory, NetworkMode};
use crate::accounting::snapshot::ContainerName;

use super::{named, namespace_owner};

/// How much of a container's traffic its own figures hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    Counted,
    /// What these networks carry is missing in the figures.
    Partly(Vec<Gap>),
    /// It uses that container's network namespace; the traffic of both is counted there.
    SharedWith(ContainerName),
    /// There are no figures.
    NotCounted(Uncounted),
}

/// A network of a container that is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) network: String,
    pub(crate) reason: Uncounted,
}

/// Why something is not counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Uncounted {
    #[error("host network")]
    HostNetwork,
    #[error("no network")]
    NoNetwork,
    /// macvlan and ipvlan: there is no end on the host to count at.
    #[error("{driver}: the device is inside the container's namespace")]
    InsideNamespace { driver: String },
    /// Swarm: the host's end is in the overlay's own namespace.
    #[error("overlay: the host's end is in another namespace")]
    Overlay,
    #[error("unknown network driver {driver}")]
    UnknownDriver { driver: String },
    #[error("unknown network mode `{mode}`")]
    UnknownMode { mode: String },
    #[error("uses the network of a container that is not known")]
    UnknownNamespace,
    #[error("not running")]
    NotRunning,
    /// Not found yet, or not attached to yet.
    #[error("no interface attached yet")]
    NoInterface,
}

/// The meters that count for one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attached<'a> {
    /// The network of each live meter, where it is known.
    pub(crate) live: Vec<Option<&'a str>>,
    /// Some meter, live or not, has ever counted for it.
    pub(crate) ever: bool,
}

/// Compares what a container is connected to with the meters that count for it.
pub(crate) fn coverage(container: &Container, inventory: &Inventory, attached: &Attached<'_>) -> Coverage {
    let uncounted = |reason| {
        if attached.ever { Coverage::Counted } else { Coverage::NotCounted(reason) }
    };
    match &container.network_mode {
        NetworkMode::SharedWith(_) => {
            let owner = namespace_owner(inventory, container);
            if owner.id == container.id || matches!(owner.network_mode, NetworkMode::SharedWith(_)) {
                return uncounted(Uncounted::UnknownNamespace);
            }
            match &owner.network_mode {
                // The owner is not counted itself: saying "counted there" would be wrong.
                NetworkMode::Host => uncounted(Uncounted::HostNetwork),
                NetworkMode::None => uncounted(Uncounted::NoNetwork),
                _ => Coverage::SharedWith(named(owner)),
            }
        }
        NetworkMode::Host => uncounted(Uncounted::HostNetwork),
        NetworkMode::None => uncounted(Uncounted::NoNetwork),
        _ if container.state == ContainerState::Stopped => uncounted(Uncounted::NotRunning),
        NetworkMode::Unknown(mode) if attached.live.is_empty() => {
            uncounted(Uncounted::UnknownMode { mode: mode.clone() })
        }
        NetworkMode::Unknown(_) => Coverage::Counted,
        NetworkMode::Networks => of_networks(container, inventory, attached),
    }
}

/// What of a running container will be counted once everything is attached to that can be.
pub(crate) fn prospect(container: &Container, inventory: &Inventory) -> Coverage {
    let is_bridge = |endpoint: &&Endpoint| {
        let network = inventory.networks.iter().find(|network| network.name == endpoint.network);
        network.is_none_or(|network| network.driver == "bridge")
    };
    let live: Vec<_> = container
        .endpoints
        .iter()
        .filter(is_bridge)
        .map(|endpoint| Some(endpoint.network.as_str()))
        .collect();
    coverage(container, inventory, &Attached { ever: !live.is_empty(), live })
}

fn of_networks(container: &Container, inventory: &Inventory, attached: &Attached<'_>) -> Coverage {
    // A meter whose network is not known may be that of any endpoint that has none yet.
    let mut unplaced = attached.live.iter().filter(|network| network.is_none()).count();
    let mut gaps = Vec::new();
    for endpoint in &container.endpoints {
        let Some(reason) = gap(endpoint, inventory, attached) else {
            continue;
        };
        if unplaced > 0 && matches!(reason, Uncounted::NoInterface | Uncounted::UnknownDriver { .. }) {
            unplaced -= 1;
        } else {
            gaps.push(Gap { network: endpoint.network.clone(), reason });
        }
    }
    if attached.ever {
        return if gaps.is_empty() { Coverage::Counted } else { Coverage::Partly(gaps) };
    }
    let reason = gaps.into_iter().next().map_or(Uncounted::NoNetwork, |gap| gap.reason);
    Coverage::NotCounted(reason)
}

/// Why an endpoint is not counted; `None` when it is.
fn gap(endpoint: &Endpoint, inventory: &Inventory, attached: &Attached<'_>) -> Option<Uncounted> {
    if attached.live.contains(&Some(endpoint.network.as_str())) {
        return None;
    }
    let network = inventory.networks.iter().find(|network| network.name == endpoint.network);
    Some(match network.map(|network| network.driver.as_str()) {
        Some("bridge") | None => Uncounted::NoInterface,
        Some(driver @ ("macvlan" | "ipvlan")) => Uncounted::InsideNamespace { driver: driver.to_owned() },
        Some("overlay") => Uncounted::Overlay,
        Some("host") => Uncounted::HostNetwork,
        Some("null") => Uncounted::NoNetwork,
        Some(driver) => Uncounted::UnknownDriver { driver: driver.to_owned() },
    })
}
