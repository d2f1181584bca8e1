//! The chains dtraf's rules stand in, and what a line in one of them is.

use std::net::IpAddr;

use dtraf_common::abi::{Direction, Family};
use ipnet::IpNet;

use super::rule::{Rule, direction_word};
use crate::source::rules::Tally;

/// Docker's chain for rules of the administrator's own.
pub(super) const DOCKER_USER: &str = "DOCKER-USER";
/// Nothing leads here: its rules keep what they counted.
pub(super) const RETIRED: &str = "DTRAF-RETIRED";
/// All chains that begin like this are dtraf's.
const OURS: &str = "DTRAF-";

/// A rule in a chain that dtraf looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// With what its own counter says.
    Counter(Rule, Tally),
    /// From [`DOCKER_USER`] to the root of a tree.
    Jump(Direction),
    /// From a node of a tree to the next.
    Branch(Branch),
    /// Somebody else's.
    Foreign,
    /// Somebody else's, that no packet comes past.
    End,
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

/// The line that leads to a tree.
pub(super) fn jump(direction: Direction) -> String {
    format!("-m comment --comment \"dtraf {}\" -j {}", direction_word(direction), root(direction))
}

impl Branch {
    pub(super) fn spec(&self) -> String {
        let side = match self.direction {
            Direction::Received => "-d",
            Direction::Transmitted => "-s",
        };
        format!("{side} {} -g {}", self.prefix, self.chain)
    }

    fn parse(words: &[String]) -> Option<Self> {
        let [side, prefix, goto, chain] = words else { return None };
        let direction = match side.as_str() {
            "-d" => Direction::Received,
            "-s" => Direction::Transmitted,
            _ => return None,
        };
        let prefix = prefix.parse().ok().filter(|_| goto == "-g" && is_ours(chain))?;
        Some(Self { direction, prefix, chain: chain.clone() })
    }
}

impl Line {
    /// A line of [`DOCKER_USER`] or of a chain of dtraf's own, from the words behind the chain's name.
    pub(super) fn parse(chain: &str, words: &[String], family: Family, counter: Tally) -> Self {
        if let Some(rule) = Rule::parse(words, family) {
            return Self::Counter(rule, counter);
        }
        let branch = if is_ours(chain) { Branch::parse(words).map(Self::Branch) } else { None };
        let jump = || {
            let comment = words.get(3)?.strip_prefix("dtraf ")?;
            let direction = Direction::ALL.into_iter().find(|it| direction_word(*it) == comment)?;
            let [module, name, option, _, jump, target] = words else { return None };
            let written = [module, name, option, jump, target].map(String::as_str);
            (chain == DOCKER_USER && written == ["-m", "comment", "--comment", "-j", root(direction)])
                .then_some(Self::Jump(direction))
        };
        let others = || if is_end(words) { Self::End } else { Self::Foreign };
        branch.or_else(jump).unwrap_or_else(others)
    }
}

fn is_end(words: &[String]) -> bool {
    let [jump, target] = words else { return false };
    jump == "-j" && ["RETURN", "ACCEPT", "DROP"].contains(&target.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(chain: &str, spec: &str) -> Line {
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
            assert_eq!(line(DOCKER_USER, &jump(direction)), Line::Jump(direction));
            assert_eq!(line("DTRAF-RX", &jump(direction)), Line::Foreign);
            let prefix = "172.17.0.0/20".parse().unwrap();
            let branch = Branch { direction, prefix, chain: node(direction, prefix) };
            assert_eq!(line(root(direction), &branch.spec()), Line::Branch(branch.clone()));
            assert_eq!(line(DOCKER_USER, &branch.spec()), Line::Foreign);
        }
        assert_eq!(line(DOCKER_USER, "-j RETURN"), Line::End);
        assert_eq!(line(DOCKER_USER, "-i eth0 -j RETURN"), Line::Foreign);
        assert_eq!(line(DOCKER_USER, "-j DTRAF-RX"), Line::Foreign);
        assert_eq!(line(DOCKER_USER, "-m comment --comment \"dtraf tx\" -j DTRAF-RX"), Line::Foreign);
        assert_eq!(line("DTRAF-RX", "-d 172.17.0.0/20 -j DTRAF-R-172.17.0.0-20"), Line::Foreign);
        assert_eq!(line("DTRAF-RX", "-d 172.17.0.0/20 -g ELSEWHERE"), Line::Foreign);
    }
}
