//! The chains dtraf's rules stand in, and what a line in one of them is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dtraf_common::abi::{Direction, Family};
use ipnet::IpNet;

use super::rule::Rule;
use super::verdict::Effect;
use crate::source::rules::Tally;

/// Docker's chain for rules of the administrator's own.
pub(super) const DOCKER_USER: &str = "DOCKER-USER";
/// Chain that every forwarded packet enters. dtraf's rules stand at its top where `DOCKER-USER` does not see all packets.
pub(super) const FORWARD: &str = "FORWARD";
/// Nothing leads here: its rules keep what they counted.
pub(super) const RETIRED: &str = "DTRAF-RETIRED";
/// All chains that begin like this are dtraf's.
const OURS: &str = "DTRAF-";

/// A rule in a chain that dtraf looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// With what its own counter says.
    Counter(Rule, Tally),
    /// Counts what a superseded counter beside it has counted since another one took over.
    Shadow(Rule, Tally),
    /// From the entry chain to the root of a tree.
    Jump(Jump),
    /// From a node of a tree to the next.
    Branch(Branch),
    /// Somebody else's.
    Foreign(Foreign),
}

/// A rule of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    /// As it stands behind the chain's name.
    pub(super) spec: String,
    pub(super) effect: Effect,
}

/// Packets for (or from) a prefix, which all addresses of the tree have in common, come by the tree. Others have one rule to
/// meet. There is no comment: it would be one more match for each packet, and a chain's name says whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) direction: Direction,
    pub(super) prefix: IpNet,
}

/// Packets for (or from) a prefix go on in a chain, and do not come back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Branch {
    pub(super) direction: Direction,
    pub(super) prefix: IpNet,
    pub(super) chain: String,
}

pub(super) fn is_ours(chain: &str) -> bool {
    chain.starts_with(OURS)
}

/// Where the tree of a direction begins.
pub(super) fn root(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "DTRAF-RX",
        Direction::Transmitted => "DTRAF-TX",
    }
}

/// The chain for a prefix. No name is longer than the 28 characters that the kernel allows: an IPv6 prefix does not fit, so
/// that its hash must do. Where two have the same hash, their lines stand in one chain, and each still matches its own.
pub(super) fn node(direction: Direction, prefix: IpNet) -> String {
    let letter = match direction {
        Direction::Received => 'R',
        Direction::Transmitted => 'T',
    };
    let bits = prefix.prefix_len();
    match prefix.network() {
        IpAddr::V4(network) => format!("{OURS}{letter}-{network}-{bits}"),
        IpAddr::V6(network) => format!("{OURS}{letter}-{:016x}-{bits}", fnv_1a(&network.octets())),
    }
}

/// The chain for the rules of an address.
pub(super) fn leaf(direction: Direction, address: IpAddr) -> String {
    node(direction, address.into())
}

/// The same in every build, unlike the standard library's.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Received => "-d",
        Direction::Transmitted => "-s",
    }
}

impl Jump {
    pub(super) fn spec(&self) -> String {
        let jump = format!("-j {}", root(self.direction));
        match self.prefix.prefix_len() {
            0 => jump,
            _ => format!("{} {} {jump}", side(self.direction), self.prefix),
        }
    }

    /// Only what would be written like this.
    fn parse(words: &[String], family: Family) -> Option<Self> {
        let target = words.last()?;
        let direction = Direction::ALL.into_iter().find(|direction| root(*direction) == target)?;
        let prefix = match words {
            [_, prefix, _, _] => prefix.parse().ok()?,
            _ => everything(family),
        };
        let jump = Self { direction, prefix };
        (jump.spec() == words.join(" ")).then_some(jump)
    }
}

/// The prefix that all addresses have.
pub(super) fn everything(family: Family) -> IpNet {
    match family {
        Family::V4 => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
        Family::V6 => IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
    }
}

impl Branch {
    pub(super) fn spec(&self) -> String {
        format!("{} {} -g {}", side(self.direction), self.prefix, self.chain)
    }

    fn parse(words: &[String]) -> Option<Self> {
        let [end, prefix, goto, chain] = words else { return None };
        let direction = Direction::ALL.into_iter().find(|direction| side(*direction) == end)?;
        let prefix = prefix.parse().ok().filter(|_| goto == "-g" && is_ours(chain))?;
        Some(Self { direction, prefix, chain: chain.clone() })
    }
}

impl Line {
    /// Returns the line of dtraf's that these words behind a chain's name are; `None` for somebody else's.
    pub(super) fn parse(chain: &str, words: &[String], family: Family, counter: Tally) -> Option<Self> {
        if let Some(rule) = Rule::parse(words, family) {
            return Some(if rule.is_shadow {
                Self::Shadow(rule, counter)
            } else {
                Self::Counter(rule, counter)
            });
        }
        if is_ours(chain) {
            return Branch::parse(words).map(Self::Branch);
        }
        Jump::parse(words, family).map(Self::Jump)
    }
}

/// The first line that ends some packets' way, so that those below do not see every packet.
pub(super) fn first_verdict(lines: &[Line]) -> usize {
    let hides = |line: &Line| matches!(line, Line::Foreign(foreign) if foreign.effect != Effect::Passes);
    lines.iter().position(hides).map_or(usize::MAX, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(chain: &str, spec: &str) -> Option<Line> {
        Line::parse(chain, &shlex::split(spec).unwrap(), Family::V4, Tally::default())
    }

    #[test]
    fn no_chain_has_a_longer_name_than_the_kernel_allows() {
        let widest = ["255.255.255.255/32", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"];
        for prefix in widest.map(|text| text.parse().unwrap()) {
            let name = node(Direction::Transmitted, prefix);
            assert!(name.len() <= 28 && is_ours(&name), "{name}");
        }
        assert_eq!(node(Direction::Received, "172.17.0.0/20".parse().unwrap()), "DTRAF-R-172.17.0.0-20");
        assert_eq!(node(Direction::Received, "fd00::/64".parse().unwrap()), "DTRAF-R-c3c95a9eb8bf59d8-64");
    }

    #[test]
    fn what_leads_to_a_tree_and_through_it_is_known_by_its_exact_words() {
        for direction in Direction::ALL {
            for prefix in ["0.0.0.0/0", "172.16.0.0/14", "172.17.0.2/32"].map(|text| text.parse().unwrap()) {
                let jump = Jump { direction, prefix };
                assert_eq!(line(DOCKER_USER, &jump.spec()), Some(Line::Jump(jump.clone())));
                assert_eq!(line("DTRAF-RX", &jump.spec()), None);
            }
            let prefix = "172.17.0.0/20".parse().unwrap();
            let branch = Branch { direction, prefix, chain: node(direction, prefix) };
            assert_eq!(line(root(direction), &branch.spec()), Some(Line::Branch(branch.clone())));
            assert_eq!(line(DOCKER_USER, &branch.spec()), None);
        }
        assert_eq!(line(DOCKER_USER, "-j RETURN"), None);
        assert_eq!(line(DOCKER_USER, "-i eth0 -j RETURN"), None);
        assert_eq!(line(DOCKER_USER, "-s 172.17.0.0/20 -j DTRAF-RX"), None);
        assert_eq!(line(DOCKER_USER, "-i docker0 -j DTRAF-RX"), None);
        assert_eq!(line(DOCKER_USER, "-d 0.0.0.0/0 -j DTRAF-RX"), None);
        assert_eq!(line(DOCKER_USER, "-m comment --comment mine -j DTRAF-RX"), None);
        assert_eq!(line("DTRAF-RX", "-d 172.17.0.0/20 -j DTRAF-R-172.17.0.0-20"), None);
        assert_eq!(line("DTRAF-RX", "-d 172.17.0.0/20 -g ELSEWHERE"), None);
    }
}
