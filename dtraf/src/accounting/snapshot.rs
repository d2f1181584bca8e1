//! What one reading of a backend's counters says. Nothing here knows which backend it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use dtraf_common::abi::{self, Family, Role, Scope};
use serde::Serialize;

use super::amount::{Amount, PerDirection};
use super::identity::{ContainerId, Generation, IfIndex, Slot, Timestamp};
use super::sorted::Sorted;

/// All counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) taken_at: Timestamp,
    pub(crate) meters: Vec<MeterReading>,
}

/// The counters at one point.
#[derive(Clone, Debug)]
pub(crate) struct MeterReading {
    pub(crate) meter: Meter,
    /// `None` has what was counted without looking who the other end was.
    pub(crate) scopes: PerDirection<BTreeMap<Option<Scope>, Amount>>,
    pub(crate) buckets: PerDirection<BTreeMap<Bucket, Amount>>,
    pub(crate) ports: Sorted<Port, PerDirection<Amount>>,
    /// What was received in [`Scope::Flooded`], once more by the scope of its source address.
    pub(crate) flooded: BTreeMap<Scope, Amount>,
    /// What was received straight from other meters' containers: a part of what was received in [`Scope::Container`].
    /// `None` where nobody looked. A meter that is gone is missing here, whatever had come from it.
    pub(crate) origins: Option<BTreeMap<MeterId, Amount>>,
}

impl MeterReading {
    /// Everything counted.
    pub(crate) fn total(&self) -> PerDirection<Amount> {
        PerDirection::from_fn(|direction| self.scopes.get(direction).values().copied().sum())
    }
}

/// Why traffic stands under no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bucket {
    /// The eBPF program has decided so.
    Program(abi::Bucket),
    /// No rule for a port matches it.
    NoRule,
}

impl Bucket {
    /// What an eBPF program may decide.
    pub(crate) const PROGRAM: [Self; abi::Bucket::ALL.len()] = {
        let mut all = [Self::NoRule; abi::Bucket::ALL.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = Self::Program(abi::Bucket::ALL[at]);
            at += 1;
        }
        all
    };
    /// What rules leave.
    pub(crate) const RULES: [Self; 1] = [Self::NoRule];

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::PROGRAM.into_iter().chain(Self::RULES)
    }
}

/// What is known of a point where traffic is counted, whether or not it still exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meter {
    pub(crate) id: MeterId,
    pub(crate) point: Point,
    pub(crate) life: Life,
    pub(crate) hook: HookKind,
    pub(crate) attached_at: Timestamp,
    /// Traffic that the interface had carried before it was attached to; `None` where there is none to ask.
    pub(crate) shortfall: Option<PerDirection<Shortfall>>,
    /// The container behind it, as it was last known.
    pub(crate) container: Option<ContainerName>,
}

/// Which meter, of all there ever were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MeterId {
    /// An interface, by its place in the kernel's maps.
    Slot(Slot, Generation),
    /// A container's addresses, by rules of a firewall.
    Rules(ContainerId),
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot, generation) => write!(f, "slot {} (generation {})", slot.0, generation.0),
            Self::Rules(container) => write!(f, "rules of container {}", container.to_short()),
        }
    }
}

/// Where packets are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// At the host's end of a veth.
    Interface { ifindex: IfIndex, name: String },
    /// Where the firewall sees them go to or come from these addresses.
    Addresses(BTreeSet<IpAddr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Live,
    /// The interface or address is gone; its last counts are kept until they are booked.
    Retired,
}

/// How packets reach what counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookKind {
    Tc(TcHook),
    /// Rules below Docker's chain `DOCKER-USER`.
    DockerUser,
    /// A chain at nftables' forward hook.
    NftForward,
}

/// How an eBPF program is attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcHook {
    Tcx,
    Clsact,
}

/// Bytes and packets as the interface's own counters add them up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Shortfall {
    pub(crate) skb_bytes: u64,
    pub(crate) skbs: u64,
    /// Known to the byte; otherwise an upper bound, because packets were under way whenever it was looked at.
    pub(crate) settled: bool,
}

impl std::ops::Add for Shortfall {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            skb_bytes: self.skb_bytes.saturating_add(other.skb_bytes),
            skbs: self.skbs.saturating_add(other.skbs),
            settled: self.settled && other.settled,
        }
    }
}

/// A container's identity and the name it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerName {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
}

/// What port counters are kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::struct_field_names, reason = "a port's number is its port")]
pub(crate) struct Port {
    /// IP protocol number.
    pub(crate) protocol: u8,
    pub(crate) port: u16,
    pub(crate) role: Role,
    pub(crate) family: Family,
    /// `None` where nobody looked who the other end was.
    pub(crate) scope: Option<Scope>,
}
