//! What stands, and what is to stand -> what is to be changed.
//!
//! Nothing here touches a firewall. A change is one script for each family, and a script is one transaction: packets meet
//! the rules as they were before, or as they are after.

mod reconcile;
mod script;

use std::collections::BTreeSet;

use dtraf_common::abi::Family;

use super::chain::{DOCKER_USER, FORWARD, Line};
use super::rule::Rule;
use super::standing::{DockerUser, LineNumber, Place, Presets, Standing, Table};
use crate::source::rules::{CounterKey, Tally, Target, family_of};

/// How many rules stand in `DOCKER-USER` itself unless somebody says otherwise: the book of a small host reads as by hand.
/// So many cost a packet about as much as the tree.
pub(crate) const LITERAL_RULES: usize = 24;

/// A change of the filter tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    v4: Changes,
    v6: Changes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes {
    /// In the words of `iptables-restore`.
    commands: Vec<String>,
    blocked: Option<Blocked>,
}

/// Why a family has addresses to be counted, but nothing that could count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// No iptables for it, or none in whose tables Docker works.
    NoProgram,
    /// `DOCKER-USER` is gone.
    NoChain,
}

/// What changes among the rules that count.
#[derive(Debug, Default)]
struct Change<'a> {
    removed: BTreeSet<LineNumber<'a>>,
    /// Those of an address stand together, its ports first.
    added: Vec<Added>,
    /// Counters that stay where they are while another one takes over: what they count from now on is counted beside them,
    /// too. A counter cannot be moved: packets would pass between its last reading and the move.
    superseded: Vec<(LineNumber<'a>, Rule)>,
}

#[derive(Clone, Debug)]
struct Added {
    rule: Rule,
    tally: Tally,
    place: Place,
}

/// What has to change so that the tables are as the target wants them. New addresses have their rules in `DOCKER-USER` itself
/// as long as those of all addresses are no more than `literal_rules`.
pub(crate) fn plan(standing: &Standing, target: &Target<'_>, literal_rules: usize) -> Plan {
    Plan::of(|family| {
        let wanted = target.wanted.iter().any(|wanted| family_of(wanted.address) == family);
        match standing.table(family) {
            Some(table) if table.docker_user != DockerUser::Missing => {
                let change = reconcile::reconcile(table, target, literal_rules);
                Changes { commands: script::script(table, &change), blocked: None }
            }
            Some(table) if wanted || table.spots().next().is_some() => Changes::blocked(Blocked::NoChain),
            None if wanted => Changes::blocked(Blocked::NoProgram),
            _ => Changes::default(),
        }
    })
}

/// Takes away the counters of these keys, and with the last of them everything else that is dtraf's.
pub(crate) fn removal(standing: &Standing, which: impl Fn(&CounterKey) -> bool) -> Plan {
    Plan::of(|family| {
        let commands = standing.table(family).map(|table| {
            let removed = ours(table).filter(|(_, rule, _)| which(&rule.key)).map(|(at, ..)| at);
            script::script(table, &Change { removed: removed.collect(), ..Change::default() })
        });
        Changes { commands: commands.unwrap_or_default(), blocked: None }
    })
}

/// Lets the counters of these keys begin at zero, where they stand.
pub(crate) fn zero(standing: &Standing, which: impl Fn(&CounterKey) -> bool) -> Plan {
    Plan::of(|family| {
        let counters = standing.table(family).into_iter().flat_map(ours);
        let mut counters: Vec<_> = counters
            .filter(|(_, rule, counter)| which(&rule.key) && rule.carried + *counter != Tally::default())
            .collect();
        counters.sort_unstable_by_key(|(at, ..)| std::cmp::Reverse(*at));
        Changes {
            commands: counters.iter().flat_map(|(at, rule, _)| zeroing(*at, rule)).collect(),
            blocked: None,
        }
    })
}

/// What a rule carries on cannot be set to zero: another takes its place.
fn zeroing(at: LineNumber<'_>, rule: &Rule) -> Vec<String> {
    let LineNumber { chain, number } = at;
    if rule.carried == Tally::default() {
        return vec![format!("-Z {chain} {number}")];
    }
    let fresh = rule.carrying(Tally::default());
    vec![format!("-D {chain} {}", rule.spec()), format!("[0:0] -I {chain} {number} {}", fresh.spec())]
}

/// Counters and their shadows.
fn ours(table: &Table) -> impl Iterator<Item = (LineNumber<'_>, &Rule, Tally)> {
    table.lines().filter_map(|(at, line)| match line {
        Line::Counter(rule, counter) | Line::Shadow(rule, counter) => Some((at, rule, *counter)),
        Line::Jump(_) | Line::Branch(_) | Line::Foreign(_) => None,
    })
}

impl Plan {
    fn of(changes: impl Fn(Family) -> Changes) -> Self {
        Self { v4: changes(Family::V4), v6: changes(Family::V6) }
    }

    fn changes(&self, family: Family) -> &Changes {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        Family::ALL.iter().all(|family| self.changes(*family).commands.is_empty())
    }

    /// What `iptables-restore --noflush --counters` is to read; nothing if nothing changes.
    pub(crate) fn script(&self, family: Family) -> Option<String> {
        let commands = &self.changes(family).commands;
        let lines = || ["*filter"].into_iter().chain(commands.iter().map(String::as_str)).chain(["COMMIT"]);
        (!commands.is_empty()).then(|| lines().flat_map(|line| [line, "\n"]).collect())
    }

    pub(crate) fn blocked(&self, family: Family) -> Option<Blocked> {
        self.changes(family).blocked
    }
}

impl Changes {
    fn blocked(why: Blocked) -> Self {
        Self { commands: Vec::new(), blocked: Some(why) }
    }
}

/// A rule and the counter it begins with, as far as the table's program keeps one.
fn preset(presets: Presets, rule: &Rule, tally: Tally) -> (Tally, Rule) {
    let (counter, carried) = match presets {
        Presets::Kept => (tally, Tally::default()),
        Presets::Lost => (Tally::default(), tally),
    };
    (counter, rule.carrying(carried))
}

/// The dtraf rules of a family in the form of `iptables-restore`, with what they counted. `DOCKER-USER` is made, or emptied,
/// if `declare_chain` says so; otherwise they go to the top of the one that is there.
pub(crate) fn saved(standing: &Standing, family: Family, declare_chain: bool) -> String {
    let table = standing.table(family);
    let chains = table.into_iter().flat_map(|table| table.chains.keys());
    // Declared anew, a chain loses its rules and its policy.
    let declared = chains.filter(|chain| *chain != FORWARD && (declare_chain || *chain != DOCKER_USER));
    let mut text = String::from("*filter\n");
    text.extend(declared.map(|chain| format!(":{chain} - [0:0]\n")));
    text.extend(table.into_iter().flat_map(|table| script::again(table, declare_chain)));
    text.push_str("COMMIT\n");
    text
}
