//! Who the other end of a conversation is, by its address.
//!
//! Prefixes with scopes are compiled into two tables: for each value of an address's first 16 bits either a scope or "look
//! further", and the prefixes to look further in. Most traffic is decided by the first table.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dtraf_common::abi::{Family, Scope, ScopeRoots};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::inventory::{Inventory, Network};

/// Prefixes and what they are. The longest one that holds an address decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    prefixes: BTreeMap<IpNet, Scope>,
}

impl Scopes {
    /// What holds on every host, then what Docker and the host say, then what the user says.
    pub(crate) fn new(
        inventory: &Inventory,
        host: impl IntoIterator<Item = IpAddr>,
        user: &[(IpNet, Scope)],
    ) -> Self {
        let mut scopes = Self { prefixes: well_known().collect() };
        // Others, macvlan for one, borrow their addresses from the network around the host.
        let own = |network: &&Network| matches!(network.driver.as_str(), "bridge" | "overlay");
        for network in inventory.networks.iter().filter(own) {
            for subnet in &network.subnets {
                scopes.prefixes.insert(subnet.trunc(), Scope::Container);
            }
        }
        let gateways =
            inventory.networks.iter().filter(own).flat_map(|network| network.gateways.iter().copied());
        for address in gateways.chain(host) {
            scopes.prefixes.insert(IpNet::from(address), Scope::Host);
        }
        for (prefix, scope) in user {
            scopes.prefixes.insert(prefix.trunc(), *scope);
        }
        scopes
    }

    /// The prefixes, as addresses of 16 bytes (IPv4 as `::ffff:a.b.c.d`) and lengths, for a longest-prefix match.
    pub(crate) fn trie(&self) -> BTreeMap<([u8; 16], u32), Scope> {
        self.prefixes.iter().map(|(prefix, scope)| (mapped(prefix), *scope)).collect()
    }

    /// For each value of the first 16 bits: the scope, or [`ScopeRoots::UNDECIDED`].
    pub(crate) fn roots(&self, family: Family) -> Vec<u8> {
        let mut roots = vec![Scope::Internet as u8; 1 << 16];
        // Shorter prefixes first, so that longer ones overwrite them.
        let mut prefixes: Vec<_> =
            self.prefixes.iter().filter(|(prefix, _)| family_of(prefix) == family).collect();
        prefixes.sort_by_key(|(prefix, _)| prefix.prefix_len());
        for (prefix, scope) in prefixes {
            let first = usize::from(first_16_bits(prefix.network()));
            let (count, value) = match prefix.prefix_len() {
                length @ 0..=16 => (1 << (16 - length), *scope as u8),
                _ => (1, ScopeRoots::UNDECIDED),
            };
            roots[first..first + count].fill(value);
        }
        roots
    }
}

/// Prefixes that mean the same on every host, each with the document that says so.
fn well_known() -> impl Iterator<Item = (IpNet, Scope)> {
    let v4 = |a, b, c, d, length| {
        IpNet::V4(Ipv4Net::new(Ipv4Addr::new(a, b, c, d), length).expect("a length of at most 32"))
    };
    let v6 = |first, length| {
        let address = Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0);
        IpNet::V6(Ipv6Net::new(address, length).expect("a length of at most 128"))
    };
    [
        // So that what is said of all IPv6 addresses is not said of IPv4's, which lie among them in the trie.
        (v4(0, 0, 0, 0, 0), Scope::Internet),
        // RFC 1918: private.
        (v4(10, 0, 0, 0, 8), Scope::Lan),
        (v4(172, 16, 0, 0, 12), Scope::Lan),
        (v4(192, 168, 0, 0, 16), Scope::Lan),
        // RFC 6598: behind a carrier's NAT.
        (v4(100, 64, 0, 0, 10), Scope::Lan),
        // RFC 3927: link-local.
        (v4(169, 254, 0, 0, 16), Scope::Lan),
        // RFC 1122, 3.2.1.3: loopback, this host, limited broadcast.
        (v4(127, 0, 0, 0, 8), Scope::Host),
        (v4(0, 0, 0, 0, 8), Scope::Other),
        (v4(255, 255, 255, 255, 32), Scope::Multicast),
        // RFC 1112: groups.
        (v4(224, 0, 0, 0, 4), Scope::Multicast),
        // RFC 4193: unique local; RFC 4291: link-local, groups, loopback and the unspecified address.
        (v6(0xfc00, 7), Scope::Lan),
        (v6(0xfe80, 10), Scope::Lan),
        (v6(0xff00, 8), Scope::Multicast),
        (IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)), Scope::Host),
        (IpNet::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), Scope::Other),
    ]
    .into_iter()
}

fn family_of(prefix: &IpNet) -> Family {
    match prefix {
        IpNet::V4(_) => Family::V4,
        IpNet::V6(_) => Family::V6,
    }
}

fn first_16_bits(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(address) => u16::from_be_bytes([address.octets()[0], address.octets()[1]]),
        IpAddr::V6(address) => address.segments()[0],
    }
}

fn mapped(prefix: &IpNet) -> ([u8; 16], u32) {
    match prefix {
        IpNet::V4(prefix) => {
            (prefix.network().to_ipv6_mapped().octets(), u32::from(prefix.prefix_len()) + 96)
        }
        IpNet::V6(prefix) => (prefix.network().octets(), u32::from(prefix.prefix_len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn docker() -> Inventory {
        let network = Network {
            id: "1".to_owned(),
            name: "bridge".to_owned(),
            driver: "bridge".to_owned(),
            bridge: Some("docker0".to_owned()),
            subnets: vec!["172.17.0.0/16".parse().unwrap(), "fd00:1::/64".parse().unwrap()],
            gateways: vec!["172.17.0.1".parse().unwrap()],
        };
        Inventory { networks: vec![network], ..Inventory::default() }
    }

    fn scopes() -> Scopes {
        let host = ["203.0.113.5".parse().unwrap()];
        Scopes::new(&docker(), host, &[("198.51.100.0/24".parse().unwrap(), Scope::Lan)])
    }

    /// As the kernel does it: the root, then the longest prefix in the trie.
    fn look_up(scopes: &Scopes, address: IpAddr) -> Scope {
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        let root = scopes.roots(family)[usize::from(first_16_bits(address))];
        if root != ScopeRoots::UNDECIDED {
            return Scope::try_from(root).unwrap();
        }
        let (bytes, _) = mapped(&IpNet::from(address));
        let holds = |(prefix, length): &([u8; 16], u32)| {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            u128::from_be_bytes(bytes) & mask == u128::from_be_bytes(*prefix) & mask
        };
        let trie = scopes.trie();
        let longest = trie.iter().filter(|(key, _)| holds(key)).max_by_key(|((_, length), _)| *length);
        longest.map_or(Scope::Internet, |(_, scope)| *scope)
    }

    #[test]
    fn addresses_have_the_scope_of_their_longest_prefix() {
        let scopes = scopes();
        for (address, scope) in [
            ("8.8.8.8", Scope::Internet),
            ("172.17.0.9", Scope::Container),
            ("172.17.0.1", Scope::Host),
            ("172.18.0.1", Scope::Lan),
            ("203.0.113.5", Scope::Host),
            ("203.0.113.6", Scope::Internet),
            ("198.51.100.7", Scope::Lan),
            ("100.100.1.1", Scope::Lan),
            ("239.1.2.3", Scope::Multicast),
            ("255.255.255.255", Scope::Multicast),
            ("fd00:1::5", Scope::Container),
            ("fd00:2::5", Scope::Lan),
            ("fe80::1", Scope::Lan),
            ("ff02::1", Scope::Multicast),
            ("2001:db8::1", Scope::Internet),
        ] {
            assert_eq!(look_up(&scopes, address.parse().unwrap()), scope, "{address}");
        }
    }

    #[test]
    fn networks_that_borrow_their_addresses_say_nothing_of_scopes() {
        let mut inventory = docker();
        inventory.networks[0].driver = "macvlan".to_owned();
        let scopes = Scopes::new(&inventory, [], &[("::/0".parse().unwrap(), Scope::Host)]);
        for (address, scope) in
            [("172.17.0.9", Scope::Lan), ("8.8.8.8", Scope::Internet), ("2001:db8::1", Scope::Host)]
        {
            assert_eq!(look_up(&scopes, address.parse().unwrap()), scope, "{address}");
        }
    }

    proptest! {
        #[test]
        fn the_roots_never_contradict_the_prefixes(address: u32, prefix: u32, length in 0u8..=32, raw in 0u8..6) {
            let user = Ipv4Net::new(Ipv4Addr::from(prefix), length).unwrap();
            let scope = Scope::try_from(raw).unwrap();
            let scopes = Scopes::new(&docker(), [], &[(IpNet::V4(user), scope)]);
            let address = IpAddr::V4(Ipv4Addr::from(address));
            let longest = scopes.prefixes.iter().filter(|(prefix, _)| prefix.contains(&address))
                .max_by_key(|(prefix, _)| prefix.prefix_len());
            prop_assert_eq!(look_up(&scopes, address), longest.map_or(Scope::Internet, |(_, scope)| *scope));
        }
    }
}
