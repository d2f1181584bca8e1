//! The shape of the document. Field by field as in `docs/json.md`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use dtraf_common::abi::{Role, Scope};
use serde::Serialize;

use super::super::names;
use super::amounts::{AmountObject, RateObject, all, buckets_of, has_unknown_scope, of_each};
use super::peers::{Known, PeerObject};
use crate::accounting::amount::{Amount, PerDirection};
use crate::accounting::attribution::{Coverage, Gap};
use crate::accounting::blind::BlindSpot;
use crate::accounting::identity::Timestamp;
use crate::accounting::inventory::PublishedPort;
use crate::accounting::report::{ContainerRow, Figures, MeterRow, Refused, Report, UnattributedRow};
use crate::accounting::snapshot::{Point, Port, Shortfall};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    version: u32,
    backend: &'static str,
    unit: &'static str,
    taken_at: String,
    taken_at_unix_ns: u64,
    host: Host<'a>,
    refused: Vec<RefusedObject<'a>>,
    blind_spots: Vec<BlindSpotObject>,
    containers: Vec<ContainerObject<'a>>,
    unattributed: Vec<UnattributedObject<'a>>,
    orphans: Option<PerDirection<AmountObject>>,
}

#[derive(Serialize)]
struct Host<'a> {
    name: &'a str,
    kernel: &'a str,
}

#[derive(Serialize)]
struct RefusedObject<'a> {
    backend: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
struct BlindSpotObject {
    kind: &'static str,
    text: String,
}

#[derive(Serialize)]
struct ContainerObject<'a> {
    id: String,
    name: &'a str,
    image: Option<&'a str>,
    state: Option<&'static str>,
    networks: &'a [String],
    addresses: Option<&'a [IpAddr]>,
    published: Option<Vec<PublishedObject>>,
    coverage: CoverageObject<'a>,
    #[serde(flatten)]
    figures: FiguresObject<'a>,
}

#[derive(Serialize)]
struct UnattributedObject<'a> {
    reason: &'static str,
    text: String,
    #[serde(flatten)]
    figures: FiguresObject<'a>,
}

#[derive(Serialize)]
struct PublishedObject {
    protocol: Cow<'static, str>,
    container_port: u16,
    host_address: Option<IpAddr>,
    host_port: u16,
}

#[derive(Serialize)]
struct CoverageObject<'a> {
    kind: &'static str,
    reason: Option<&'static str>,
    text: Option<String>,
    shared_with: Option<SharedWith<'a>>,
    gaps: Vec<GapObject<'a>>,
}

#[derive(Serialize)]
struct SharedWith<'a> {
    id: String,
    name: &'a str,
}

#[derive(Serialize)]
struct GapObject<'a> {
    network: &'a str,
    reason: &'static str,
    text: String,
}

/// What was counted; null in every field where nothing was.
#[derive(Default, Serialize)]
struct FiguresObject<'a> {
    since: Option<String>,
    since_unix_ns: Option<u64>,
    hooks: Option<Vec<&'static str>>,
    rx: Option<AmountObject>,
    tx: Option<AmountObject>,
    rates: Option<PerDirection<RateObject>>,
    shortfall: Option<PerDirection<Shortfall>>,
    scopes: Option<PerDirection<BTreeMap<&'static str, AmountObject>>>,
    buckets: Option<PerDirection<BTreeMap<&'static str, AmountObject>>>,
    /// Received in the scope `flooded`, by the scope of the source address.
    flooded: Option<BTreeMap<&'static str, AmountObject>>,
    ports: Option<Vec<PortObject>>,
    meters: Option<Vec<MeterObject<'a>>>,
    peers: Option<Vec<PeerObject<'a>>>,
}

#[derive(Serialize)]
struct PortObject {
    protocol: Cow<'static, str>,
    protocol_number: u8,
    port: Option<u16>,
    role: &'static str,
    family: &'static str,
    scope: Option<&'static str>,
    mappings: Vec<String>,
    rx: AmountObject,
    tx: AmountObject,
}

#[derive(Serialize)]
struct MeterObject<'a> {
    interface: Option<&'a str>,
    ifindex: Option<u32>,
    addresses: Option<Vec<IpAddr>>,
    network: Option<&'a str>,
    life: &'static str,
    hook: &'static str,
    since: String,
    since_unix_ns: u64,
    shortfall: Option<PerDirection<Shortfall>>,
    rx: AmountObject,
    tx: AmountObject,
}

impl<'a> Document<'a> {
    pub(super) fn of(report: &'a Report, version: u32) -> Self {
        let known = Known::of(report);
        Self {
            version,
            backend: names::backend(report.origin.backend),
            unit: names::unit(report.origin.backend.unit()),
            taken_at: names::rfc3339(report.taken_at),
            taken_at_unix_ns: report.taken_at.unix_ns(),
            host: Host { name: &report.origin.host, kernel: &report.origin.kernel },
            refused: report.origin.refused.iter().map(RefusedObject::of).collect(),
            blind_spots: report.origin.blind_spots.iter().copied().map(BlindSpotObject::of).collect(),
            containers: report.containers.iter().map(|row| ContainerObject::of(row, &known)).collect(),
            unattributed: report.unattributed.iter().map(|row| UnattributedObject::of(row, &known)).collect(),
            orphans: report.orphans.as_ref().map(of_each),
        }
    }
}

impl<'a> RefusedObject<'a> {
    fn of(refused: &'a Refused) -> Self {
        Self { backend: names::backend(refused.backend), reason: &refused.reason }
    }
}

impl BlindSpotObject {
    fn of(spot: BlindSpot) -> Self {
        Self { kind: names::blind_spot(spot), text: spot.to_string() }
    }
}

impl<'a> ContainerObject<'a> {
    fn of(row: &'a ContainerRow, known: &Known<'a>) -> Self {
        let described = row.described.as_ref();
        let published =
            described.map(|described| described.published.iter().map(PublishedObject::of).collect());
        let mappings = |port: &Port| row.mappings(port).map(names::mapping).collect();
        Self {
            id: row.id.to_string(),
            name: &row.name,
            image: described.map(|described| described.image.as_str()),
            state: names::state(row.state),
            networks: &row.networks,
            addresses: described.map(|described| described.addresses.as_slice()),
            published,
            coverage: CoverageObject::of(&row.coverage),
            figures: row
                .figures
                .as_ref()
                .map(|figures| FiguresObject::of(figures, mappings, known))
                .unwrap_or_default(),
        }
    }
}

impl<'a> UnattributedObject<'a> {
    fn of(row: &'a UnattributedRow, known: &Known<'a>) -> Self {
        let figures = FiguresObject::of(&row.figures, |_| Vec::new(), known);
        Self { reason: names::reason(row.reason), text: row.reason.to_string(), figures }
    }
}

impl PublishedObject {
    fn of(published: &PublishedPort) -> Self {
        Self {
            protocol: names::protocol(published.container.protocol),
            container_port: published.container.port,
            host_address: published.host_address,
            host_port: published.host_port,
        }
    }
}

impl<'a> CoverageObject<'a> {
    fn of(coverage: &'a Coverage) -> Self {
        let plain = |kind| Self { kind, reason: None, text: None, shared_with: None, gaps: Vec::new() };
        match coverage {
            Coverage::Counted => plain("counted"),
            Coverage::Partly(gaps) => {
                Self { gaps: gaps.iter().map(GapObject::of).collect(), ..plain("partly") }
            }
            Coverage::SharedWith(other) => {
                let shared_with = SharedWith { id: other.id.to_string(), name: &other.name };
                Self { shared_with: Some(shared_with), ..plain("shared") }
            }
            Coverage::NotCounted(reason) => Self {
                reason: Some(names::uncounted(reason)),
                text: Some(reason.to_string()),
                ..plain("not_counted")
            },
        }
    }
}

impl<'a> GapObject<'a> {
    fn of(gap: &'a Gap) -> Self {
        Self { network: &gap.network, reason: names::uncounted(&gap.reason), text: gap.reason.to_string() }
    }
}

impl<'a> FiguresObject<'a> {
    fn of(figures: &'a Figures, mappings: impl Fn(&Port) -> Vec<String>, known: &Known<'a>) -> Self {
        let book = &figures.book;
        let port =
            |(port, amounts): (&Port, &PerDirection<Amount>)| PortObject::of(*port, amounts, mappings(port));
        Self {
            since: book.since.map(names::rfc3339),
            since_unix_ns: book.since.map(Timestamp::unix_ns),
            hooks: Some(book.hooks.iter().copied().map(names::hook).collect()),
            rx: Some(figures.total.rx.into()),
            tx: Some(figures.total.tx.into()),
            rates: figures.rate.as_ref().map(of_each),
            shortfall: book.shortfall,
            scopes: (!has_unknown_scope(book)).then(|| {
                PerDirection::from_fn(|direction| {
                    let scopes = book.scopes.get(direction);
                    all(Scope::ALL, names::scope, |scope| scopes.get(&Some(*scope)).copied())
                })
            }),
            buckets: Some(PerDirection::from_fn(|direction| {
                let buckets = book.buckets.get(direction);
                all(buckets_of(book), names::bucket, |bucket| buckets.get(bucket).copied())
            })),
            flooded: (!has_unknown_scope(book)).then(|| {
                book.flooded.iter().map(|(scope, amount)| (names::scope(*scope), (*amount).into())).collect()
            }),
            ports: Some(book.ports.iter().map(port).collect()),
            meters: Some(figures.meters.iter().map(MeterObject::of).collect()),
            peers: figures.peers.as_ref().map(|peers| known.peers(peers)),
        }
    }
}

impl PortObject {
    fn of(port: Port, amounts: &PerDirection<Amount>, mappings: Vec<String>) -> Self {
        Self {
            protocol: names::protocol(port.protocol),
            protocol_number: port.protocol,
            port: matches!(port.role, Role::Server | Role::Client).then_some(port.port),
            role: names::role(port.role),
            family: names::family(port.family),
            scope: port.scope.map(names::scope),
            mappings,
            rx: amounts.rx.into(),
            tx: amounts.tx.into(),
        }
    }
}

impl<'a> MeterObject<'a> {
    fn of(row: &'a MeterRow) -> Self {
        let meter = &row.meter;
        let (interface, ifindex, addresses) = match &meter.point {
            Point::Interface { ifindex, name } => (Some(name.as_str()), Some(ifindex.0.get()), None),
            Point::Addresses(addresses) => (None, None, Some(addresses.iter().copied().collect())),
        };
        Self {
            interface,
            ifindex,
            addresses,
            network: row.network.as_deref(),
            life: names::life(meter.life),
            hook: names::hook(meter.hook),
            since: names::rfc3339(meter.attached_at),
            since_unix_ns: meter.attached_at.unix_ns(),
            shortfall: meter.shortfall,
            rx: row.total.rx.into(),
            tx: row.total.tx.into(),
        }
    }
}
