//! What `iptables-save` prints -> what stands in the filter tables, as far as it concerns dtraf.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dtraf_common::abi::Family;

use super::chain::{DOCKER_USER, Line, RETIRED, is_ours, leaf};
use super::rule::{Rule, tally};
use crate::accounting::snapshot::Life;
use crate::source::rules::{Counted, CounterKey, Tally};

/// The filter tables of both families; none where there is no program for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(super) v4: Option<Table>,
    pub(super) v6: Option<Table>,
}

/// A filter table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) family: Family,
    pub(super) docker_user: DockerUser,
    pub(super) presets: Presets,
    /// Lines of `DOCKER-USER` and of dtraf's own chains, in their order, by chain.
    pub(super) chains: BTreeMap<String, Vec<Line>>,
    /// Chains of dtraf's that somebody else's rule leads to.
    pub(super) held: BTreeSet<String>,
}

/// Whether rules in `DOCKER-USER` can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DockerUser {
    Missing,
    /// Nothing leads to it from `FORWARD`: no packet comes by.
    Unreached,
    Reached,
}

/// What a program does with the counter that a new rule is to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presets {
    Kept,
    /// `ip6tables-nft` before 1.8.10 begins at zero: <https://bugzilla.netfilter.org/show_bug.cgi?id=1647>
    Lost,
}

/// A counter with the line it stands in, for people who look for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) chain: String,
    pub(crate) number: usize,
    /// As it could be typed behind the chain's name.
    pub(crate) spec: String,
    pub(crate) counted: Counted,
}

/// One rule of dtraf's, where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot<'a> {
    pub(super) line: LineNumber<'a>,
    pub(super) rule: &'a Rule,
    /// Everything it stands for, what it was given when it was made included.
    pub(super) tally: Tally,
    pub(super) place: Place,
}

/// A line as iptables numbers it, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineNumber<'a> {
    pub(super) chain: &'a str,
    pub(super) number: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In `DOCKER-USER`, as in the recipe.
    Literal,
    /// In the chain of its address.
    Leaf,
    Retired,
    /// In a chain of dtraf's where it cannot count.
    Stray,
}

impl Standing {
    /// Every counter, in the order of the chains they stand in.
    pub(crate) fn counted(&self) -> Vec<Counted> {
        self.tables().flat_map(Table::spots).map(|spot| spot.counted()).collect()
    }

    /// The same, with the lines they stand in.
    pub(crate) fn listed(&self) -> Vec<Listed> {
        let listed = |spot: Spot<'_>| Listed {
            chain: spot.line.chain.to_owned(),
            number: spot.line.number,
            spec: spot.rule.spec(),
            counted: spot.counted(),
        };
        self.tables().flat_map(Table::spots).map(listed).collect()
    }

    pub(crate) fn table(&self, family: Family) -> Option<&Table> {
        match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        }
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.v4.iter().chain(&self.v6)
    }
}

impl Table {
    /// Reads `iptables-save --counters`.
    pub(crate) fn parse(save: &str, family: Family, presets: Presets) -> Self {
        let mut table = Self {
            family,
            docker_user: DockerUser::Missing,
            presets,
            chains: BTreeMap::new(),
            held: BTreeSet::new(),
        };
        let mut leads = BTreeMap::<&str, Vec<String>>::new();
        for line in whole_lines(save) {
            if let Some(chain) = line.strip_prefix(':').and_then(|line| line.split(' ').next()) {
                table.declare(chain);
            } else if let Some((counter, chain, spec)) = rule(line) {
                let words =
                    shlex::split(spec).unwrap_or_else(|| spec.split(' ').map(str::to_owned).collect());
                let target = target(&words).map(str::to_owned);
                let theirs = match table.chains.get_mut(chain) {
                    Some(lines) => {
                        lines.push(Line::parse(chain, &words, family, counter));
                        matches!(lines.last(), Some(Line::Foreign | Line::End))
                    }
                    None => true,
                };
                if theirs
                    && let Some(target) = &target
                    && is_ours(target)
                {
                    table.held.insert(target.clone());
                }
                leads.entry(chain).or_default().extend(target);
            }
        }
        if table.docker_user != DockerUser::Missing && is_reached(&leads) {
            table.docker_user = DockerUser::Reached;
        }
        table
    }

    fn declare(&mut self, chain: &str) {
        if chain == DOCKER_USER {
            self.docker_user = DockerUser::Unreached;
        }
        if chain == DOCKER_USER || is_ours(chain) {
            self.chains.entry(chain.to_owned()).or_default();
        }
    }

    pub(crate) fn has_counters(&self) -> bool {
        self.spots().next().is_some()
    }

    pub(crate) fn docker_user(&self) -> DockerUser {
        self.docker_user
    }

    pub(super) fn spots(&self) -> impl Iterator<Item = Spot<'_>> {
        self.chains.iter().flat_map(|(chain, lines)| {
            let end = end(lines);
            (1..).zip(lines).filter_map(move |(number, line)| match line {
                Line::Counter(rule, counter) => {
                    let line = LineNumber { chain, number };
                    let place = place(chain, rule, number < end);
                    Some(Spot { line, rule, tally: rule.carried + *counter, place })
                }
                Line::Jump(_) | Line::Branch(_) | Line::Foreign | Line::End => None,
            })
        })
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (LineNumber<'_>, &Line)> {
        self.chains.iter().flat_map(|(chain, lines)| {
            (1..).zip(lines).map(move |(number, line)| (LineNumber { chain, number }, line))
        })
    }
}

impl Spot<'_> {
    fn counted(&self) -> Counted {
        let life = match self.place {
            Place::Literal | Place::Leaf => Life::Live,
            Place::Retired | Place::Stray => Life::Retired,
        };
        Counted {
            key: self.rule.key,
            name: self.rule.name().to_owned(),
            address: self.rule.address,
            since: self.rule.since(),
            life,
            tally: self.tally,
        }
    }

    /// Which figure it is, and at which address.
    pub(super) fn at(&self) -> (CounterKey, IpAddr) {
        (self.rule.key, self.rule.address)
    }
}

/// The first line that no packet comes to.
pub(super) fn end(lines: &[Line]) -> usize {
    lines.iter().position(|line| *line == Line::End).map_or(usize::MAX, |index| index + 1)
}

fn place(chain: &str, rule: &Rule, is_passed: bool) -> Place {
    match chain {
        RETIRED => Place::Retired,
        DOCKER_USER if is_passed => Place::Literal,
        chain if is_passed && chain == leaf(rule.key.direction, rule.address) => Place::Leaf,
        _ => Place::Stray,
    }
}

/// Lines, of which one goes on over a line break that somebody put into a comment: what follows is no rule.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.find('\n')?;
        let end = if is_open(&rest[..first]) { closed(rest) } else { None };
        let (line, after) = rest.split_at(end.unwrap_or(first));
        rest = &after[1..];
        Some(line)
    })
}

/// Where the line ends on which the quotation of the first one ends.
fn closed(text: &str) -> Option<usize> {
    let mut end = 0;
    let mut open = false;
    let lines = text.split_inclusive('\n').map(|line| {
        end += line.len();
        open ^= is_open(line);
        (!open).then_some(end - 1)
    });
    lines.flatten().next()
}

/// Whether a quotation has begun that does not end.
fn is_open(line: &str) -> bool {
    let mut is_escaped = false;
    let quotes = line.chars().filter(|it| {
        let counts = *it == '"' && !is_escaped;
        is_escaped = *it == '\\' && !is_escaped;
        counts
    });
    quotes.count() % 2 == 1
}

/// `[packets:bytes] -A CHAIN spec`
fn rule(line: &str) -> Option<(Tally, &str, &str)> {
    let (counter, rest) = line.strip_prefix('[')?.split_once("] -A ")?;
    let (chain, spec) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((tally(counter)?, chain, spec))
}

fn target(words: &[String]) -> Option<&str> {
    let option = words.iter().position(|word| word == "-j" || word == "-g")?;
    words.get(option + 1).map(String::as_str)
}

/// Whether a packet that is forwarded can come to `DOCKER-USER`.
fn is_reached(leads: &BTreeMap<&str, Vec<String>>) -> bool {
    let mut seen = BTreeSet::from(["FORWARD"]);
    let mut open = vec!["FORWARD"];
    while let Some(chain) = open.pop() {
        let targets = leads.get(chain).into_iter().flatten().map(String::as_str);
        open.extend(targets.filter(|target| seen.insert(target)));
    }
    seen.contains(DOCKER_USER)
}
