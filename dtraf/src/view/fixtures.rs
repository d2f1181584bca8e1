//! A report that has one of everything, and a small one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dtraf_common::abi::{self, Family, Role, Scope};

use super::units::Units;
use super::{Detail, Fit, Format, Paint, RateUnit, View};
use crate::accounting::amount::PerDirection;
use crate::accounting::attribution::{Attributed, AttributedSnapshot, Owner, Reason};
use crate::accounting::fixtures::{
    at, container, endpoint, id, in_mode, inventory, meter, packets, port, published, reading, stopped,
};
use crate::accounting::inventory::{Inventory, NetworkMode};
use crate::accounting::ledger::Ledger;
use crate::accounting::report::{Backend, Earlier, Origin, Report};
use crate::accounting::snapshot::{Bucket, ContainerName, Meter, MeterReading, Port, Shortfall};

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
        ports: BTreeMap::from([
            (port(80, Role::Server, Scope::Internet), amounts(700, 1400)),
            (v6, amounts(200, 400)),
            (port(443, Role::Client, Scope::Internet), amounts(100, 200)),
            (icmp, amounts(2, 2)),
        ]),
        meter,
    }
}

/// One of everything that Docker may say.
fn everyone() -> Inventory {
    let mut web = container(1, "web");
    web.endpoints.push(endpoint("front", "fd00:17::1".parse::<IpAddr>().expect("an address")));
    web.published = vec![published(8080, 80), published(8443, 443)];
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
    let marks = Report::new(&ledger, &everyone(), origin(), at(9), None).marks;
    post(&mut ledger, [(front, owned(1, "web"), "front")]);
    let earlier = Earlier { marks: &marks, elapsed: Duration::from_secs(1) };
    let report = Report::new(&ledger, &everyone(), origin(), at(10), Some(earlier));
    Report { orphans: Some(PerDirection { rx: packets(3), tx: packets(0) }), ..report }
}
