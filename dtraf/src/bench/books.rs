//! Readings without a kernel: what the pure core does with them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use dtraf_common::abi::{Family, Role, Scope};

use crate::accounting::amount::{Amount, Frames, PerDirection};
use crate::accounting::attribution::{AttributedSnapshot, Placement, attribute};
use crate::accounting::identity::{ContainerId, Generation, IfIndex, NetnsId, Slot, Timestamp};
use crate::accounting::inventory::{Container, ContainerState, Endpoint, Inventory, Network, NetworkMode};
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Backend, Origin, Report};
use crate::accounting::snapshot::{
    HookKind, Life, Meter, MeterId, MeterReading, Point, Port, Shortfall, Snapshot, TcHook,
};

/// A host with containers that have been counted.
#[derive(Debug)]
pub struct Books {
    pub(super) inventory: Inventory,
    pub(super) placements: BTreeMap<IfIndex, Placement>,
    pub(super) ledger: Ledger,
    snapshot: Snapshot,
}

impl Books {
    /// So many containers, and ports of each.
    pub fn of(containers: u16, ports: u16) -> Self {
        let numbers = || 1..=containers;
        let named = |number| {
            let container = container(number);
            (container.id, container)
        };
        let network = Network {
            id: "bridge-id".to_owned(),
            name: "bridge".to_owned(),
            driver: "bridge".to_owned(),
            bridge: Some("docker0".to_owned()),
            subnets: Vec::new(),
            gateways: Vec::new(),
        };
        let placement = |number: u16| Placement {
            netns: Some(NetnsId(number.into())),
            since: Timestamp::default(),
            bridge: Some("docker0".to_owned()),
        };
        let mut books = Self {
            inventory: Inventory { containers: numbers().map(named).collect(), networks: vec![network] },
            placements: numbers().map(|number| (ifindex(number), placement(number))).collect(),
            ledger: Ledger::default(),
            snapshot: Snapshot { taken_at: Timestamp::default(), meters: Vec::new() },
        };
        books.snapshot.meters = numbers().map(|number| reading(number, ports, 1)).collect();
        books.post();
        books
    }

    /// Says whose each meter is. Gives how many there are.
    pub fn attribute(&self) -> usize {
        self.attributed(self.snapshot.clone()).meters.len()
    }

    /// Books the reading.
    pub fn post(&mut self) -> usize {
        let attributed = self.attributed(self.snapshot.clone());
        let meters = attributed.meters.len();
        assert_eq!(self.ledger.post(attributed).refused, [], "counters only grow");
        meters
    }

    /// Says what there is to show. Gives how many rows it has.
    pub fn report(&self) -> usize {
        let origin = Origin {
            backend: Backend::Ebpf,
            host: String::new(),
            kernel: String::new(),
            blind_spots: Vec::new(),
            refused: Vec::new(),
        };
        Report::new(&self.ledger, &self.inventory, origin, Timestamp::default(), None).containers.len()
    }

    /// Reads a little more everywhere than before, and books it.
    pub(super) fn grow(&mut self, ports: u16, times: u64) {
        let count = u16::try_from(self.inventory.containers.len()).expect("it was made of a u16");
        self.snapshot.meters = (1..=count).map(|number| reading(number, ports, times)).collect();
        self.post();
    }

    pub(super) fn attributed(&self, snapshot: Snapshot) -> AttributedSnapshot {
        attribute(snapshot, &self.inventory, &self.placements)
    }
}

fn ifindex(number: u16) -> IfIndex {
    IfIndex(NonZeroU32::new(number.into()).expect("numbers begin with 1"))
}

fn container(number: u16) -> Container {
    let mut id = [0; 32];
    // As digests are: different from the first digit on.
    id[..2].copy_from_slice(&number.wrapping_mul(0x9e37).to_be_bytes());
    id[2..4].copy_from_slice(&number.to_be_bytes());
    let [high, low] = number.to_be_bytes();
    Container {
        id: ContainerId::from_bytes(id),
        name: format!("bench-{number:04}"),
        image: "busybox".to_owned(),
        labels: BTreeMap::new(),
        state: ContainerState::Running,
        network_mode: NetworkMode::Networks,
        pid: Some(1000 + u32::from(number)),
        netns: Some(NetnsId(number.into())),
        seen_at: Timestamp(std::time::Duration::MAX),
        endpoints: vec![Endpoint {
            network: "bridge".to_owned(),
            addresses: vec![[172, 17, high, low].into()],
            mac: None,
        }],
        exposed: BTreeSet::new(),
        published: Vec::new(),
    }
}

/// What the interface of a number has counted so many times over: 10 packets at each port, in each direction.
fn reading(number: u16, ports: u16, times: u64) -> MeterReading {
    let amount = |packets: u64| Amount {
        frames: Some(Frames {
            wire_bytes: 1000 * packets,
            packets,
            ip_bytes: 986 * packets,
            skb_bytes: 1000 * packets,
        }),
        skb_ip_bytes: 986 * packets,
        skbs: packets,
    };
    let port = |port: u16| Port {
        protocol: 6,
        port: 1024 + port,
        role: Role::Client,
        family: Family::V4,
        scope: Some(Scope::Internet),
    };
    let all = amount(10 * times * u64::from(ports));
    MeterReading {
        meter: Meter {
            id: MeterId::Slot(Slot(number), Generation(number.into())),
            point: Point::Interface { ifindex: ifindex(number), name: format!("veth{number}") },
            life: Life::Live,
            hook: HookKind::Tc(TcHook::Tcx),
            attached_at: Timestamp::default(),
            shortfall: Some(PerDirection::from_fn(|_| Shortfall { settled: true, ..Shortfall::default() })),
            container: None,
        },
        scopes: PerDirection::from_fn(|_| BTreeMap::from([(Some(Scope::Internet), all)])),
        buckets: PerDirection::default(),
        flooded: BTreeMap::new(),
        origins: None,
        ports: (0..ports)
            .map(|number| (port(number), PerDirection::from_fn(|_| amount(10 * times))))
            .collect(),
    }
}
