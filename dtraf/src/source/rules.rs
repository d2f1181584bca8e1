//! What the backends have in common that count by rules of a firewall: what is to be counted, and what was.
//!
//! A rule knows an address and perhaps a port, nothing else. Rules stay in the kernel and go on counting when no dtraf
//! runs, so everything that must be known of one later is written beside it: whose it is, and since when it counts.

pub(crate) mod claim;
pub(crate) mod memory;
pub(crate) mod reading;
pub(crate) mod saved;
pub(crate) mod set;
pub(crate) mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use dtraf_common::abi::{Direction, Family};

use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::PortNumber;
use crate::accounting::snapshot::{ContainerName, Life};

pub(crate) use self::wanted::Wanted;

/// What is counted as one figure, wherever the container may be. Its amount never goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CounterKey {
    pub(crate) container: ContainerId,
    pub(crate) family: Family,
    pub(crate) direction: Direction,
    pub(crate) matched: Matched,
}

/// Which of an address's packets are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matched {
    /// Those for, or from, a port of the container's own. They are in [`Self::All`], too.
    Port(PortNumber),
    All,
}

impl fmt::Display for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Received => "received",
            Direction::Transmitted => "transmitted",
        };
        let family = match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        match self.matched {
            Matched::Port(PortNumber { protocol, port }) => {
                write!(f, "{direction} {family} port {port} of protocol {protocol}")
            }
            Matched::All => write!(f, "{direction} {family}"),
        }
    }
}

/// Packets as the firewall sees them: one for each skb, and its bytes from the IP header on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// One counter in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) key: CounterKey,
    /// The container's name as it was when the counter was made, as far as a comment may hold it.
    pub(crate) name: String,
    /// The address it counts for; of a retired one, the last.
    pub(crate) address: IpAddr,
    /// When it began to count; of one that was carried on from another, when the first began.
    pub(crate) since: Timestamp,
    /// A retired one counts no more: its container has no address. It is kept for when it has one again.
    pub(crate) life: Life,
    pub(crate) tally: Tally,
}

/// What is to stand in the kernel. Whatever a backend changes to get there, it keeps these laws:
///
/// - Each key of each wanted address has one live counter, at that address, where other people's rules do not keep packets
///   from it.
/// - A live counter whose address is not its container's any more moves to an address of the container that has none for
///   its key, or is retired. Counters of containers that are not in `containers` are removed.
/// - For each key of a container in `containers`, the sum of all tallies that stand is the same after the change as before,
///   counters in `known` that stood no more included. Of counters that stand twice at one address, one counts: of those
///   that began at the same time, and of live ones. So a container may have a retired counter and a live one at one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) wanted: &'a [Wanted],
    /// Those that Docker knows, running or not.
    pub(crate) containers: &'a BTreeSet<ContainerId>,
    /// What stood when this process last looked: what has been taken away since is put back with what it had counted.
    pub(crate) known: &'a [Counted],
    pub(crate) now: Timestamp,
}

/// What the counters of each key have together.
pub(crate) fn sums(counted: &[Counted]) -> BTreeMap<CounterKey, Tally> {
    let mut sums = BTreeMap::<CounterKey, Tally>::new();
    for counter in counted {
        let sum = sums.entry(counter.key).or_default();
        *sum = *sum + counter.tally;
    }
    sums
}

impl Tally {
    /// What is left without `part`; nothing where that is more.
    pub(crate) fn less(&self, part: &Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(part.packets),
            bytes: self.bytes.saturating_sub(part.bytes),
        }
    }

    /// Whichever is more.
    pub(crate) fn most(&self, other: &Self) -> Self {
        Self { packets: self.packets.max(other.packets), bytes: self.bytes.max(other.bytes) }
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), std::ops::Add::add)
    }
}

pub(crate) fn family_of(address: IpAddr) -> Family {
    match address {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6,
    }
}

impl Wanted {
    /// Every counter that this address is to have.
    pub(crate) fn keys(&self) -> impl Iterator<Item = CounterKey> + '_ {
        let matches = self.ports.iter().copied().map(Matched::Port).chain([Matched::All]);
        matches.flat_map(|matched| Direction::ALL.map(|direction| self.key(direction, matched)))
    }

    fn key(&self, direction: Direction, matched: Matched) -> CounterKey {
        let ContainerName { id, .. } = self.container;
        CounterKey { container: id, family: family_of(self.address), direction, matched }
    }
}
