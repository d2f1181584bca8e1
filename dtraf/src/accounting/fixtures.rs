//! Small containers, networks and readings for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;

use dtraf_common::abi::{Family, Role, Scope};

use super::amount::{Amount, Frames, PerDirection};
use super::identity::{ContainerId, Generation, IfIndex, NetnsId, Slot, Timestamp};
use super::inventory::{
    Container, ContainerState, Endpoint, Inventory, Network, NetworkMode, PortNumber, PublishedPort,
};
use super::snapshot::{HookKind, Life, Meter, MeterId, MeterReading, Point, Port, Shortfall, TcHook};
use super::sorted::Sorted;

pub(crate) fn id(number: u8) -> ContainerId {
    ContainerId::from_bytes([number; 32])
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ns(1_790_000_000_000_000_000 + seconds * 1_000_000_000)
}

pub(crate) fn ifindex(number: u32) -> IfIndex {
    IfIndex(NonZeroU32::new(number).expect("a test names interfaces from 1"))
}

/// A running container on the network `bridge`, alone in namespace `number`.
pub(crate) fn container(number: u8, name: &str) -> Container {
    Container {
        id: id(number),
        name: name.to_owned(),
        image: "busybox".to_owned(),
        labels: BTreeMap::new(),
        state: ContainerState::Running,
        network_mode: NetworkMode::Networks,
        pid: Some(1000 + u32::from(number)),
        netns: Some(NetnsId(i32::from(number))),
        seen_at: Timestamp(std::time::Duration::MAX),
        endpoints: vec![endpoint("bridge", [172, 17, 0, number])],
        exposed: BTreeSet::new(),
        published: Vec::new(),
    }
}

pub(crate) fn stopped(container: Container) -> Container {
    Container { state: ContainerState::Stopped, pid: None, netns: None, ..container }
}

pub(crate) fn in_mode(container: Container, network_mode: NetworkMode) -> Container {
    Container { network_mode, endpoints: Vec::new(), ..container }
}

pub(crate) fn endpoint(network: &str, address: impl Into<IpAddr>) -> Endpoint {
    Endpoint { network: network.to_owned(), addresses: vec![address.into()], mac: None }
}

pub(crate) fn published(host_port: u16, port: u16) -> PublishedPort {
    PublishedPort { container: PortNumber { protocol: 6, port }, host_address: None, host_port }
}

pub(crate) fn network(name: &str, driver: &str, bridge: Option<&str>) -> Network {
    Network {
        id: format!("{name}-id"),
        name: name.to_owned(),
        driver: driver.to_owned(),
        bridge: bridge.map(str::to_owned),
        subnets: Vec::new(),
        gateways: Vec::new(),
    }
}

/// These containers, and the networks `bridge`, `front`, `vlan7` (macvlan) and `swarm` (overlay).
pub(crate) fn inventory(containers: impl IntoIterator<Item = Container>) -> Inventory {
    Inventory {
        containers: containers.into_iter().map(|container| (container.id, container)).collect(),
        networks: vec![
            network("bridge", "bridge", Some("docker0")),
            network("front", "bridge", Some("br-f00")),
            network("vlan7", "macvlan", None),
            network("swarm", "overlay", None),
        ],
    }
}

/// A live meter in slot `number`, attached at second 0 to interface `number`.
pub(crate) fn meter(number: u16) -> Meter {
    Meter {
        id: MeterId::Slot(Slot(number), Generation(u64::from(number))),
        point: Point::Interface { ifindex: ifindex(u32::from(number)), name: format!("veth{number}") },
        life: Life::Live,
        hook: HookKind::Tc(TcHook::Tcx),
        attached_at: at(0),
        shortfall: Some(PerDirection::from_fn(|_| Shortfall { settled: true, ..Shortfall::default() })),
        container: None,
    }
}

/// Packets of 1,000 bytes.
pub(crate) fn packets(count: u64) -> Amount {
    let frames =
        Frames { wire_bytes: 1000 * count, packets: count, ip_bytes: 986 * count, skb_bytes: 1000 * count };
    Amount { frames: Some(frames), skb_ip_bytes: 986 * count, skbs: count }
}

pub(crate) fn port(port: u16, role: Role, scope: Scope) -> Port {
    Port { protocol: 6, port, role, family: Family::V4, scope: Some(scope) }
}

/// A meter that counted `rx` and `tx` packets from the internet, all of them on its own TCP port 80.
pub(crate) fn reading(meter: Meter, rx: u64, tx: u64) -> MeterReading {
    let amounts = PerDirection { rx: packets(rx), tx: packets(tx) };
    let internet = |amount| BTreeMap::from([(Some(Scope::Internet), amount)]);
    MeterReading {
        meter,
        scopes: PerDirection { rx: internet(amounts.rx), tx: internet(amounts.tx) },
        buckets: PerDirection::default(),
        ports: Sorted::from_iter([(port(80, Role::Server, Scope::Internet), amounts)]),
        flooded: BTreeMap::new(),
        origins: Some(BTreeMap::new()),
    }
}
