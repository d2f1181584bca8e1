//! What Docker says -> which addresses are to be counted, and which of their ports by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::accounting::identity::ContainerId;
use crate::accounting::inventory::{Container, Inventory, NetworkMode, PortNumber};
use crate::accounting::snapshot::ContainerName;

/// An address of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) container: ContainerName,
    pub(crate) address: IpAddr,
    /// What is published or exposed.
    pub(crate) ports: BTreeSet<PortNumber>,
}

/// A container some of whose ports are not counted by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooManyPorts {
    pub(crate) container: ContainerName,
    pub(crate) ports: usize,
    pub(crate) counted: usize,
}

/// Every address of every container on a bridge network, no address twice, in the order of addresses. Of a container's
/// ports at most `most` are counted by themselves, the published ones first: a container must not be able to make any
/// number of rules.
///
/// Where two containers say that they have one address, one of them has not noticed yet that it has lost it: the one that
/// runs has it.
pub(crate) fn wanted(inventory: &Inventory, most: usize) -> (Vec<Wanted>, Vec<TooManyPorts>) {
    let mut addresses = BTreeMap::<IpAddr, &Container>::new();
    for container in inventory.containers.values() {
        for address in addresses_of(inventory, container) {
            let place = addresses.entry(address).or_insert(container);
            if place.pid.is_none() && container.pid.is_some() {
                *place = container;
            }
        }
    }
    let mut ports = BTreeMap::<ContainerId, BTreeSet<PortNumber>>::new();
    let mut too_many = Vec::new();
    for container in addresses.values() {
        ports.entry(container.id).or_insert_with(|| {
            let (all, counted) = ports_of(inventory, container, most);
            if counted.len() < all {
                let container = ContainerName { id: container.id, name: container.name.clone() };
                too_many.push(TooManyPorts { container, ports: all, counted: counted.len() });
            }
            counted
        });
    }
    let wanted = addresses.into_iter().map(|(address, container)| Wanted {
        container: ContainerName { id: container.id, name: container.name.clone() },
        address,
        ports: ports.get(&container.id).cloned().unwrap_or_default(),
    });
    (wanted.collect(), too_many)
}

/// Other drivers' traffic does not pass the host's firewall, or not by the container's address.
fn addresses_of<'a>(inventory: &'a Inventory, container: &'a Container) -> impl Iterator<Item = IpAddr> + 'a {
    let is_bridge = |name: &str| {
        inventory.networks.iter().find(|network| network.name == name).is_none_or(|it| it.driver == "bridge")
    };
    let endpoints = container.endpoints.iter().filter(move |endpoint| is_bridge(&endpoint.network));
    let addresses = endpoints.flat_map(|endpoint| endpoint.addresses.iter().copied());
    addresses.filter(|address| !address.is_unspecified() && container.network_mode == NetworkMode::Networks)
}

/// How many ports a container and those that share its network have, and which of them are to be counted.
fn ports_of(inventory: &Inventory, container: &Container, most: usize) -> (usize, BTreeSet<PortNumber>) {
    let shares = |other: &&Container| matches!(&other.network_mode, NetworkMode::SharedWith(id) if *id == container.id);
    let tenants = || [container].into_iter().chain(inventory.containers.values().filter(shares));
    let published = tenants().flat_map(|tenant| tenant.published.iter().map(|published| published.container));
    let exposed = tenants().flat_map(|tenant| tenant.exposed.iter().copied());
    let (mut seen, mut counted) = (BTreeSet::new(), BTreeSet::new());
    for port in published.chain(exposed) {
        if seen.insert(port) && counted.len() < most {
            counted.insert(port);
        }
    }
    (seen.len(), counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::{container, endpoint, id, in_mode, inventory, published, stopped};

    const TCP_80: PortNumber = PortNumber { protocol: 6, port: 80 };
    const UDP_53: PortNumber = PortNumber { protocol: 17, port: 53 };

    fn addresses(wanted: &[Wanted]) -> Vec<(String, &str)> {
        wanted.iter().map(|wanted| (wanted.address.to_string(), wanted.container.name.as_str())).collect()
    }

    #[test]
    fn each_address_on_a_bridge_network_is_wanted_with_the_ports_of_its_container() {
        let mut web = Container { published: vec![published(8080, 80)], ..container(2, "web") };
        web.exposed.insert(UDP_53);
        web.endpoints[0].addresses.push("fd00::2".parse().unwrap());
        web.endpoints.push(endpoint("front", [172, 18, 0, 2]));
        web.endpoints.push(endpoint("vlan7", [10, 7, 0, 2]));
        let (wanted, _) = wanted(&inventory([web, container(3, "db")]), 10);
        let name = |address: &str, name| (address.to_owned(), name);
        assert_eq!(
            addresses(&wanted),
            [
                name("172.17.0.2", "web"),
                name("172.17.0.3", "db"),
                name("172.18.0.2", "web"),
                name("fd00::2", "web")
            ]
        );
        assert_eq!(wanted[0].ports, BTreeSet::from([TCP_80, UDP_53]));
        assert_eq!(wanted[1].ports, BTreeSet::new());
        assert_eq!(wanted[0].keys().count(), 6);
    }

    #[test]
    fn who_has_no_address_of_its_own_is_not_wanted_and_its_ports_are_its_hosts() {
        let host = in_mode(container(4, "host"), NetworkMode::Host);
        let mut tenant = in_mode(container(5, "tenant"), NetworkMode::SharedWith(id(2)));
        tenant.exposed.insert(UDP_53);
        let mut gone = stopped(container(6, "gone"));
        gone.endpoints[0].addresses.clear();
        let (wanted, _) = wanted(&inventory([container(2, "web"), host, tenant, gone]), 10);
        assert_eq!(addresses(&wanted), [("172.17.0.2".to_owned(), "web")]);
        assert_eq!(wanted[0].ports, BTreeSet::from([UDP_53]));
    }

    #[test]
    fn an_address_that_two_claim_is_the_running_ones() {
        let mut before = stopped(container(1, "before"));
        before.endpoints[0] = endpoint("bridge", [172, 17, 0, 2]);
        let (wanted, _) = wanted(&inventory([before, container(2, "now")]), 10);
        assert_eq!(addresses(&wanted), [("172.17.0.2".to_owned(), "now")]);
    }

    #[test]
    fn published_ports_go_before_the_many_that_an_image_exposes() {
        let mut web = Container { published: vec![published(8080, 80)], ..container(2, "web") };
        web.exposed = (1..=50).map(|port| PortNumber { protocol: 6, port }).collect();
        let (wanted, too_many) = wanted(&inventory([web]), 10);
        assert_eq!(wanted[0].ports.len(), 10);
        assert!(wanted[0].ports.contains(&TCP_80));
        assert_eq!((too_many[0].ports, too_many[0].counted), (51, 10));
    }
}
