//! What `iptables-save` prints -> what stands in the filter tables, as far as it concerns dtraf.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dtraf_common::abi::Family;

use super::chain::{DOCKER_USER, FORWARD, Foreign, Line, RETIRED, first_verdict, is_ours, leaf};
use super::printed::{rule, target, whole_lines};
use super::rule::{Identity, Rule};
use super::verdict::{Chains, Effect, Printed, Verdict, Way};
use crate::accounting::snapshot::Life;
use crate::source::rules::set::Hiding;
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
    /// How forwarded packets come to `DOCKER-USER`.
    pub(super) way: Way,
    /// Lines of `FORWARD`, of `DOCKER-USER` and of dtraf's own chains, in their order, by chain.
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
    /// In the entry chain, as in the recipe.
    Literal,
    /// In the chain of its address.
    Leaf,
    /// Behind rules of others that may keep packets from it, or keep all.
    Hidden,
    /// Another one counts in its place. What it had counted until then is not certain yet: packets passed during the reading.
    Unsettled,
    /// Another one counts in its place, and what it had counted until then is certain.
    Superseded,
    Retired,
    /// In a chain where it cannot count.
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

    /// Lists other people's rules that may keep packets from counters.
    pub(crate) fn hiding(&self) -> BTreeSet<Hiding> {
        self.tables().flat_map(Table::hiding).collect()
    }

    /// Returns true while a superseded counter waits for a certain reading.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.tables().flat_map(Table::spots).any(|spot| spot.place == Place::Unsettled)
    }

    /// Lists rules that keep packets from `DOCKER-USER` as a whole, so that dtraf's stand in `FORWARD`.
    pub(crate) fn before_docker_user(&self) -> Vec<Hiding> {
        let of = |table: &Table| {
            let verdict = table.before_docker_user().cloned();
            verdict.map(|verdict| Hiding { family: table.family, verdict })
        };
        self.tables().filter_map(of).collect()
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
            way: Way::Closed,
            chains: BTreeMap::new(),
            held: BTreeSet::new(),
        };
        let mut leads = BTreeMap::<&str, Vec<String>>::new();
        let mut printed = Chains::default();
        for line in whole_lines(save) {
            if let Some(chain) = line.strip_prefix(':').and_then(|line| line.split(' ').next()) {
                table.declare(chain);
                printed.rules.entry(chain).or_default();
            } else if let Some((counter, chain, spec)) = rule(line) {
                let words =
                    shlex::split(spec).unwrap_or_else(|| spec.split(' ').map(str::to_owned).collect());
                let target = target(&words).map(str::to_owned);
                let ours = table.chains.get_mut(chain).is_some_and(|lines| {
                    let line = Line::parse(chain, &words, family, counter);
                    let is_ours = line.is_some();
                    let foreign = || Line::Foreign(Foreign { spec: spec.to_owned(), effect: Effect::Passes });
                    lines.push(line.unwrap_or_else(foreign));
                    is_ours
                });
                if !ours
                    && let Some(target) = &target
                    && is_ours(target)
                {
                    table.held.insert(target.clone());
                }
                leads.entry(chain).or_default().extend(target);
                printed.rules.entry(chain).or_default().push(Printed { words, spec });
            }
        }
        table.judge(&printed);
        if table.docker_user != DockerUser::Missing && is_reached(&leads) {
            table.docker_user = DockerUser::Reached;
        }
        table
    }

    fn declare(&mut self, chain: &str) {
        if chain == DOCKER_USER {
            self.docker_user = DockerUser::Unreached;
        }
        if [DOCKER_USER, FORWARD].contains(&chain) || is_ours(chain) {
            self.chains.entry(chain.to_owned()).or_default();
        }
    }

    /// Finds which of other people's rules hide packets from those behind them.
    fn judge(&mut self, printed: &Chains<'_>) {
        self.way = printed.way();
        for (chain, lines) in &mut self.chains {
            let rules = printed.rules.get(chain.as_str()).into_iter().flatten();
            for (line, rule) in lines.iter_mut().zip(rules) {
                if let Line::Foreign(foreign) = line {
                    foreign.effect = printed.effect(&rule.words);
                }
            }
        }
    }

    /// The chain at whose top dtraf's rules see every forwarded packet.
    pub(super) fn entry(&self) -> &'static str {
        match self.way {
            Way::Open | Way::Closed => DOCKER_USER,
            Way::Hidden(_) => FORWARD,
        }
    }

    /// Returns the rule that keeps packets from `DOCKER-USER` as a whole.
    fn before_docker_user(&self) -> Option<&Verdict> {
        match &self.way {
            Way::Hidden(verdict) => Some(verdict),
            Way::Open | Way::Closed => None,
        }
    }

    /// Lists other people's rules that may keep packets from counters.
    pub(crate) fn hiding(&self) -> impl Iterator<Item = Hiding> {
        let family = self.family;
        self.verdicts().into_iter().map(move |verdict| Hiding { family, verdict })
    }

    /// Returns other people's rules that may keep packets from counters or from what leads to them.
    fn verdicts(&self) -> BTreeSet<Verdict> {
        let hidden: BTreeSet<LineNumber<'_>> =
            self.spots().filter(|spot| spot.place == Place::Hidden).map(|spot| spot.line).collect();
        let mut verdicts = BTreeSet::new();
        for (chain, lines) in &self.chains {
            let is_of_ours = |(number, line): &(usize, &Line)| match line {
                Line::Counter(..) => hidden.contains(&LineNumber { chain, number: *number }),
                Line::Jump(_) | Line::Branch(_) => true,
                Line::Shadow(..) | Line::Foreign(_) => false,
            };
            let last = (1..).zip(lines).filter(is_of_ours).last().map(|(number, _)| number);
            // A packet comes through several of dtraf's own chains: there a verdict hides wherever it stands.
            let last = if is_ours(chain) && chain != RETIRED { Some(usize::MAX) } else { last };
            let Some(last) = last else { continue };
            let before = (1..).zip(lines).take_while(|(number, _)| *number < last);
            let verdict = before.filter_map(|(number, line)| match line {
                Line::Foreign(Foreign { spec, effect }) if *effect != Effect::Passes => {
                    let spec = spec.replace('\n', " ");
                    Some(Verdict { chain: chain.clone(), number, spec })
                }
                _ => None,
            });
            verdicts.extend(verdict);
            if chain == DOCKER_USER {
                verdicts.extend(self.before_docker_user().cloned());
            }
        }
        verdicts
    }

    pub(crate) fn has_counters(&self) -> bool {
        self.spots().next().is_some()
    }

    pub(crate) fn docker_user(&self) -> DockerUser {
        self.docker_user
    }

    pub(super) fn spots(&self) -> impl Iterator<Item = Spot<'_>> {
        self.chains.iter().flat_map(move |(chain, lines)| {
            let shadows = shadows(lines);
            let verdict = first_verdict(lines);
            (1..).zip(lines).filter_map(move |(number, line)| {
                let Line::Counter(rule, counter) = line else { return None };
                let line = LineNumber { chain, number };
                let tally = rule.carried + *counter;
                let Some(shadow) = shadows.get(&rule.identity()) else {
                    let place = self.place(line, rule, verdict);
                    return Some(Spot { line, rule, tally, place });
                };
                let place = if shadow.is_certain { Place::Superseded } else { Place::Unsettled };
                Some(Spot { line, rule, tally: tally.less(&shadow.most), place })
            })
        })
    }

    fn place(&self, line: LineNumber<'_>, rule: &Rule, verdict: usize) -> Place {
        let LineNumber { chain, number } = line;
        // While nothing leads to `DOCKER-USER`, what stands in FORWARD goes on.
        let is_entry = chain == self.entry() || chain == FORWARD && self.way == Way::Closed;
        let is_leaf = chain == leaf(rule.key.direction, rule.address);
        match chain {
            RETIRED => Place::Retired,
            _ if is_entry && number < verdict => Place::Literal,
            _ if is_leaf && number < verdict => Place::Leaf,
            DOCKER_USER | FORWARD => Place::Hidden,
            _ if is_leaf => Place::Hidden,
            _ => Place::Stray,
        }
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
            Place::Literal | Place::Leaf | Place::Hidden => Life::Live,
            Place::Unsettled | Place::Superseded | Place::Retired | Place::Stray => Life::Retired,
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

impl Place {
    /// Returns true for counters that count packets of their address.
    pub(super) fn counts(self) -> bool {
        matches!(self, Self::Literal | Self::Leaf | Self::Hidden)
    }

    /// Returns true where nothing is kept from it.
    pub(super) fn is_first(self) -> bool {
        matches!(self, Self::Literal | Self::Leaf)
    }
}

/// Counts of the shadows of one counter. They stand before and behind it, so that they say the same unless a packet passed
/// while they were read.
struct Shadows {
    most: Tally,
    is_certain: bool,
}

fn shadows(lines: &[Line]) -> BTreeMap<Identity, Shadows> {
    let mut shadows = BTreeMap::<Identity, Shadows>::new();
    for line in lines {
        let Line::Shadow(rule, tally) = line else { continue };
        let shadow = shadows.entry(rule.identity()).or_insert(Shadows { most: *tally, is_certain: true });
        shadow.is_certain &= shadow.most == *tally;
        shadow.most = shadow.most.most(tally);
    }
    shadows
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
