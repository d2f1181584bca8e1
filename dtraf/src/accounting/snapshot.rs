//! What one reading of a backend's counters says. Nothing here knows which backend it was.

use std::collections::BTreeMap;

use dtraf_common::abi::{Bucket, Family, Role, Scope};
use serde::Serialize;

use super::amount::{Amount, PerDirection};
use super::identity::{ContainerId, Generation, IfIndex, Slot, Timestamp};

/// All counters at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) taken_at: Timestamp,
    pub(crate) meters: Vec<MeterReading>,
}

/// The counters of one interface of one container.
#[derive(Clone, Debug)]
pub(crate) struct MeterReading {
    pub(crate) meter: Meter,
    pub(crate) scopes: PerDirection<BTreeMap<Scope, Amount>>,
    pub(crate) buckets: PerDirection<BTreeMap<Bucket, Amount>>,
    pub(crate) ports: BTreeMap<Port, PerDirection<Amount>>,
}

impl MeterReading {
    /// Everything counted.
    pub(crate) fn total(&self) -> PerDirection<Amount> {
        PerDirection::from_fn(|direction| self.scopes.get(direction).values().copied().sum())
    }
}

/// What is known of a counted interface, whether or not it still exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meter {
    pub(crate) slot: Slot,
    pub(crate) generation: Generation,
    pub(crate) ifindex: IfIndex,
    /// Name of the host's end.
    pub(crate) interface: String,
    pub(crate) life: Life,
    pub(crate) hook: HookKind,
    pub(crate) attached_at: Timestamp,
    /// Traffic that the interface had carried before it was attached to.
    pub(crate) shortfall: PerDirection<Shortfall>,
    /// The container behind it, as it was last known.
    pub(crate) container: Option<ContainerName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Live,
    /// The interface is gone; its last counts are kept until they are booked.
    Retired,
}

/// How packets reach the counting program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HookKind {
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
    pub(crate) scope: Scope,
}
