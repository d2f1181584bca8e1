//! Who the other end of a conversation is, by its address.
//!
//! Prefixes with scopes are compiled into pages: for each value of an address's first 16 bits either a scope, or the block
//! that says the same for the next 16 bits, or "look further"; and into the prefixes to look further in. Two looks decide
//! nearly all traffic, all of IPv4 included unless there are more networks than blocks.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dtraf_common::abi::{Family, Scope, ScopePage};
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

    /// The pages, in the map's order: one for each family, then the blocks.
    pub(crate) fn pages(&self) -> Vec<Vec<u8>> {
        let mut pages: Vec<_> = Family::ALL.iter().map(|family| self.page(*family, None)).collect();
        for family in Family::ALL {
            for first in 0..=u16::MAX {
                let number = usize::from(ScopePage::FIRST_BLOCK) + pages.len() - Family::ALL.len();
                let there = &mut pages[family as usize][usize::from(first)];
                if *there == ScopePage::UNDECIDED
                    && let Ok(number @ ..ScopePage::NO_BLOCK) = u8::try_from(number)
                {
                    *there = number;
                    pages.push(self.page(family, Some(first)));
                }
            }
        }
        pages
    }

    /// By the first 16 bits of an address; or by the next 16 bits, of those that begin with `first`.
    fn page(&self, family: Family, first: Option<u16>) -> Vec<u8> {
        let begin = if first.is_some() { 16 } else { 0 };
        let mut page = vec![Scope::Internet as u8; 1 << 16];
        // Shorter prefixes first, so that longer ones overwrite them.
        let mut prefixes: Vec<_> =
            self.prefixes.iter().filter(|(prefix, _)| family_of(prefix) == family).collect();
        prefixes.sort_by_key(|(prefix, _)| prefix.prefix_len());
        for (prefix, scope) in prefixes {
            let length = prefix.prefix_len();
            let [own, next] = first_segments(prefix.network());
            let is_within =
                first.is_none_or(|first| (first ^ own).leading_zeros() >= u32::from(length.min(16)));
            let own = if first.is_some() { next } else { own };
            match length.saturating_sub(begin) {
                _ if !is_within => {}
                0 => page.fill(*scope as u8),
                more @ 1..=16 => page[usize::from(own)..][..1 << (16 - more)].fill(*scope as u8),
                _ => page[usize::from(own)] = ScopePage::UNDECIDED,
            }
        }
        page
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
        // RFC 1122, 3.2.1.3: loopback, this network, limited broadcast.
        (v4(127, 0, 0, 0, 8), Scope::Host),
        (v4(0, 0, 0, 0, 8), Scope::Lan),
        (v4(255, 255, 255, 255, 32), Scope::Multicast),
        // RFC 1112: groups.
        (v4(224, 0, 0, 0, 4), Scope::Multicast),
        // RFC 4193: unique local; RFC 4291: link-local, groups, loopback and the unspecified address.
        (v6(0xfc00, 7), Scope::Lan),
        (v6(0xfe80, 10), Scope::Lan),
        (v6(0xff00, 8), Scope::Multicast),
        (IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)), Scope::Host),
        (IpNet::from(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), Scope::Lan),
    ]
    .into_iter()
}

fn family_of(prefix: &IpNet) -> Family {
    match prefix {
        IpNet::V4(_) => Family::V4,
        IpNet::V6(_) => Family::V6,
    }
}

/// The first 32 bits of an address, in two halves.
fn first_segments(address: IpAddr) -> [u16; 2] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            [first, second]
        }
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

    /// As the kernel does it: one page or two, then the longest prefix in the trie.
    fn look_up(scopes: &Scopes, address: IpAddr) -> Scope {
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        let pages = scopes.pages();
        let at = |page: u32, bits: u16| {
            pages.get(page as usize).map_or(ScopePage::UNDECIDED, |page| page[usize::from(bits)])
        };
        let [first, second] = first_segments(address);
        let mut raw = at(family as u32, first);
        if raw >= ScopePage::FIRST_BLOCK {
            raw = at(ScopePage::block(raw), second);
        }
        if raw < ScopePage::FIRST_BLOCK {
            return Scope::try_from(raw).unwrap();
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
            // A host that has no address yet.
            ("0.0.0.0", Scope::Lan),
            ("0.1.2.3", Scope::Lan),
            ("::", Scope::Lan),
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

    #[test]
    fn more_networks_than_blocks_are_left_to_the_trie() {
        let host = (0..=255).map(|number| IpAddr::from([9, number, 0, 1]));
        let scopes = Scopes::new(&docker(), host, &[]);
        assert_eq!(scopes.pages().len(), ScopePage::COUNT as usize);
        for (address, scope) in
            [("9.1.0.1", Scope::Host), ("9.255.0.1", Scope::Host), ("9.255.0.2", Scope::Internet)]
        {
            assert_eq!(look_up(&scopes, address.parse().unwrap()), scope, "{address}");
        }
    }

    #[test]
    fn two_looks_decide_every_address_of_an_ordinary_host_by_ipv4() {
        let pages = scopes().pages();
        let blocks = pages[Family::V4 as usize].iter().filter(|raw| **raw >= ScopePage::FIRST_BLOCK);
        let blocks: Vec<_> = blocks.map(|number| &pages[ScopePage::block(*number) as usize]).collect();
        assert!(!blocks.is_empty() && blocks.into_iter().flatten().all(|raw| *raw < ScopePage::FIRST_BLOCK));
    }

    /// An address that shares as many of its first bits with another as is said, and the rest of a third.
    fn beside(other: u128, shared: u32, rest: u128) -> u128 {
        let mask = u128::MAX.checked_shr(shared).unwrap_or(0);
        other & !mask | rest & mask
    }

    proptest! {
        #[test]
        fn the_pages_never_contradict_the_prefixes(
            v4: bool, prefix: u128, length in 0u8..=128, raw in 0u8..6, shared in 0u32..=128, rest: u128,
        ) {
            let address = beside(prefix, shared, rest);
            let net = |address: u128, length: u8| {
                if v4 {
                    let address = Ipv4Addr::from(u32::try_from(address >> 96).unwrap());
                    IpNet::V4(Ipv4Net::new(address, length / 4).unwrap())
                } else {
                    IpNet::V6(Ipv6Net::new(Ipv6Addr::from(address), length).unwrap())
                }
            };
            let scope = Scope::try_from(raw).unwrap();
            let scopes = Scopes::new(&docker(), [], &[(net(prefix, length), scope)]);
            let address = net(address, 128).addr();
            let longest = scopes.prefixes.iter().filter(|(prefix, _)| prefix.contains(&address))
                .max_by_key(|(prefix, _)| prefix.prefix_len());
            prop_assert_eq!(look_up(&scopes, address), longest.map_or(Scope::Internet, |(_, scope)| *scope));
        }
    }
}
