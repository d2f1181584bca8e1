//! A change -> the commands that make it, in an order in which each can be carried out.
//!
//! A chain that counts is never emptied and a rule never written again: packets pass meanwhile. Lines of others stay where
//! they are, in chains of dtraf's, too; a chain that holds one, or that one leads to, is not removed. What new lines see, no
//! verdict of others precedes: they go to the top.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dtraf_common::abi::Direction;

use super::{Added, Change, preset};
use crate::source::iptables::chain::{
    Branch, DOCKER_USER, FORWARD, Jump, Line, RETIRED, first_verdict, is_ours, leaf,
};
use crate::source::iptables::standing::{LineNumber, Place, Table};
use crate::source::iptables::tree::{Tree, jumps, tree};
use crate::source::rules::Matched;

/// How many bits of an address a chain decides: a packet meets up to four lines of each.
const STRIDE: u8 = 2;

/// What stands of dtraf's besides its counters, and what is to stand.
struct Frame<'a> {
    table: &'a Table,
    change: &'a Change<'a>,
    tree: Tree,
    jumps: Vec<Jump>,
    /// Every chain that is needed, with those of the tree.
    chains: BTreeSet<String>,
}

pub(super) fn script(table: &Table, change: &Change<'_>) -> Vec<String> {
    let frame = Frame::new(table, change);
    let mut commands = Vec::new();
    commands.extend(frame.new_chains());
    commands.extend(frame.deletions());
    commands.extend(frame.amid_others());
    commands.extend(frame.new_branches());
    commands.extend(frame.new_rules());
    commands.extend(frame.new_jumps());
    commands.extend(frame.old_chains());
    commands
}

impl<'a> Frame<'a> {
    fn new(table: &'a Table, change: &'a Change<'a>) -> Self {
        let stay = || table.spots().filter(|spot| !change.removed.contains(&spot.line));
        let kept = stay().map(|spot| (spot.place, spot.rule.address));
        let added = change.added.iter().map(|added| (added.place, added.rule.address));
        let placed: Vec<(Place, IpAddr)> = kept.chain(added).collect();
        let addresses: BTreeSet<IpAddr> =
            placed.iter().filter(|(place, _)| *place == Place::Leaf).map(|(_, address)| *address).collect();
        let mut grown = Tree::new();
        let mut chains = BTreeSet::new();
        for direction in Direction::ALL {
            grown.extend(tree(table.family, direction, &addresses, STRIDE));
            chains.extend(addresses.iter().map(|address| leaf(direction, *address)));
        }
        chains.extend(grown.keys().cloned());
        if placed.iter().any(|(place, _)| *place == Place::Retired) {
            chains.insert(RETIRED.to_owned());
        }
        Self { table, change, tree: grown, jumps: jumps(table.family, &addresses), chains }
    }

    fn new_chains(&self) -> impl Iterator<Item = String> {
        let missing = self.chains.iter().filter(|chain| !self.table.chains.contains_key(*chain));
        missing.map(|chain| format!(":{chain} - [0:0]"))
    }

    /// Lines that have to go. The first of a chain goes first: the programs search from there.
    fn gone(&self) -> impl Iterator<Item = (LineNumber<'a>, String)> {
        let mut seen = BTreeSet::<(&str, &Branch)>::new();
        self.table.lines().filter_map(move |(at, line)| {
            let spec = match line {
                Line::Counter(rule, _) | Line::Shadow(rule, _) => {
                    self.change.removed.contains(&at).then(|| rule.spec())
                }
                Line::Jump(jump) => {
                    (at.chain != self.table.entry() || !self.stays(jump)).then(|| jump.spec())
                }
                Line::Branch(branch) => {
                    let is_needed = self.tree.get(at.chain).is_some_and(|lines| lines.contains(branch));
                    let stays = is_needed && self.is_first(at) && seen.insert((at.chain, branch));
                    (!stays).then(|| branch.spec())
                }
                Line::Foreign(_) => None,
            };
            spec.map(|spec| (at, spec))
        })
    }

    fn deletions(&self) -> impl Iterator<Item = String> {
        self.gone().map(|(at, spec)| format!("-D {} {spec}", at.chain))
    }

    /// Whether this is a line that leads to a tree, and it is needed, all packets come to it, and there is but one.
    fn stays(&self, jump: &Jump) -> bool {
        let lines = self.lines(self.table.entry());
        let is_it = |line: &Line| matches!(line, Line::Jump(standing) if standing == jump);
        let mut standing = (1..).zip(lines).filter(|(_, line)| is_it(line));
        let first = standing.next().is_some_and(|(number, _)| number < first_verdict(lines));
        self.jumps.contains(jump) && first && standing.next().is_none()
    }

    fn lines(&self, chain: &str) -> &'a [Line] {
        self.table.chains.get(chain).map_or(&[], Vec::as_slice)
    }

    /// Whether no verdict of others precedes a line.
    fn is_first(&self, at: LineNumber<'_>) -> bool {
        at.number < first_verdict(self.lines(at.chain))
    }

    /// Insertions between lines that stand. The last of a chain goes first, so that the numbers of the others still hold.
    fn amid_others(&self) -> Vec<String> {
        let gone: BTreeSet<LineNumber<'_>> = self.gone().map(|(at, _)| at).collect();
        let mut numbered = self.catch_alls_behind_their_ports(&gone);
        // Of two at the same number the latter stands first: shadows of neighbours do not cross.
        numbered.extend(self.shadows(&gone).rev());
        numbered.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        numbered.into_iter().map(|(_, insertion)| insertion).collect()
    }

    /// A catch-all whose ports stand already goes behind them: a dump that is read from the top must not show more for a
    /// port than for all.
    fn catch_alls_behind_their_ports(&self, gone: &BTreeSet<LineNumber<'a>>) -> Vec<(usize, String)> {
        let behind = self.last_ports(gone);
        let numbered =
            self.change.added.iter().filter_map(|added| Some((self.behind_ports(&behind, added)?, added)));
        numbered
            .map(|(number, added)| (number, self.insertion(&self.chain_of(added), number, added)))
            .collect()
    }

    /// One before each superseded counter and one behind it.
    fn shadows(&self, gone: &BTreeSet<LineNumber<'a>>) -> impl DoubleEndedIterator<Item = (usize, String)> {
        self.change.superseded.iter().flat_map(|(at, rule)| {
            let before = LineNumber { chain: at.chain, number: 1 };
            let number = at.number - gone.range(before..*at).count();
            [number + 1, number]
                .map(|number| (number, format!("[0:0] -I {} {number} {}", at.chain, rule.shadow().spec())))
        })
    }

    /// The last line for a port of each address that no verdict precedes, as it is numbered once lines have been deleted.
    fn last_ports(&self, gone: &BTreeSet<LineNumber<'a>>) -> LastPorts<'a> {
        let counts: BTreeSet<LineNumber<'_>> =
            self.table.spots().filter(|spot| spot.place.is_first()).map(|spot| spot.line).collect();
        let mut last = BTreeMap::new();
        for (chain, lines) in &self.table.chains {
            let stay =
                (1..).zip(lines).filter(|(number, _)| !gone.contains(&LineNumber { chain, number: *number }));
            for (number, (before, line)) in (1..).zip(stay) {
                if let Line::Counter(rule, _) = line
                    && rule.key.matched != Matched::All
                    && counts.contains(&LineNumber { chain, number: before })
                {
                    last.insert((chain.as_str(), rule.address), number);
                }
            }
        }
        last
    }

    /// Returns the number for a catch-all that has its ports before it.
    fn behind_ports(&self, ports: &LastPorts<'_>, added: &Added) -> Option<usize> {
        let chain = self.chain_of(added);
        let last = ports.get(&(chain.as_str(), added.rule.address))?;
        (added.place != Place::Retired && added.rule.key.matched == Matched::All).then_some(last + 1)
    }

    fn new_branches(&self) -> impl Iterator<Item = String> {
        let lines = self.tree.iter().flat_map(|(chain, lines)| lines.iter().map(move |line| (chain, line)));
        let standing: BTreeSet<(&str, &Branch)> = self
            .table
            .lines()
            .filter_map(|(at, line)| match line {
                Line::Branch(branch) if self.is_first(at) => Some((at.chain, branch)),
                _ => None,
            })
            .collect();
        lines.filter(move |(chain, line)| !standing.contains(&(chain.as_str(), *line))).map(
            |(chain, line)| match first_verdict(self.lines(chain)) {
                usize::MAX => format!("-A {chain} {}", line.spec()),
                _ => format!("-I {chain} 1 {}", line.spec()),
            },
        )
    }

    /// Each at the top, from the last to the first, so that no line's number must be known.
    fn new_rules(&self) -> impl Iterator<Item = String> {
        let behind = self.last_ports(&self.gone().map(|(at, _)| at).collect());
        let others =
            self.change.added.iter().rev().filter(move |added| self.behind_ports(&behind, added).is_none());
        others.map(|added| self.insertion(&self.chain_of(added), 1, added))
    }

    /// Each at the top: what is received comes first, as in the recipe.
    fn new_jumps(&self) -> impl Iterator<Item = String> {
        let missing = self.jumps.iter().rev().filter(|jump| !self.stays(jump));
        missing.map(|jump| format!("-I {} 1 {}", self.table.entry(), jump.spec()))
    }

    fn old_chains(&self) -> impl Iterator<Item = String> {
        let is_empty = |chain: &str, lines: &[Line]| {
            (1..).zip(lines).all(|(number, line)| match line {
                Line::Counter(..) | Line::Shadow(..) => {
                    self.change.removed.contains(&LineNumber { chain, number })
                }
                Line::Branch(_) | Line::Jump(_) => true,
                Line::Foreign(_) => false,
            })
        };
        let gone = self.table.chains.iter().filter(move |(chain, lines)| {
            let may_go = is_ours(chain) && !self.chains.contains(*chain) && !self.table.held.contains(*chain);
            may_go && is_empty(chain, lines)
        });
        gone.map(|(chain, _)| format!("-X {chain}"))
    }

    fn chain_of(&self, added: &Added) -> String {
        match added.place {
            Place::Literal => self.table.entry().to_owned(),
            Place::Leaf => leaf(added.rule.key.direction, added.rule.address),
            Place::Hidden | Place::Unsettled | Place::Superseded | Place::Retired | Place::Stray => {
                RETIRED.to_owned()
            }
        }
    }

    fn insertion(&self, chain: &str, number: usize, added: &Added) -> String {
        let (counter, rule) = preset(self.table.presets, &added.rule, added.tally);
        format!("[{}:{}] -I {chain} {number} {}", counter.packets, counter.bytes, rule.spec())
    }
}

/// Line numbers, by chain and address.
type LastPorts<'a> = BTreeMap<(&'a str, IpAddr), usize>;

/// What stands of dtraf's, line by line, as it could be made again.
pub(super) fn again(table: &Table, at_the_end: bool) -> impl Iterator<Item = String> {
    let mut top = BTreeMap::new();
    table.lines().filter_map(move |(at, line)| {
        let (counter, spec) = match line {
            Line::Counter(rule, counter) => {
                let (counter, rule) = preset(table.presets, rule, rule.carried + *counter);
                (format!("[{}:{}] ", counter.packets, counter.bytes), rule.spec())
            }
            Line::Shadow(rule, counter) => (format!("[{}:{}] ", counter.packets, counter.bytes), rule.spec()),
            Line::Jump(jump) => (String::new(), jump.spec()),
            Line::Branch(branch) => (String::new(), branch.spec()),
            Line::Foreign(_) => return None,
        };
        let is_theirs = at.chain == FORWARD || at.chain == DOCKER_USER && !at_the_end;
        if !is_theirs {
            return Some(format!("{counter}-A {} {spec}\n", at.chain));
        }
        let number = top.entry(at.chain).or_insert(0);
        *number += 1;
        Some(format!("{counter}-I {} {number} {spec}\n", at.chain))
    })
}
