//! What Docker says there is: containers, their networks and ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::identity::{ContainerId, NetnsId, Timestamp};

/// Containers and networks as they were when last listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) containers: BTreeMap<ContainerId, Container>,
    pub(crate) networks: Vec<Network>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: ContainerId,
    /// Without the leading slash. Hostile input: may hold anything.
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) state: ContainerState,
    pub(crate) network_mode: NetworkMode,
    /// Process id of its first process as the host numbers it, while it runs.
    pub(crate) pid: Option<u32>,
    /// Its network namespace, while it runs and the host's namespace has a number for it.
    pub(crate) netns: Option<NetnsId>,
    /// When the namespace had that number for certain: the kernel gives it to another as soon as this one is gone.
    pub(crate) seen_at: Timestamp,
    pub(crate) endpoints: Vec<Endpoint>,
    /// What `EXPOSE` and `-p` name, published or not.
    pub(crate) exposed: BTreeSet<PortNumber>,
    /// What is reachable from the host's addresses.
    pub(crate) published: Vec<PublishedPort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerState {
    Running,
    /// Created, exited, restarting or dead.
    Stopped,
}

/// How the container is connected, as far as it decides what can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NetworkMode {
    /// Through networks: see [`Container::endpoints`].
    Networks,
    Host,
    None,
    /// In the network namespace of another container.
    SharedWith(ContainerId),
    /// Anything else Docker may say.
    Unknown(String),
}

/// A container's connection to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) network: String,
    pub(crate) addresses: Vec<IpAddr>,
    /// First octet in bits 40..48.
    pub(crate) mac: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PortNumber {
    /// IP protocol number: TCP, UDP or SCTP.
    pub(crate) protocol: u8,
    pub(crate) port: u16,
}

/// A mapping from a port of the host to one of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PublishedPort {
    pub(crate) container: PortNumber,
    pub(crate) host_address: Option<IpAddr>,
    pub(crate) host_port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) driver: String,
    /// Name of the bridge, for networks that have one on this host.
    pub(crate) bridge: Option<String>,
    pub(crate) subnets: Vec<IpNet>,
    pub(crate) gateways: Vec<IpAddr>,
}
