//! A set of addresses -> chains that lead a packet to the one for its address, past few rules.
//!
//! Each node decides some bits of the address. It stands only where addresses part, so that there are fewer nodes than
//! addresses and a packet for none of them soon leaves. Prefixes of one node are disjoint: their order does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dtraf_common::abi::{Direction, Family};
use ipnet::IpNet;

use super::chain::{Branch, Jump, everything, leaf, node, root};

/// Lines by the chain they stand in, the root's first.
pub(super) type Tree = BTreeMap<String, BTreeSet<Branch>>;

struct Shape {
    family: Family,
    direction: Direction,
    /// How many bits a node decides.
    stride: u8,
}

/// The tree that leads to the leaves of these addresses, all of one family; no chain at all if there are none.
pub(super) fn tree(family: Family, direction: Direction, addresses: &BTreeSet<IpAddr>, stride: u8) -> Tree {
    let shape = Shape { family, direction, stride };
    let mut tree = Tree::new();
    let bits: Vec<u128> = addresses.iter().copied().map(bits).collect();
    match bits.as_slice() {
        [] => {}
        [only] => _ = tree.insert(root(direction).to_owned(), BTreeSet::from([shape.to_leaf(*only)])),
        several => shape.grow(root(direction).to_owned(), several, &mut tree),
    }
    tree
}

/// The lines that lead to the trees of these addresses.
pub(super) fn jumps(family: Family, addresses: &BTreeSet<IpAddr>) -> Vec<Jump> {
    let ends = addresses.first().zip(addresses.last());
    let prefix = ends.map(|(first, last)| {
        let (first, last) = (bits(*first), bits(*last));
        // They differ somewhere, or are one.
        let shared = u8::try_from((first ^ last).leading_zeros()).expect("a u128 has 128 bits");
        let width = everything(family).max_prefix_len();
        IpNet::new_assert(address_of(family, first), shared.min(width)).trunc()
    });
    let jump = |prefix| Direction::ALL.map(|direction| Jump { direction, prefix });
    prefix.into_iter().flat_map(jump).collect()
}

impl Shape {
    /// At least two addresses, in order.
    fn grow(&self, chain: String, addresses: &[u128], tree: &mut Tree) {
        let decided = (self.shared(addresses) + self.stride).min(self.width());
        let mut lines = BTreeSet::new();
        for group in addresses.chunk_by(|one, other| prefix(*one, decided) == prefix(*other, decided)) {
            if let [only] = group {
                lines.insert(self.to_leaf(*only));
            } else {
                let branch = self.to_node(group[0], self.shared(group));
                self.grow(branch.chain.clone(), group, tree);
                lines.insert(branch);
            }
        }
        tree.entry(chain).or_default().extend(lines);
    }

    /// How many bits they have in common, in whole strides.
    fn shared(&self, addresses: &[u128]) -> u8 {
        let differing = addresses.first().zip(addresses.last()).map_or(0, |(first, last)| first ^ last);
        let shared = u8::try_from(differing.leading_zeros()).unwrap_or(u8::MAX).min(self.width() - 1);
        shared - shared % self.stride
    }

    fn width(&self) -> u8 {
        match self.family {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    fn to_node(&self, address: u128, length: u8) -> Branch {
        let prefix = IpNet::new_assert(address_of(self.family, address), length).trunc();
        Branch { direction: self.direction, prefix, chain: node(self.direction, prefix) }
    }

    fn to_leaf(&self, address: u128) -> Branch {
        let address = address_of(self.family, address);
        Branch { direction: self.direction, prefix: address.into(), chain: leaf(self.direction, address) }
    }
}

/// An address from the first bit on.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address_of(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => {
            Ipv4Addr::from(u32::try_from(bits >> 96).expect("a u128 has 32 bits above the lower 96")).into()
        }
        Family::V6 => Ipv6Addr::from(bits).into(),
    }
}

/// The first bits, of which there is at least one.
fn prefix(bits: u128, length: u8) -> u128 {
    bits >> (128 - u32::from(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(addresses: &[&str], stride: u8) -> Vec<String> {
        let addresses: BTreeSet<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let family = addresses.first().map_or(Family::V4, |it| crate::source::rules::family_of(*it));
        let tree = tree(family, Direction::Received, &addresses, stride);
        let lines = tree.iter().flat_map(|(chain, branches)| {
            branches.iter().map(move |branch| format!("{chain}: {}", branch.spec()))
        });
        lines.collect()
    }

    #[test]
    fn no_address_needs_no_chain_and_one_no_node() {
        assert_eq!(lines(&[], 2), [""; 0]);
        assert_eq!(lines(&["10.0.0.7"], 2), ["DTRAF-RX: -d 10.0.0.7/32 -g DTRAF-R-10.0.0.7-32"]);
    }

    #[test]
    fn only_packets_of_what_all_addresses_share_are_led_to_a_tree() {
        let lines = |addresses: &[&str]| -> Vec<String> {
            let addresses: BTreeSet<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            let family = addresses.first().map_or(Family::V4, |it| crate::source::rules::family_of(*it));
            jumps(family, &addresses).iter().map(Jump::spec).collect()
        };
        assert_eq!(lines(&[]), [""; 0]);
        assert_eq!(lines(&["10.0.0.7"]), ["-d 10.0.0.7/32 -j DTRAF-RX", "-s 10.0.0.7/32 -j DTRAF-TX"]);
        assert_eq!(lines(&["172.17.0.2", "172.17.3.1", "172.18.0.2"])[0], "-d 172.16.0.0/14 -j DTRAF-RX");
        assert_eq!(lines(&["10.0.0.2", "192.168.0.2"])[1], "-j DTRAF-TX");
        assert_eq!(lines(&["fd00::2", "fd00::3"])[0], "-d fd00::2/127 -j DTRAF-RX");
    }

    #[test]
    fn a_node_stands_only_where_addresses_part() {
        assert_eq!(
            lines(&["172.17.0.2", "172.17.0.3", "172.17.0.9", "192.168.1.1"], 2),
            [
                "DTRAF-R-172.17.0.0-28: -d 172.17.0.0/30 -g DTRAF-R-172.17.0.0-30",
                "DTRAF-R-172.17.0.0-28: -d 172.17.0.9/32 -g DTRAF-R-172.17.0.9-32",
                "DTRAF-R-172.17.0.0-30: -d 172.17.0.2/32 -g DTRAF-R-172.17.0.2-32",
                "DTRAF-R-172.17.0.0-30: -d 172.17.0.3/32 -g DTRAF-R-172.17.0.3-32",
                "DTRAF-RX: -d 172.17.0.0/28 -g DTRAF-R-172.17.0.0-28",
                "DTRAF-RX: -d 192.168.1.1/32 -g DTRAF-R-192.168.1.1-32",
            ]
        );
    }

    #[test]
    fn any_stride_parts_any_addresses() {
        let addresses =
            ["0.0.0.0", "0.0.0.1", "127.255.255.255", "128.0.0.0", "255.255.255.254", "255.255.255.255"];
        let six = ["::", "::1", "7fff::", "8000::", "ffff::ffff", "ffff::fffe"];
        for stride in 1..=8 {
            for addresses in [addresses, six] {
                let leaves = lines(&addresses, stride);
                let leaves = leaves.iter().filter(|line| line.contains("/32 ") || line.contains("/128 "));
                assert_eq!(leaves.count(), addresses.len(), "{stride}");
            }
        }
    }
}
