//! What a family's table holds besides counters and what points to them: maps, one chain and its rules.

use std::collections::BTreeMap;
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
/// The least number of elements that a map has room for: 16 KB.
const SMALLEST: usize = 1024;

/// A rule of the chain. It bears its name as a comment: how a rule is listed differs between versions of `nft`.
///
/// A statement that finds nothing ends its rule. So what follows it in one rule is done for the container's packets only,
/// and each rule and each statement that others' packets do not meet is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// By address, then by port.
    Both(Map, Map),
    Count(Map),
    /// The end for packets without a port, whose bytes could be taken for one: up to Linux 6.18, at least, what loads
    /// two bytes of a transport header does not ask for fragments. It is the policy's verdict: to go on.
    Fragment,
}

impl Rule {
    /// Those of a family, in the order of the chain.
    ///
    /// A fragment of IPv6 is found by walking its headers, and cannot be told from one that has none by a statement that
    /// goes on: there it takes a rule of its own.
    pub(super) fn all(family: Family) -> Vec<Self> {
        let [rx, tx] = Direction::ALL.map(|direction| Map { family, held: Held::Address(direction) });
        let [rx_ports, tx_ports] =
            Direction::ALL.map(|direction| Map { family, held: Held::Port(direction) });
        match family {
            Family::V4 => vec![Self::Both(rx, rx_ports), Self::Both(tx, tx_ports)],
            Family::V6 => {
                let counts = |map| Self::Count(map);
                vec![counts(rx), counts(tx), Self::Fragment, counts(rx_ports), counts(tx_ports)]
            }
        }
    }

    pub(super) fn comment(self) -> String {
        match self {
            Self::Both(map, ports) => format!("{map}, {ports}"),
            Self::Count(map) => map.to_string(),
            Self::Fragment => "fragment".to_owned(),
        }
    }
}

/// The statements, without their comment.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(map, ports) => {
                write!(f, "{} ip frag-off & 0x1fff == 0 {}", Self::Count(*map), Self::Count(*ports))
            }
            Self::Fragment => f.write_str("frag frag-off != 0 return"),
            Self::Count(map) => {
                let header = family_word(map.family);
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

/// As `nft` calls a family's tables and its header. A table for both would ask each packet for its family, in every rule.
pub(super) fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// Which end of a packet the container is.
fn end(direction: Direction) -> char {
    match direction {
        Direction::Received => 'd',
        Direction::Transmitted => 's',
    }
}

/// What is there already of a family's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Skeleton {
    /// By name, and how many elements each may have, where that is limited.
    pub(super) maps: BTreeMap<String, Option<usize>>,
    pub(super) chain: Option<Chain>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// It is where dtraf would put it.
    pub(super) is_placed: bool,
    /// The comments of its rules, in their order.
    pub(super) rules: Vec<String>,
}

/// How many elements each map is to hold.
pub(super) type Needed = BTreeMap<Map, usize>;

/// What to do with a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitting {
    Stays,
    /// It is not there.
    Comes,
    /// It is made anew, and all of its elements with it: it has no room, or is not the kind that is looked into fastest.
    Grows,
}

impl Skeleton {
    pub(super) fn fitting(&self, map: Map, needed: &Needed) -> Fitting {
        match self.maps.get(&map.to_string()) {
            None => Fitting::Comes,
            Some(Some(size)) if *size >= elements(map, needed) => Fitting::Stays,
            Some(None) if map.held == Held::Retired => Fitting::Stays,
            Some(_) => Fitting::Grows,
        }
    }

    /// Adds to a script what is missing. Rules hold no counts: where one is missing, all are made anew.
    pub(super) fn complete(
        standing: Option<&Self>,
        family: Family,
        table: &str,
        needed: &Needed,
        script: &mut String,
    ) -> fmt::Result {
        let table = format!("{} {table}", family_word(family));
        if standing.is_none() {
            writeln!(script, "add table {table}")?;
        }
        let none = Self::default();
        let standing = standing.unwrap_or(&none);
        let maps = || Map::all().filter(|map| map.family == family);
        let unfit: Vec<(Map, Fitting)> = maps()
            .map(|map| (map, standing.fitting(map, needed)))
            .filter(|(_, fitting)| *fitting != Fitting::Stays)
            .collect();
        let rules = Rule::all(family);
        let is_whole = |chain: &Chain| {
            chain.is_placed && chain.rules.iter().cloned().eq(rules.iter().map(|rule| rule.comment()))
        };
        let stays = unfit.is_empty() && standing.chain.as_ref().is_some_and(is_whole);
        if let Some(chain) = standing.chain.as_ref().filter(|_| !stays) {
            writeln!(script, "flush chain {table} {CHAIN}")?;
            if !chain.is_placed {
                writeln!(script, "delete chain {table} {CHAIN}")?;
            }
        }
        for (map, fitting) in unfit {
            if fitting == Fitting::Grows {
                writeln!(script, "delete map {table} {map}")?;
            }
            let size = size(map, needed).map(|size| format!(" size {size};")).unwrap_or_default();
            writeln!(script, "add map {table} {map} {{ type {} : counter;{size} }}", map.key_type())?;
        }
        if stays {
            return Ok(());
        }
        let at = format!("type filter hook {HOOK} priority {PRIORITY}; policy accept;");
        writeln!(script, "add chain {table} {CHAIN} {{ {at} }}")?;
        for rule in rules {
            writeln!(script, "add rule {table} {CHAIN} {rule} comment \"{}\"", rule.comment())?;
        }
        Ok(())
    }
}

fn elements(map: Map, needed: &Needed) -> usize {
    needed.get(&map).copied().unwrap_or_default()
}

/// The kernel looks fastest into maps whose size it is told: into those without one it takes a hash that can grow. Twice
/// what is needed leaves room for others to come, and most places in the hash empty.
fn size(map: Map, needed: &Needed) -> Option<usize> {
    (map.held != Held::Retired).then(|| (2 * elements(map, needed)).next_power_of_two().max(SMALLEST))
}
