//! What the table holds besides counters and what points to them: maps, one chain and its rules.

use std::fmt::{self, Write as _};

use dtraf_common::abi::{Direction, Family};

use super::place::{Held, Map};

pub(super) const TABLE: &str = "dtraf";
pub(super) const CHAIN: &str = "forward";
pub(super) const HOOK: &str = "forward";
/// Directly before the `filter` chains (0), where DOCKER-USER, Docker's nftables chains and Podman's decide: what they will
/// drop is counted, as in DOCKER-USER, and what an earlier chain dropped is not. At the forward hook addresses are always
/// the container's: those of the host are translated at prerouting (before) and postrouting (after).
pub(super) const PRIORITY: i64 = -1;

/// A rule of the chain. It bears its name as a comment: how a rule is listed differs between versions of `nft`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Count(Map),
    /// The end for packets without a port, whose bytes could be taken for one. It is the policy's verdict: to go on.
    Fragment(Family),
}

impl Rule {
    /// In the order of the chain.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let by_address = Map::all().filter(|map| matches!(map.held, Held::Address(_)));
        let by_port = Map::all().filter(|map| matches!(map.held, Held::Port(_)));
        let fragments = Family::ALL.into_iter().map(Self::Fragment);
        by_address.map(Self::Count).chain(fragments).chain(by_port.map(Self::Count))
    }

    pub(super) fn comment(self) -> String {
        match self {
            Self::Count(map) => map.to_string(),
            Self::Fragment(Family::V4) => "fragment4".to_owned(),
            Self::Fragment(Family::V6) => "fragment6".to_owned(),
        }
    }
}

/// The statement, without its comment.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fragment(Family::V4) => f.write_str("ip frag-off & 0x1fff != 0 return"),
            Self::Fragment(Family::V6) => f.write_str("frag frag-off != 0 return"),
            Self::Count(map) => {
                let header = match map.family {
                    Family::V4 => "ip",
                    Family::V6 => "ip6",
                };
                match map.held {
                    Held::Address(direction) => {
                        write!(f, "counter name {header} {}addr map @{map}", end(direction))
                    }
                    Held::Port(direction) => {
                        let end = end(direction);
                        write!(f, "counter name {header} {end}addr . meta l4proto . th {end}port map @{map}")
                    }
                    // Not looked into: see `Rule::all`.
                    Held::Retired => Ok(()),
                }
            }
        }
    }
}

/// Which end of a packet the container is.
fn end(direction: Direction) -> char {
    match direction {
        Direction::Received => 'd',
        Direction::Transmitted => 's',
    }
}

/// What is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub(super) has_table: bool,
    /// Names.
    pub(super) maps: Vec<String>,
    pub(super) chain: Option<Chain>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// It is where dtraf would put it.
    pub(super) is_placed: bool,
    /// The comments of its rules, in their order.
    pub(super) rules: Vec<String>,
}

impl Skeleton {
    /// Adds to a script what is missing. Rules hold no counts: where one is missing, all are made anew.
    pub(super) fn complete(&self, table: &str, script: &mut String) -> fmt::Result {
        if !self.has_table {
            writeln!(script, "add table inet {table}")?;
        }
        for map in Map::all().filter(|map| !self.maps.contains(&map.to_string())) {
            writeln!(script, "add map inet {table} {map} {{ type {} : counter; }}", map.key_type())?;
        }
        if let Some(chain) = &self.chain {
            if chain.is_placed && chain.rules.iter().cloned().eq(Rule::all().map(Rule::comment)) {
                return Ok(());
            }
            writeln!(script, "flush chain inet {table} {CHAIN}")?;
            if !chain.is_placed {
                writeln!(script, "delete chain inet {table} {CHAIN}")?;
            }
        }
        let at = format!("type filter hook {HOOK} priority {PRIORITY}; policy accept;");
        writeln!(script, "add chain inet {table} {CHAIN} {{ {at} }}")?;
        for rule in Rule::all() {
            writeln!(script, "add rule inet {table} {CHAIN} {rule} comment \"{}\"", rule.comment())?;
        }
        Ok(())
    }
}
