//! What there is to show: one row for each container, counted or not, and one for each reason why nobody owns a meter.
//!
//! Every view renders a [`Report`] and nothing else. Rows hold exact amounts and the true names; units, widths, order of
//! ports and harmless spelling of names are the views' business. Rates are made here, for display: they are never summed.

mod peers;
mod rate;
mod select;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use dtraf_common::abi::Role;

pub(crate) use self::peers::Peers;
use self::peers::{Exchanges, exchanges};
pub(crate) use self::rate::{Earlier, Marks, Rate, per_second};
use super::amount::{Amount, PerDirection, Unit};
use super::attribution::{Attached, Coverage, Reason, coverage};
use super::blind::BlindSpot;
use super::identity::{ContainerId, Timestamp};
use super::inventory::{Container, ContainerState, Inventory, PublishedPort};
use super::ledger::{Account, Book, Entry, Holder, Ledger};
use super::snapshot::{Life, Meter, Point, Port};

/// Everything known at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) taken_at: Timestamp,
    pub(crate) origin: Origin,
    /// What the rates of the next report are taken from.
    pub(crate) marks: Marks,
    /// Running ones first, removed ones last; by name.
    pub(crate) containers: Vec<ContainerRow>,
    pub(crate) unattributed: Vec<UnattributedRow>,
    /// What the backend counted for interfaces that it knows nothing of; `None` when it was not asked.
    pub(crate) orphans: Option<PerDirection<Amount>>,
}

/// Where the figures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) backend: Backend,
    /// Name of the host.
    pub(crate) host: String,
    /// Release of its kernel.
    pub(crate) kernel: String,
    /// What the figures do not hold, whosever they are.
    pub(crate) blind_spots: Vec<BlindSpot>,
    /// Why no better backend counts.
    pub(crate) refused: Vec<Refused>,
}

/// A better backend that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) backend: Backend,
    pub(crate) reason: String,
}

/// What counts. In the order in which they are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Backend {
    Ebpf,
    /// Rules in `DOCKER-USER`.
    Iptables,
    /// A table of dtraf's own.
    Nft,
}

impl Backend {
    /// The better ones first.
    pub(crate) const ALL: [Self; 3] = [Self::Ebpf, Self::Iptables, Self::Nft];

    /// What its figures are shown in.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Ebpf => Unit::Wire,
            Self::Iptables | Self::Nft => Unit::SkbIp,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ebpf => "eBPF",
            Self::Iptables => "iptables",
            Self::Nft => "nftables",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ContainerRow {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
    pub(crate) state: RowState,
    pub(crate) networks: Vec<String>,
    /// What only Docker knows; `None` once the container is removed, and where Docker did not answer.
    pub(crate) described: Option<Described>,
    pub(crate) coverage: Coverage,
    /// `None` when nothing was ever counted for it: unknown, not zero.
    pub(crate) figures: Option<Figures>,
}

#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) published: Vec<PublishedPort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowState {
    Running,
    Stopped,
    /// Docker did not answer.
    Unknown,
    Removed,
}

#[derive(Clone, Debug)]
pub(crate) struct UnattributedRow {
    pub(crate) reason: Reason,
    pub(crate) figures: Figures,
}

/// What some meters counted.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// The sum over all meters there ever were.
    pub(crate) book: Book,
    pub(crate) total: PerDirection<Amount>,
    /// `None` without an earlier reading.
    pub(crate) rate: Option<PerDirection<Rate>>,
    /// Those that are not closed.
    pub(crate) meters: Vec<MeterRow>,
    /// `None` where nobody looked.
    pub(crate) peers: Option<Peers>,
}

#[derive(Clone, Debug)]
pub(crate) struct MeterRow {
    pub(crate) meter: Meter,
    pub(crate) network: Option<String>,
    pub(crate) total: PerDirection<Amount>,
}

impl Report {
    /// Joins the books with what Docker says. `earlier` is what rates are taken from.
    pub(crate) fn new(
        ledger: &Ledger,
        inventory: &Inventory,
        origin: Origin,
        taken_at: Timestamp,
        earlier: Option<Earlier<'_>>,
    ) -> Self {
        let mut accounts = ledger.accounts();
        let mut exchanges = exchanges(ledger);
        let mut containers = Vec::new();
        for container in inventory.containers.values() {
            let holder = Holder::Container(container.id);
            let account = accounts.remove(&holder);
            let figures =
                account.as_ref().map(|account| Figures::of(holder, account, &mut exchanges, earlier));
            containers.push(ContainerRow::known(container, account.as_ref(), inventory, figures));
        }
        let mut unattributed = Vec::new();
        for (holder, account) in accounts {
            let figures = Figures::of(holder, &account, &mut exchanges, earlier);
            match holder {
                Holder::Container(id) => containers.push(ContainerRow::removed(id, &account, figures)),
                Holder::Unattributed(reason) => unattributed.push(UnattributedRow { reason, figures }),
            }
        }
        containers.sort_by(|one, other| one.order().cmp(&other.order()));
        Self { taken_at, origin, marks: Marks::of(ledger, taken_at), containers, unattributed, orphans: None }
    }
}

impl Report {
    /// Takes back what was concluded from a container's absence where Docker has listed none.
    #[must_use]
    pub(crate) fn without_docker(mut self) -> Self {
        for row in &mut self.containers {
            if row.state == RowState::Removed {
                row.state = RowState::Unknown;
            }
        }
        self
    }
}

impl ContainerRow {
    fn known(
        container: &Container,
        account: Option<&Account<'_>>,
        inventory: &Inventory,
        figures: Option<Figures>,
    ) -> Self {
        let open = account.map_or(&[][..], |account| &account.open);
        let live = open.iter().filter(|entry| entry.reading.meter.life == Life::Live);
        let live = live.flat_map(|entry| networks_of(entry, container)).collect();
        let attached = Attached { live, ever: account.is_some() };
        Self {
            id: container.id,
            name: container.name.clone(),
            state: match container.state {
                ContainerState::Running => RowState::Running,
                ContainerState::Stopped => RowState::Stopped,
            },
            networks: container.endpoints.iter().map(|endpoint| endpoint.network.clone()).collect(),
            described: Some(Described::of(container)),
            coverage: coverage(container, inventory, &attached),
            figures,
        }
    }

    fn removed(id: ContainerId, account: &Account<'_>, figures: Figures) -> Self {
        Self {
            id,
            name: account.name().map_or_else(|| id.to_short(), str::to_owned),
            state: RowState::Removed,
            networks: account.networks().into_iter().map(str::to_owned).collect(),
            described: None,
            coverage: Coverage::Counted,
            figures: Some(figures),
        }
    }

    fn order(&self) -> (RowState, &str, ContainerId) {
        (self.state, &self.name, self.id)
    }

    /// The ports of the host through which a counted port is reached.
    pub(crate) fn mappings(&self, port: &Port) -> impl Iterator<Item = &PublishedPort> {
        let published = self.described.as_ref().map_or(&[][..], |described| &described.published);
        let port = *port;
        published.iter().filter(move |published| {
            let container = published.container;
            port.role == Role::Server && (container.protocol, container.port) == (port.protocol, port.port)
        })
    }
}

/// The networks that a meter counts for, where they are known.
fn networks_of<'a>(entry: &'a Entry, container: &'a Container) -> Vec<Option<&'a str>> {
    match &entry.reading.meter.point {
        Point::Interface { .. } => vec![entry.network.as_deref()],
        Point::Addresses(addresses) => {
            let is_counted = |address| addresses.contains(address);
            let endpoints = container.endpoints.iter();
            let counted = endpoints.filter(|endpoint| endpoint.addresses.iter().any(is_counted));
            counted.map(|endpoint| Some(endpoint.network.as_str())).collect()
        }
    }
}

impl Described {
    fn of(container: &Container) -> Self {
        let mut published = container.published.clone();
        published.sort_unstable();
        Self {
            image: container.image.clone(),
            labels: container.labels.clone(),
            addresses: container.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).copied().collect(),
            published,
        }
    }
}

impl Figures {
    fn of(
        holder: Holder,
        account: &Account<'_>,
        exchanges: &mut Exchanges,
        earlier: Option<Earlier<'_>>,
    ) -> Self {
        let book = account.book();
        let meters = account.open.iter().map(|entry| MeterRow {
            meter: entry.reading.meter.clone(),
            network: entry.network.clone(),
            total: entry.reading.total(),
        });
        Self {
            total: book.total(),
            rate: earlier.and_then(|earlier| earlier.rate(account)),
            meters: meters.collect(),
            peers: Peers::of(account, &book, exchanges.remove(&holder).unwrap_or_default()),
            book,
        }
    }
}

impl Report {
    /// How many containers have figures, and how many of the running ones have none of their own.
    pub(crate) fn census(&self) -> Census {
        let count =
            |wanted: fn(&ContainerRow) -> bool| self.containers.iter().filter(|row| wanted(row)).count();
        Census {
            counted: count(|row| row.figures.is_some()),
            elsewhere: count(|row| matches!(row.coverage, Coverage::SharedWith(_))),
            not_counted: count(|row| {
                row.state == RowState::Running && matches!(row.coverage, Coverage::NotCounted(_))
            }),
        }
    }
}

/// How many containers are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) counted: usize,
    /// Counted at another container, whose network they use.
    pub(crate) elsewhere: usize,
    pub(crate) not_counted: usize,
}

#[cfg(test)]
mod tests;
