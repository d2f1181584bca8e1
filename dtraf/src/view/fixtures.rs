//! A report that has one of everything, and a small one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dtraf_common::abi::{self, Family, Role, Scope};

use super::units::Units;
use super::{Detail, Fit, Format, Paint, RateUnit, View};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::attribution::{Attributed, AttributedSnapshot, Owner, Reason};
use crate::accounting::blind::BlindSpot;
use crate::accounting::fixtures::{
    at, container, endpoint, id, in_mode, inventory, meter, packets, port, published, reading, stopped,
};
use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{Container, Inventory, NetworkMode};
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Backend, Earlier, Origin, Refused, Report};
use crate::accounting::snapshot::{
    Bucket, ContainerName, HookKind, Meter, MeterId, MeterReading, Point, Port, Shortfall,
};
use crate::accounting::sorted::Sorted;

pub(super) const VIEW: View = View {
    format: Format::Table,
    detail: Detail::Containers,
    units: Units::Si,
    rate_unit: RateUnit::Bytes,
    fit: Fit::Rows,
    paint: Paint::Plain,
};

fn owned(number: u8, name: &str) -> Owner {
    Owner::Container(ContainerName { id: id(number), name: name.to_owned() })
}

fn post(ledger: &mut Ledger, meters: impl IntoIterator<Item = (MeterReading, Owner, &'static str)>) {
    let attributed = |(reading, owner, network): (_, _, &str)| Attributed {
        reading,
        owner,
        network: Some(network.to_owned()),
    };
    ledger.post(AttributedSnapshot { taken_at: at(1), meters: meters.into_iter().map(attributed).collect() });
}

fn origin() -> Origin {
    Origin {
        backend: Backend::Ebpf,
        host: "host1".to_owned(),
        kernel: "6.12.0".to_owned(),
        blind_spots: Vec::new(),
        refused: Vec::new(),
    }
}

/// So many containers with ports of their own, a second apart; each is faster than the one before it.
pub(super) fn many(number: u16) -> [Report; 2] {
    let container_of = |number: u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let mut container = container(1, &format!("service-{number:04}"));
        container.id = ContainerId::from_bytes(bytes);
        container.published = vec![published(number, 80)];
        container
    };
    let everyone = inventory((1..=number).map(container_of));
    let mut ledger = Ledger::default();
    let mut read = |seconds: u64| {
        let readings = (1..=number).map(|number| {
            let name = ContainerName { id: container_of(number).id, name: format!("service-{number:04}") };
            let count = u64::from(number) * (1 + seconds);
            let mut reading = reading(meter(number), count, 2 * count);
            let web = reading.ports.values().copied().next().unwrap_or_default();
            reading.ports = (0..10).map(|at| (port(80 + at, Role::Server, Scope::Internet), web)).collect();
            (reading, Owner::Container(name), "bridge")
        });
        post(&mut ledger, readings.collect::<Vec<_>>());
        Report::new(&ledger, &everyone, origin(), at(seconds), None)
    };
    [read(1), read(2)]
}

/// What rules count of two containers, a second apart: no frames, no scopes.
pub(super) fn by_rules() -> [Report; 2] {
    let web = Container { published: vec![published(8080, 80)], ..container(1, "web") };
    let everyone = inventory([web, container(2, "db"), in_mode(container(3, "metrics"), NetworkMode::Host)]);
    let counted = |count: u64| Amount { frames: None, skb_ip_bytes: 1000 * count, skbs: count };
    let both = |rx: u64, tx: u64| PerDirection { rx: counted(rx), tx: counted(tx) };
    let mut ledger = Ledger::default();
    let mut read = |seconds: u64| {
        let reading = |number: u8, name: &str, [ports, without]: [PerDirection<Amount>; 2]| {
            let point = Point::Addresses([IpAddr::from([172, 17, 0, number])].into());
            let meter = Meter {
                id: MeterId::Rules(id(number)),
                point,
                hook: HookKind::DockerUser,
                shortfall: None,
                ..meter(u16::from(number))
            };
            let total = [ports, without].into_iter().sum::<PerDirection<_>>();
            let reading = MeterReading {
                meter,
                scopes: PerDirection::from_fn(|direction| BTreeMap::from([(None, *total.get(direction))])),
                buckets: PerDirection::from_fn(|direction| {
                    BTreeMap::from([(Bucket::NoRule, *without.get(direction))])
                }),
                ports: Sorted::from_iter([(
                    Port { scope: None, ..port(80, Role::Server, Scope::Lan) },
                    ports,
                )]),
                flooded: BTreeMap::new(),
                origins: None,
            };
            (reading, owned(number, name), "bridge")
        };
        let web = reading(1, "web", [both(10 * seconds, 200 * seconds), both(7, 3)]);
        let db = reading(2, "db", [both(0, 0), both(5, 4)]);
        post(&mut ledger, [web, db]);
        let origin = Origin {
            backend: Backend::Iptables,
            blind_spots: vec![
                BlindSpot::Wire,
                BlindSpot::Scopes,
                BlindSpot::ClientPorts,
                BlindSpot::HostTraffic,
            ],
            refused: vec![Refused {
                backend: Backend::Ebpf,
                reason: "Linux 4.19.0 is older than 5.8 (boot Linux 5.8 or newer)".to_owned(),
            }],
            ..origin()
        };
        Report::new(&ledger, &everyone, origin, at(seconds), None)
    };
    [read(1), read(2)]
}

/// A proxy, what it asks and who asks it, a second apart; of the database some came by another network.
pub(super) fn peers() -> [Report; 2] {
    let everyone = inventory([container(1, "proxy"), container(2, "app"), container(3, "db")]);
    let mut ledger = Ledger::default();
    let mut read = |seconds: u64| {
        let from = |sender: u16, count: u64| (meter(sender).id, packets(count * seconds));
        let reading = |receiver: u16, origins: &[(MeterId, Amount)], routed: u64, sent: u64| {
            let received = origins.iter().map(|(_, amount)| *amount).sum::<Amount>() + packets(routed);
            let container = |amount| BTreeMap::from([(Some(Scope::Container), amount)]);
            MeterReading {
                scopes: PerDirection { rx: container(received), tx: container(packets(sent * seconds)) },
                buckets: PerDirection::default(),
                ports: Sorted::from_iter([(
                    port(80, Role::Server, Scope::Container),
                    PerDirection { rx: received, tx: packets(sent * seconds) },
                )]),
                flooded: BTreeMap::new(),
                origins: Some(origins.iter().copied().collect()),
                meter: meter(receiver),
            }
        };
        let proxy = reading(1, &[from(2, 900)], 0, 100);
        let app = reading(2, &[from(1, 100), from(3, 40)], 0, 907);
        let db = reading(3, &[from(2, 7)], 3, 40);
        post(
            &mut ledger,
            [
                (proxy, owned(1, "proxy"), "bridge"),
                (app, owned(2, "app"), "bridge"),
                (db, owned(3, "db"), "bridge"),
            ],
        );
        Report::new(&ledger, &everyone, origin(), at(seconds), None)
    };
    [read(1), read(2)]
}

/// One container with one port, read once.
pub(super) fn small() -> Report {
    let mut ledger = Ledger::default();
    post(&mut ledger, [(reading(meter(7), 12, 34), owned(1, "web"), "bridge")]);
    let mut web = container(1, "web");
    web.published = vec![published(8080, 80)];
    Report::new(&ledger, &inventory([web]), origin(), at(2), None)
}

const UNSOLICITED: Bucket = Bucket::Program(abi::Bucket::Unsolicited);

/// Ports and buckets of a busy web server: 1,010 packets received, 2,006 transmitted.
fn busy(meter: Meter) -> MeterReading {
    let amounts = |rx, tx| PerDirection { rx: packets(rx), tx: packets(tx) };
    let icmp = Port { protocol: 1, ..port(0, Role::Portless, Scope::Lan) };
    let v6 = Port { family: Family::V6, ..port(80, Role::Server, Scope::Internet) };
    MeterReading {
        scopes: PerDirection {
            rx: BTreeMap::from([(Some(Scope::Internet), packets(1008)), (Some(Scope::Lan), packets(2))]),
            tx: BTreeMap::from([(Some(Scope::Internet), packets(2004)), (Some(Scope::Lan), packets(2))]),
        },
        buckets: PerDirection {
            rx: BTreeMap::from([(UNSOLICITED, packets(8))]),
            tx: BTreeMap::from([(UNSOLICITED, packets(4))]),
        },
        ports: Sorted::from_iter([
            (port(80, Role::Server, Scope::Internet), amounts(700, 1400)),
            (v6, amounts(200, 400)),
            (port(443, Role::Client, Scope::Internet), amounts(100, 200)),
            (icmp, amounts(2, 2)),
        ]),
        flooded: BTreeMap::new(),
        origins: Some(BTreeMap::new()),
        meter,
    }
}

/// One of everything that Docker may say.
fn everyone() -> Inventory {
    let mut web = container(1, "web");
    web.endpoints.push(endpoint("front", "fd00:17::1".parse::<IpAddr>().expect("an address")));
    web.published = vec![published(8080, 80), published(8443, 443)];
    web.labels.insert("com.docker.compose.project".to_owned(), "shop".to_owned());
    let mut db = container(2, "db");
    db.endpoints.push(endpoint("vlan7", [192, 168, 7, 2]));
    inventory([
        web,
        db,
        in_mode(container(3, "metrics"), NetworkMode::Host),
        in_mode(container(4, "sidecar"), NetworkMode::SharedWith(id(1))),
        stopped(container(5, "old")),
        stopped(container(6, "never")),
        container(7, "evil\u{1b}[2J\u{202e}"),
    ])
}

/// One of everything, after a second in which `web` received 10 packets and transmitted 20.
pub(super) fn full() -> Report {
    let [_, report] = twice();
    report
}

/// The same report, behind the one a second before it.
pub(super) fn twice() -> [Report; 2] {
    let short = |rx: u64, tx: u64| PerDirection {
        rx: Shortfall { skb_bytes: rx, skbs: 1, settled: true },
        tx: Shortfall { skb_bytes: tx, skbs: 1, settled: false },
    };
    let later = Meter { attached_at: at(3600), ..meter(8) };
    let front = reading(later, 10, 20);
    let mut ledger = Ledger::default();
    let closed = [(meter(3), owned(5, "old")), (meter(4), owned(9, "job"))];
    for (meter, owner) in closed {
        let reading = reading(meter, 5, 5);
        let closed = reading.meter.id;
        post(&mut ledger, [(reading, owner, "bridge")]);
        ledger.close(closed, at(2));
    }
    let db = Meter { shortfall: Some(short(1_200_000, 3_000)), ..meter(2) };
    post(
        &mut ledger,
        [
            (busy(meter(7)), owned(1, "web"), "bridge"),
            (reading(meter(8), 0, 0), owned(1, "web"), "front"),
            (reading(db, 1_000_000, 1), owned(2, "db"), "bridge"),
            (reading(meter(9), 0, 0), owned(7, "evil"), "bridge"),
            (reading(meter(10), 2, 1), Owner::Unattributed(Reason::NoContainer), "bridge"),
        ],
    );
    let before = Report::new(&ledger, &everyone(), origin(), at(9), None);
    post(&mut ledger, [(front, owned(1, "web"), "front")]);
    let earlier = Earlier { marks: &before.marks, elapsed: Duration::from_secs(1) };
    let report = Report::new(&ledger, &everyone(), origin(), at(10), Some(earlier));
    let report = Report { orphans: Some(PerDirection { rx: packets(3), tx: packets(0) }), ..report };
    [before, report]
}
