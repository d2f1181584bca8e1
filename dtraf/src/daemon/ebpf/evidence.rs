//! Matches interfaces with containers whose network namespace was not seen in time.
//!
//! A container may be gone before Docker answers the first question about it. What is left is what Docker said of its
//! connections (network, MAC address, times), and what the kernel said of interfaces (bridge, namespace, MAC address, times).
//! Both come from outside of the container: the process that could change a MAC address, and only with `CAP_NET_ADMIN`, does not
//! run yet when the address is read; and an address that two of them claim names neither. Where several matches are possible
//! none is made.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::accounting::identity::{ContainerId, NetnsId, Slot, Timestamp};

/// How late the kernel's notifications may be taken on a busy host. Docker's events carry their time.
const SLACK: Duration = Duration::from_secs(2);
/// Time after an interface's end in which Docker's events of it may still be under way.
const LATENESS: Duration = Duration::from_secs(1);

/// A network namespace: its number, and since when it has that.
pub(super) type Namespace = (NetnsId, Timestamp);

/// What the kernel said of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) slot: Slot,
    /// Id of its Docker network.
    pub(super) network: String,
    pub(super) namespace: Option<Namespace>,
    /// MAC address of the end in the container, read before the container's process ran.
    pub(super) mac: Option<u64>,
    pub(super) came: Timestamp,
    /// `None` while it is there.
    pub(super) went: Option<Timestamp>,
    pub(super) owner: Option<ContainerId>,
}

/// What Docker said of a container's connection to a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) container: ContainerId,
    /// When the container was created; the epoch where that is not known.
    pub(super) created: Timestamp,
    pub(super) network: String,
    pub(super) mac: Option<u64>,
    pub(super) since: Timestamp,
    /// `None` while it lasts.
    pub(super) until: Option<Timestamp>,
}

impl Connection {
    /// Returns whether nothing contradicts that the interface was made for this connection.
    fn allows(&self, interface: &Interface) -> bool {
        let lately = |taken: Timestamp, event: Timestamp| taken.0 <= event.0 + SLACK;
        self.network == interface.network
            && self.created <= interface.came
            && lately(interface.came, self.since)
            && interface
                .went
                .is_none_or(|went| self.since <= went && self.until.is_none_or(|until| lately(went, until)))
            && !matches!((self.mac, interface.mac), (Some(one), Some(other)) if one != other)
    }

    fn is_named_by_mac(&self, interface: &Interface) -> bool {
        self.mac.is_some() && self.mac == interface.mac
    }
}

/// Returns the owners of interfaces that have none, as far as the evidence allows no other.
pub(super) fn identify(
    interfaces: &[Interface],
    connections: &[Connection],
    now: Timestamp,
) -> Vec<(Slot, ContainerId)> {
    let mut interfaces = interfaces.to_vec();
    let mut open: Vec<&Connection> = connections.iter().collect();
    for interface in interfaces.iter().filter(|interface| interface.owner.is_some()) {
        satisfy(&mut open, interface);
    }
    let mut found = Vec::new();
    while let Some((at, owner)) = next(&interfaces, &open, now) {
        interfaces[at].owner = Some(owner);
        satisfy(&mut open, &interfaces[at]);
        found.push((interfaces[at].slot, owner));
    }
    found
}

/// Takes away the connection that an interface with an owner was made for.
fn satisfy(open: &mut Vec<&Connection>, interface: &Interface) {
    let is_its = |connection: &&Connection| {
        Some(connection.container) == interface.owner && connection.allows(interface)
    };
    if let Some(at) = open.iter().position(is_its) {
        open.swap_remove(at);
    }
}

/// Returns an interface and the one container that it can belong to.
fn next(interfaces: &[Interface], open: &[&Connection], now: Timestamp) -> Option<(usize, ContainerId)> {
    let unowned = || interfaces.iter().enumerate().filter(|(_, interface)| interface.owner.is_none());
    // Two interfaces in one namespace have one owner.
    for (at, interface) in unowned().filter(|(_, interface)| interface.namespace.is_some()) {
        let kin = interfaces.iter().filter(|kin| kin.namespace == interface.namespace);
        let owners: BTreeSet<ContainerId> = kin.filter_map(|kin| kin.owner).collect();
        if let (1, Some(owner)) = (owners.len(), owners.first()) {
            return Some((at, *owner));
        }
    }
    let only = |at: usize, matches: &dyn Fn(&Connection, &Interface) -> bool| {
        let mut fitting = open.iter().filter(|connection| matches(connection, &interfaces[at]));
        let (Some(connection), None) = (fitting.next(), fitting.next()) else { return None };
        let rivals = unowned().filter(|(_, rival)| matches(connection, rival)).count();
        (rivals == 1).then_some(connection.container)
    };
    for (at, _) in unowned() {
        let by_mac = |connection: &Connection, interface: &Interface| {
            connection.is_named_by_mac(interface) && connection.allows(interface)
        };
        if let Some(owner) = only(at, &by_mac) {
            return Some((at, owner));
        }
    }
    // What is still there can be asked about.
    for (at, _) in
        unowned().filter(|(_, interface)| interface.went.is_some_and(|went| now.since(went) >= LATENESS))
    {
        if let Some(owner) = only(at, &Connection::allows) {
            return Some((at, owner));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::{at, id};

    const NOW: u64 = 1000;

    fn interface(slot: u16, network: &str, came: u64, went: Option<u64>) -> Interface {
        Interface {
            slot: Slot(slot),
            network: network.to_owned(),
            namespace: None,
            mac: None,
            came: at(came),
            went: went.map(at),
            owner: None,
        }
    }

    fn connection(container: u8, network: &str, since: u64, until: Option<u64>) -> Connection {
        Connection {
            container: id(container),
            created: at(since - 1),
            network: network.to_owned(),
            mac: None,
            since: at(since),
            until: until.map(at),
        }
    }

    fn found(interfaces: &[Interface], connections: &[Connection]) -> Vec<(u16, ContainerId)> {
        let mut found: Vec<_> =
            identify(interfaces, connections, at(NOW)).into_iter().map(|(slot, id)| (slot.0, id)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn container_on_two_networks_owns_the_interface_on_each() {
        let interfaces = [interface(1, "a", 10, Some(20)), interface(2, "b", 10, Some(20))];
        let connections = [connection(1, "a", 10, Some(20)), connection(1, "b", 11, Some(20))];
        assert_eq!(found(&interfaces, &connections), [(1, id(1)), (2, id(1))]);
    }

    #[test]
    fn containers_at_the_same_time_are_told_apart_by_their_addresses() {
        let with = |mac, interface| Interface { mac: Some(mac), ..interface };
        let of = |mac, connection| Connection { mac: Some(mac), ..connection };
        let interfaces = [with(7, interface(1, "a", 10, Some(20))), with(8, interface(2, "a", 10, Some(20)))];
        let connections = [of(8, connection(1, "a", 10, None)), of(7, connection(2, "a", 10, None))];
        assert_eq!(found(&interfaces, &connections), [(1, id(2)), (2, id(1))]);
        // While they are there, too.
        let live = interfaces.map(|interface| Interface { went: None, ..interface });
        assert_eq!(found(&live, &connections), [(1, id(2)), (2, id(1))]);
    }

    #[test]
    fn address_that_two_interfaces_claim_names_neither() {
        let with = |mac, interface| Interface { mac: Some(mac), ..interface };
        let of = |mac, connection| Connection { mac: Some(mac), ..connection };
        let victim = of(7, connection(1, "a", 10, Some(20)));
        let forger = of(8, connection(2, "a", 10, Some(20)));
        let interfaces = [with(7, interface(1, "a", 10, Some(20))), with(7, interface(2, "a", 10, Some(20)))];
        assert_eq!(found(&interfaces, &[victim.clone(), forger.clone()]), []);
        // A forger that has been seen in its namespace takes nothing from the other.
        let seen = [interfaces[0].clone(), Interface { owner: Some(id(2)), ..interfaces[1].clone() }];
        assert_eq!(found(&seen, &[victim, forger]), [(1, id(1))]);
    }

    #[test]
    fn one_namespace_has_one_owner() {
        let within = |interface| Interface { namespace: Some((NetnsId(3), at(5))), ..interface };
        let named = Interface { owner: Some(id(1)), ..within(interface(1, "a", 10, Some(20))) };
        let later = Interface { namespace: Some((NetnsId(3), at(30))), ..interface(3, "a", 31, Some(40)) };
        let interfaces = [named, within(interface(2, "b", 10, Some(20))), later];
        assert_eq!(found(&interfaces, &[]), [(2, id(1))]);
    }

    #[test]
    fn what_can_be_two_containers_is_neithers() {
        let interfaces = [interface(1, "a", 10, Some(20)), interface(2, "a", 11, Some(21))];
        let connections = [connection(1, "a", 10, Some(20)), connection(2, "a", 11, Some(21))];
        assert_eq!(found(&interfaces, &connections), []);
        assert_eq!(found(&interfaces[..1], &connections), []);
        assert_eq!(found(&interfaces, &connections[..1]), []);
        // Time tells them apart when it is long enough.
        let interfaces = [interface(1, "a", 10, Some(20)), interface(2, "a", 50, Some(51))];
        let connections = [connection(1, "a", 10, Some(20)), connection(2, "a", 50, Some(52))];
        assert_eq!(found(&interfaces, &connections), [(1, id(1)), (2, id(2))]);
    }

    #[test]
    fn interface_that_is_there_is_not_named_by_elimination() {
        let connections = [connection(1, "a", 10, None)];
        assert_eq!(found(&[interface(1, "a", 10, None)], &connections), []);
        let gone = [interface(1, "a", 10, Some(NOW))];
        assert_eq!(identify(&gone, &connections, at(NOW)), [], "an event of another may be under way");
    }
}
